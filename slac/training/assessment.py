"""Says how right a model is in evaluation episodes, which it is not trained on.

A model that knows its training data by heart is found out by this alone: the
same metrics of training fall on.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from slac.agents import base
from slac.training import evaluation

# So many sequences of an episode are looked at: all that its ends enclose at an
# action repeat of 4 would take twice as long.
SEQUENCES = 16
# Of the metrics of training, by the same names.
OF_MODEL = ('model/elbo', 'model/kl', 'model/squared_error_per_pixel')


def names(agent: base.Agent) -> tuple[str, ...]:
  """Returns the names of what `of_episodes` may tell of an agent."""
  return OF_MODEL if agent.model else ()


def of_episodes(
  agent: base.Agent, episodes: Sequence[evaluation.Episode]
) -> dict[str, float]:
  """Returns means over episodes by their names.

  They depend on the agent's parameters and on the episodes alone, and no draw
  of the agent's is taken. Episodes that are shorter than a sequence do not
  count.
  """
  found = [
    agent.model_metrics(steps)
    for episode in episodes
    if agent.model
    and (steps := sequences(episode, agent.train_sequence_length))
  ]
  return _means([{name: x[name] for name in OF_MODEL} for x in found])


def sequences(
  episode: evaluation.Episode, length: int
) -> trajectory.Trajectory | None:
  """Returns sequences of an episode as the replay has them.

  They are evenly spaced, and as long as those of training.

  Args:
    episode: of n steps, n + 1 observations.
    length: of a sequence.

  Returns:
    A Trajectory of `[SEQUENCES, length, ...]`, or None of a shorter episode.
  """
  n = episode.length
  windows = evaluation.evenly_spaced_windows(n + 1, length, SEQUENCES)
  if not len(windows):
    return None
  step_type = np.full(n + 2, ts.StepType.MID, np.int32)
  # What follows the last step is the first of another episode.
  step_type[[0, n, n + 1]] = [
    ts.StepType.FIRST,
    ts.StepType.LAST,
    ts.StepType.FIRST,
  ]
  reward, discount = np.zeros(n + 1), np.ones(n + 1)
  reward[:n] = episode.rewards
  discount[n - 1] = 0.0 if episode.has_terminated else 1.0
  steps = trajectory.Trajectory(
    step_type=step_type[windows],
    observation=episode.observation(windows),
    action=episode.actions[windows],
    policy_info=(),
    next_step_type=step_type[windows + 1],
    reward=reward[windows].astype(np.float32),
    discount=discount[windows].astype(np.float32),
  )
  return tf.nest.map_structure(tf.constant, steps)


def _means(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
  """Returns the mean of each name's values, in the order of the first."""
  return {
    name: float(np.mean([values[name] for values in found]))
    for name in (found[0] if found else ())
  }
