"""Builds the parts of a run: environments, agent, random policy, schedule."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated

import gin
from tf_agents.environments import py_environment
from tf_agents.specs import tensor_spec

from slac import console, errors
from slac.agents import base, policies
from slac.config import bindings, settings
from slac.environments import checked, limits, rendering, requirements
from slac.storage import segments
from slac.training import collection, evaluation, replay, schedule

# Gin finds by name what is imported here and not used.
# isort: split
from slac.agents import (  # noqa: F401
  alm,
  alm_variants,
  augmentations,
  baselines,
  slac_agent,
)
from slac.environments import (  # noqa: F401
  claw,
  dm_control_tasks,
  gym_tasks,
  metaworld_tasks,
  sawyer,
)
from slac.models import (  # noqa: F401
  ablations,
  planet,
  proprioception,
  slac_model,
)
from slac.training import devices  # noqa: F401

# Agent steps a second with which a replay is filled, beside a GPU.
_PACE = 100
# A parameter is stored with its two moments and, in the critics, a target.
_BYTES_PER_PARAMETER = 4 * 4
# The pictures of one evaluation, in videos/ and in TensorBoard.
_BYTES_PER_PICTURES = 6_000_000
_OTHER_BYTES = 20_000_000  # For curves and the exported policy.


@gin.configurable
class Experiment:
  """Environments, agent and schedule of one run, built from the settings."""

  def __init__(
    self,
    seed: Annotated[int, settings.Range(0, errors.LARGEST_SEED)] = gin.REQUIRED,
    environment: Callable[..., requirements.Environment] = gin.REQUIRED,
    agent: Callable[..., base.Agent] = gin.REQUIRED,
    random_policy: Callable[..., policies.SeededPolicy] = gin.REQUIRED,
    should_stop: Callable[[], bool] = lambda: False,
    like: py_environment.PyEnvironment | None = None,
  ):
    """Builds everything.

    Args:
      seed: decides every random draw of the run.
      environment: any function that returns an environment, see
        `requirements.prepare`; called twice, for training and for evaluation,
        or once if it is trained in other processes, which make their own.
      agent: a class of agents, such as SlacAgent.
      random_policy: a class of policies; it acts before anything is learned.
      should_stop: whether environments are not to be waited for any longer.
      like: an environment to take the specs from: then none is made in this
        process, and nothing is evaluated.

    Raises:
      errors.UserError: these do not go together.
    """
    self.seed = seed
    self.schedule = schedule.Schedule()
    action_repeat = self.schedule.action_repeat
    self.evaluation = evaluation.Evaluation()
    self.collection = plan = collection.Collection()
    plan.check()
    self.limit = limits.Limit(plan.step_seconds, should_stop)
    is_here = not plan.workers and plan.environments == 1 and not like
    rendering.choose_backend(is_needed=False)
    with making():
      made = [environment() for _ in range(0 if like else 1 + is_here)]
      prepared = [requirements.prepare(own, action_repeat) for own in made]
    *self.environments, self.eval_environment = prepared or [like]
    self.task = requirements.name_of(self.eval_environment)
    # By the time the policy is exported, the environment may be closed.
    self.own_action_spec = requirements.own_action_spec(self.eval_environment)
    self.agent = make_agent(agent, self.eval_environment, seed)
    observed = list(self.agent.time_step_spec.observation)
    with making():
      for own in prepared:
        requirements.observe(own, observed)
      if is_here:
        (alone,) = self.environments
        checked.CheckedEnvironment(alone, self.limit.alarm).seed(seed)
      elif not plan.workers:
        self.environments = collection.in_processes(
          functools.partial(make_environment, action_repeat, observed),
          self.eval_environment,
          plan.environments,
          seed,
          self.limit,
        )
    # One collects, one plays what the model is assessed by in pretraining.
    self.random_policy, self.held_out_policy = (
      random_policy(
        self.agent.time_step_spec, self.agent.action_spec, generator=generator
      )
      for generator in policies.spawn_generators([seed, 1], 2)
    )
    if self.schedule.model_updates and not self.agent.model:
      raise errors.UserError(
        f'{type(self.agent).__name__} has no model that '
        f'Schedule.model_updates = {self.schedule.model_updates} could '
        'pretrain: set it to 0.'
      )

  def close(self):
    """Closes the environments; one that cannot be is warned of."""
    for environment in (*self.environments, self.eval_environment):
      try:
        with checked.failing(), self.limit.alarm():
          environment.close()
      except errors.UserError as error:
        console.warn(f'The environment is left open, as {error}.')

  def make_replay(self, **given: int) -> replay.Replay:
    """Returns a replay, still empty, of the steps that the agent is trained on.

    Args:
      given: arguments of `Replay` that are not to be the run's.
    """
    return replay.Replay(
      self.agent.training_data_spec,
      self.agent.train_sequence_length,
      self.seed,
      joined=self.agent.joined,
      **{'num_streams': self.collection.streams, **given},
    )

  def disk_bytes(self, replay: replay.Replay) -> int:
    """Returns about how many bytes a whole run takes in its folder.

    These are the steps of the replay, each stored once, and those that it has
    lost since the two checkpoints before the one that is being written; the
    variables of these three, twice where each may hold an evaluation; and the
    pictures of evaluations and pretraining.
    """
    plan = self.schedule
    steps = plan.env_steps // plan.action_repeat
    ring = min(steps, replay.capacity)
    # Files of steps are removed as wholes.
    between = min(ring, segments.ROWS + _PACE * plan.checkpoint_seconds)
    rows = min(steps, ring + 2 * int(between))
    num_pictures = (
      plan.env_steps // plan.eval_interval
      + plan.model_updates // plan.picture_interval
    )
    num_parameters = sum(self.agent.num_parameters.values())
    copies = 6 if self.evaluation.worker else 3
    return (
      rows * replay.nbytes // replay.capacity
      + copies * num_parameters * _BYTES_PER_PARAMETER
      + num_pictures * _BYTES_PER_PICTURES
      + _OTHER_BYTES
    )


def chosen_environment() -> Callable[..., requirements.Environment]:
  """Returns the function that makes the environment that gin files choose.

  Raises:
    errors.UserError: they choose none.
  """
  if make := gin.get_bindings(Experiment).get('environment'):
    return make
  raise errors.UserError(
    'Experiment.environment must be given a value: name a task first, such as '
    '--gin_file=gin/walker.gin.'
  )


def make_agent(
  make: Callable[..., base.Agent],
  environment: py_environment.PyEnvironment,
  seed: int,
) -> base.Agent:
  """Returns an agent for what an environment observes and takes."""
  specs = [environment.time_step_spec(), environment.action_spec()]
  return make(*tensor_spec.from_spec(specs), seed)


def make_environment(
  action_repeat: int,
  observed: Iterable[str] | None,
  resolved: Mapping[str, str],
) -> py_environment.PyEnvironment:
  """Returns a run's environment, in a process that knows nothing of the run.

  Args:
    action_repeat: the schedule's.
    observed: the observations that it is to offer; None for all that it can.
    resolved: what `bindings.resolved` has returned in the run's process.
  """
  bindings.load_resolved(resolved, allow_imports=True)  # The run has done so.
  rendering.choose_backend(is_needed=False)
  make = chosen_environment()
  made = requirements.prepare(make(), action_repeat)
  requirements.observe(
    made, made.observation_spec() if observed is None else observed
  )
  return made


@contextlib.contextmanager
def making() -> Iterator[None]:
  """Turns whatever goes wrong in making environments into a UserError."""
  with (
    checked.ending_the_run(),
    checked.failing(),
    bindings.translate_gin_errors(),
  ):
    yield
