"""What consecutive steps tell an actor and critics, and where they join."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
from tf_agents.trajectories import time_step as ts


class Evidence(NamedTuple):
  """All that is known of n consecutive steps, `[B, n, ...]`."""

  features: tf.Tensor  # [B, n, F], of what is observed.
  actions: tf.Tensor  # [B, n, A]; while acting the last is not chosen yet.
  step_type: tf.Tensor  # [B, n]
  latents: tf.Tensor  # [B, n, Z], samples of the filtering posterior.


class LazyEvidence:
  """Evidence of which the latents are inferred only if they are looked at.

  So an exported policy holds no network that it has no use for.
  """

  def __init__(
    self,
    model: tf.Module,
    features: tf.Tensor,
    actions: tf.Tensor,
    step_type: tf.Tensor,
    draw_seed: Callable[[], tf.Tensor],
  ):
    """Keeps them; `draw_seed` returns a stateless seed, `[2]`."""
    self.features = features
    self.actions = actions
    self.step_type = step_type
    self._model = model
    self._draw_seed = draw_seed

  @property
  def latents(self) -> tf.Tensor:
    """Samples of the filtering posterior, `[B, n, Z]`."""
    steps = self.features, self.actions, self.step_type
    states = self._model.infer(*steps, self._draw_seed())
    return self._model.latent(states)


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
