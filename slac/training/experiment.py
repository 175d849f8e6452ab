"""What a run is made of: a task, the agent that learns it, and a schedule."""

from collections.abc import Callable

import gin
from tf_agents.specs import tensor_spec

from slac import errors
from slac.config import settings
from slac.environments import requirements
from slac.training import evaluation, replay, schedule

# Gin finds by name what is imported here and not used.
# isort: split
from slac.agents import augmentations, baselines, policies, slac_agent  # noqa: F401
from slac.environments import dm_control_tasks, gym_tasks  # noqa: F401
from slac.models import ablations, planet, slac_model  # noqa: F401
from slac.training import devices  # noqa: F401


@gin.configurable
class Experiment:
  """Environments, agent and schedule of one run, built from the settings."""

  def __init__(
    self,
    seed: settings.WholeNumber = gin.REQUIRED,
    environment: Callable = gin.REQUIRED,
    agent: Callable = gin.REQUIRED,
    random_policy: Callable = gin.REQUIRED,
  ):
    """Builds everything.

    Args:
      seed: of every random draw of the run.
      environment: any function that returns a PyEnvironment with an observation
        'pixels', uint8 `[64, 64, 3]`; called twice, for training and for
        evaluation.
      agent: a class of agents, such as SlacAgent.
      random_policy: a class of policies; it acts before anything is learned.

    Raises:
      errors.UserError: these do not go together.
    """
    train_environment, eval_environment = environment(), environment()
    # TF-Agents' environments need no name.
    self.task = getattr(
      train_environment, 'name', type(train_environment).__name__
    )
    self.seed = seed
    self.random_policy = random_policy
    self.schedule = schedule.Schedule()
    self.environment = requirements.prepare(train_environment)
    self.eval_environment = requirements.prepare(eval_environment)
    evaluation.seed_environment(self.environment, seed)
    specs = tensor_spec.from_spec(
      [self.environment.time_step_spec(), self.environment.action_spec()]
    )
    self.agent = agent(*specs, seed)
    if self.schedule.model_updates and not self.agent.model:
      raise errors.UserError(
        f'{type(self.agent).__name__} has no model that '
        f'Schedule.model_updates = {self.schedule.model_updates} could '
        'pretrain: set it to 0.'
      )


# Steps beside those in the ring: segments are removed as a whole, and the
# oldest checkpoint kept needs steps that have left the ring since.
_SPARE_ROWS = 2 * 4096


# Of a parameter, its two moments and, of the critics, its target.
_BYTES_PER_PARAMETER = 4 * 4


# In videos/ and in TensorBoard.
_BYTES_PER_PICTURES = 2_000_000


_OTHER_BYTES = 20_000_000  # Curves, the exported policy.


def needed(
  replay: replay.Replay, schedule: schedule.Schedule, num_parameters: int
) -> int:
  """Returns the bytes that a whole run takes in its folder, about.

  These are the steps of the replay, each stored once, with a margin; the
  variables of two checkpoints and of the one that is being written; and the
  pictures of evaluations and pretraining.

  Args:
    replay: of the run.
    schedule: of the run.
    num_parameters: of the agent, those of target networks not counted.
  """
  steps = schedule.env_steps // schedule.action_repeat
  rows = min(steps, replay.capacity) + min(steps, _SPARE_ROWS)
  pictures = (
    schedule.env_steps // schedule.eval_interval
    + schedule.model_updates // schedule.picture_interval
  )
  return (
    rows * replay.nbytes // replay.capacity
    + 3 * num_parameters * _BYTES_PER_PARAMETER
    + pictures * _BYTES_PER_PICTURES
    + _OTHER_BYTES
  )
