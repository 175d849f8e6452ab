"""Updates and policies, compiled as the loop calls them."""

from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import policy_step
from tf_agents.trajectories import time_step as ts
from tf_agents.utils import nest_utils

from slac.agents import base


class CompiledUpdate:
  """An agent's update that returns its metrics as one vector.

  Each tensor that Python is handed costs a conversion, and on a GPU a copy of
  its own.
  """

  def __init__(self, update: base.Update):
    self.batch_size = update.batch_size
    self._function = update.function
    self._names: tuple[str, ...] = ()
    self._compiled = tf.function(self._to_vector, autograph=False)

  @property
  def is_compiled(self) -> bool:
    """Whether it has been called."""
    return bool(self._names)

  def __call__(self, experience: Any) -> tuple[tuple[str, ...], tf.Tensor]:
    """Updates; returns the metrics' names and their values, `[len(names)]`."""
    values = self._compiled(experience)  # Tracing it finds the names.
    return self._names, values

  def _to_vector(self, experience):
    metrics = self._function(experience=experience).extra
    self._names = tuple(metrics)
    return tf.stack(list(metrics.values()))


class EagerPolicy:
  """A policy, compiled, that acts on an environment's time steps."""

  def __init__(self, policy: tf_policy.TFPolicy):
    self._policy = policy
    self._compiled = tf.function(self._act, autograph=False)

  def get_initial_state(self) -> Any:
    """Returns the state before an episode's first step."""
    return self._policy.get_initial_state(1)

  def action(
    self, time_step: ts.TimeStep, policy_state: Any
  ) -> policy_step.PolicyStep:
    """Returns the action, an array `[A]`, and the next state.

    Args:
      time_step: without a batch; it may hold observations that the policy does
        not use.
      policy_state: of the step before, or of `get_initial_state`.
    """
    observation = nest_utils.prune_extra_keys(
      self._policy.time_step_spec.observation, time_step.observation
    )
    inputs = tf.nest.map_structure(
      lambda x: np.expand_dims(x, 0), (observation, time_step.step_type)
    )
    step = self._compiled(*as_tensors(inputs), policy_state)
    return step._replace(action=step.action.numpy()[0])

  def _act(self, observation, step_type, policy_state):
    # No policy looks at reward and discount.
    time_step = ts.TimeStep(step_type, tf.zeros([1]), tf.ones([1]), observation)
    return self._policy.action(time_step, policy_state)


def as_tensors(arrays: Any) -> Any:
  """Returns a nest of arrays as eager tensors."""
  return tf.nest.map_structure(tf.constant, arrays)
