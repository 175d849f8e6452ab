"""Says how right an agent is about evaluation episodes.

Its model is not trained on them: one that knows its training data by heart is
found out by this alone, as the same metrics of training get better and better.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from slac.agents import base
from slac.training import evaluation

# How many sequences of an episode are looked at: at an action repeat of 4, to
# cover a whole episode without overlaps would take twice as long.
SEQUENCES = 16
# Of the metrics of training, by the same names.
ERROR = 'model/squared_error_per_pixel'
OF_MODEL = ('model/elbo', 'model/kl', ERROR)


def names(agent: base.Agent) -> tuple[str, ...]:
  """Returns the names of what `of_episodes` may tell of an agent."""
  biases = (f'{name}_bias' for name in agent.estimated)
  return (*(OF_MODEL if agent.model else ()), *biases)


def of_episodes(
  agent: base.Agent, episodes: Sequence[evaluation.Episode]
) -> dict[str, float]:
  """Returns means over episodes by their names.

  They depend on the agent's parameters and on the episodes alone, and no draw
  of the agent's is taken. Episodes that are shorter than a sequence do not
  count.
  """
  return {**of_model(agent, episodes), **_of_returns(agent, episodes)}


def of_model(
  agent: base.Agent, episodes: Sequence[evaluation.Episode]
) -> dict[str, float]:
  """Returns means of the metrics of the model's loss, if there is a model."""
  found = []
  for episode in episodes if agent.model else ():
    if steps := sequences(episode, agent.train_sequence_length):
      found.append(agent.model_metrics(steps))
  return {
    name: float(np.mean([metrics[name] for metrics in found]))
    for name in OF_MODEL
    if found
  }


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


def _of_returns(agent, episodes) -> dict[str, float]:
  """Returns how far estimates lie above what followed, over all steps."""
  found = [
    estimates
    for episode in episodes
    if (estimates := evaluation.estimates(agent, episode))
  ]
  biases = {
    name: [getattr(estimates, name) - estimates.seen for estimates in found]
    for name in agent.estimated
    if found
  }
  return {
    f'{name}_bias': float(np.mean(np.concatenate(values)))
    for name, values in biases.items()
  }
