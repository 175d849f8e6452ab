"""Says how long a run takes, from how long the parts of its loop take.

They are measured as they are in a run, in a minute: what `python -m
slac.benchmark` measures more exactly, of the default settings.
"""

import json
from collections.abc import Mapping, Sequence

import tensorflow as tf

from slac import errors
from slac.agents import base
from slac.benchmark import measuring
from slac.config import bindings
from slac.environments import rendering
from slac.training import (
  collecting,
  collection,
  compiled,
  devices,
  experiment,
  memory,
  metrics,
  schedule,
)

FULL, MODEL_ONLY = 'full update', 'model-only update'
# The labels of the updates, by their names in `agent.updates`.
UPDATES = {'train': FULL, 'train_model': MODEL_ONLY}
# Environment steps of an episode where no setting says them; a fall ends it.
EPISODE_LENGTH = 1000
FRAMES = 300  # Agent steps that updates are drawn from.
_REPEATS = 5  # Of an update, which takes hundreds of milliseconds,
_STEPS = 50  # and of what takes a few.


def agent_steps(
  plan: schedule.Schedule, settings: Mapping[str, str]
) -> tuple[int, int]:
  """Returns the agent steps of random data, and those that are trained on.

  Args:
    plan: the run's schedule.
    settings: its settings, of `bindings.resolved`.
  """
  total = plan.env_steps // plan.action_repeat
  random = max(
    plan.random_episodes * _per_episode(plan, settings),
    plan.random_agent_steps,
  )
  random = min(random, total)
  return random, total - random


def hours(
  plan: schedule.Schedule,
  settings: Mapping[str, str],
  seconds: Mapping[str, float],
) -> float:
  """Returns how long a run takes, made up of the parts of its loop.

  Args:
    plan, settings: see `agent_steps`.
    seconds: what `measure` has returned.
  """
  random_steps, steps = agent_steps(plan, settings)
  per_episode = _per_episode(plan, settings)
  evaluations = plan.env_steps // plan.eval_interval + 1
  episodes = plan.eval_episodes + plan.greedy_eval_episodes
  evaluation_steps = evaluations * episodes * per_episode
  act = seconds['acting'] + seconds['environment']
  update = seconds[FULL] + seconds['sampling']
  return (
    random_steps * seconds['environment']
    + plan.model_updates * (seconds[MODEL_ONLY] + seconds['sampling'])
    + steps * (act + plan.gradient_steps * update)
    + evaluation_steps * act
  ) / 3600


def measure() -> dict[str, float]:
  """Returns the seconds that `hours` asks for, of the settings that are bound.

  What an agent has no update for takes none.

  Raises:
    UserError: workers collect, whose speed is not this process's.
  """
  with bindings.translate_gin_errors():
    if workers := collection.Collection().workers:
      raise errors.UserError(
        f'Collection.workers = {workers} collect in processes of their own, '
        'which are not measured: set it to 0.'
      )
    parts = experiment.Experiment()
  agent, batch_size = parts.agent, parts.schedule.batch_size
  spec = agent.training_data_spec
  n = len(parts.environments)  # Each of which takes a step.
  ring = parts.make_replay(capacity=num_frames(agent, n))
  collector = collecting.Collector(
    parts.environments, ring, spec, metrics.Stopwatch()
  )
  random, policy = (
    compiled.CompiledPolicy(p)
    for p in (parts.random_policy, agent.collect_policy)
  )
  while ring.num_added < ring.capacity:
    collector.step(random)

  def seconds(call, repeats=_STEPS):
    return measuring.Timer(repeats)(call)['median_s']

  def sample():
    return compiled.as_tensors(ring.sample(batch_size))

  found = dict.fromkeys(UPDATES.values(), 0.0)
  found['environment'] = seconds(lambda: collector.step(random)) / n
  step = seconds(lambda: collector.step(policy)) / n
  found['acting'] = max(0.0, step - found['environment'])
  found['sampling'] = seconds(sample)
  for name, function in agent.updates(batch_size).items():
    update = compiled.CompiledUpdate(function)
    experience = compiled.as_tensors(ring.sample(update.batch_size))
    found[UPDATES[name]] = seconds(
      lambda u=update, e=experience: u(e), _REPEATS
    )
  return found


def num_frames(agent: base.Agent, num_environments: int) -> int:
  """Returns how many steps have sequences of each environment."""
  return max(FRAMES, num_environments * (agent.train_sequence_length + 1))


def _per_episode(plan, settings) -> int:
  """Returns the agent steps of an episode."""
  own = settings.get('ManipulationEnvironment.episode_steps', EPISODE_LENGTH)
  return -(-int(own) // plan.action_repeat)


def main(gin_files: Sequence[str], gin_params: Sequence[str], imports: bool):
  """Prints as JSON what `measure` returns, of a run's settings."""
  memory.keep_freed()
  bindings.load(gin_files, [*gin_params, 'Experiment.seed = 0'], imports)
  rendering.choose_backend()
  devices.prepare()
  tf.keras.utils.set_random_seed(0)
  print(json.dumps(measure()))
