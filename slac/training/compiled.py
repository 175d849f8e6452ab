"""Updates and policies, compiled as the loop calls them."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.policies import tf_policy
from tf_agents.trajectories import policy_step
from tf_agents.trajectories import time_step as ts
from tf_agents.utils import nest_utils

from slac import errors
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
    """Updates; returns the metrics' names and their values, `[len(names)]`.

    Raises:
      errors.UserError: (69) the device has too little memory for it.
    """
    try:
      values = self._compiled(experience)  # Tracing it finds the names.
    except tf.errors.ResourceExhaustedError as error:
      raise errors.UserError(
        f'An update with {self.batch_size} sequences needs more memory than '
        'its device has free. If others use it, the same command goes on from '
        'the last checkpoint once they have ended; else begin anew with a '
        'smaller Schedule.batch_size and model_batch_size.',
        os.EX_UNAVAILABLE,
      ) from error
    return self._names, values

  def _to_vector(self, experience):
    metrics = self._function(experience=experience).extra
    self._names = tuple(metrics)
    return tf.stack(list(metrics.values()))


class CompiledPolicy:
  """A policy, compiled, that acts on an environment's time steps."""

  def __init__(self, policy: tf_policy.TFPolicy):
    self._policy = policy
    self._compiled = tf.function(self._act, autograph=False)

  @property
  def parameters(self) -> list[tf.Variable]:
    """The variables of the policy, but for those of its random draws."""
    return self._policy.parameters

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
    (step,) = self.actions([time_step], [policy_state])
    return step

  def actions(
    self, time_steps: Sequence[ts.TimeStep], policy_states: Sequence[Any]
  ) -> list[policy_step.PolicyStep]:
    """Returns what `action` does, for each of several environments.

    Args:
      time_steps: one for each, as of `action`.
      policy_states: as many.
    """
    n = len(time_steps)
    inputs = [
      (
        nest_utils.prune_extra_keys(
          self._policy.time_step_spec.observation, time_step.observation
        ),
        time_step.step_type,
      )
      for time_step in time_steps
    ]
    batch = tf.nest.map_structure(lambda *x: np.stack(x), *inputs)
    state = tf.nest.map_structure(
      lambda *x: x[0] if n == 1 else tf.concat(x, 0), *policy_states
    )
    step = self._compiled(*as_tensors(batch), state)
    states = [
      tf.nest.map_structure(
        lambda x, i=i: x if n == 1 else x[i : i + 1], step.state
      )
      for i in range(n)
    ]
    return [
      step._replace(action=action, state=own)
      for action, own in zip(step.action.numpy(), states, strict=True)
    ]

  def _act(self, observation, step_type, policy_state):
    # No policy looks at reward and discount.
    nothing = tf.zeros(step_type.shape)
    time_step = ts.TimeStep(step_type, nothing, nothing, observation)
    return self._policy.action(time_step, policy_state)


def as_tensors(arrays: Any) -> Any:
  """Returns a nest of arrays as eager tensors."""
  return tf.nest.map_structure(tf.constant, arrays)
