"""Plays an exported policy in the environment that it was trained in."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tf_agents.trajectories import policy_step
from tf_agents.trajectories import time_step as ts

from slac.deployment import loaded


class PlayedPolicy:
  """An exported policy, as `evaluation.Evaluator` plays policies.

  It takes the time steps, and gives the actions in [-1, 1], of what
  `requirements.prepare` returns.
  """

  def __init__(self, policy: loaded.Policy):
    self._policy = policy
    self.time_step_spec = ts.time_step_spec(
      {
        name: tf.TensorSpec(spec['shape'], spec['dtype'], name)
        for name, spec in policy.about['observation'].items()
      }
    )
    self.reseed(0)

  def reseed(self, seed: int):
    """Starts the draws afresh, of which each episode has its own."""
    self._seeds = np.random.default_rng(seed)

  def get_initial_state(self, batch_size: int) -> Mapping[str, tf.Tensor]:
    """Returns the state before an episode's first step."""
    seed = int(self._seeds.integers(2**31))
    return self._policy.functions.initial_state(
      tf.constant(batch_size), tf.constant(seed)
    )

  def action(
    self, time_step: ts.TimeStep, policy_state: Mapping[str, tf.Tensor]
  ) -> policy_step.PolicyStep:
    """Returns the actions, `[B, d]`, and the next state."""
    action, state = self._policy.functions.act(
      time_step.observation, policy_state, time_step.is_first()
    )
    low, high = (
      np.array(self._policy.about['action'][name])
      for name in ('minimum', 'maximum')
    )
    if np.any(low != -1) or np.any(high != 1):
      action = 2 * (tf.cast(action, tf.float64) - low) / (high - low) - 1
    return policy_step.PolicyStep(tf.cast(action, tf.float32), state)
