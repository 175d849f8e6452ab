"""What consecutive steps tell an actor and critics, and where they join."""

from typing import NamedTuple

import tensorflow as tf
from tf_agents.trajectories import time_step as ts


class Evidence(NamedTuple):
  """All that is known of n consecutive steps, `[B, n, ...]`."""

  features: tf.Tensor  # [B, n, F], the encoder's.
  actions: tf.Tensor  # [B, n, A]; while acting the last is not chosen yet.
  step_type: tf.Tensor  # [B, n]
  latents: tf.Tensor  # [B, n, Z], samples of the filtering posterior.


def joins_episodes(step_type: tf.Tensor) -> tf.Tensor:
  """Tells which pairs of steps (t, t + 1) join two episodes.

  Args:
    step_type: `[B, n]`.

  Returns:
    bool `[B, n - 1]`: True where step t is LAST or step t + 1 FIRST. Either is
    enough, as an episode is cut off where its environment was lost.
  """
  last = step_type[:, :-1] == ts.StepType.LAST
  first = step_type[:, 1:] == ts.StepType.FIRST
  return last | first
