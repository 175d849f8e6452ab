"""A policy as two functions of tensors, which a SavedModel holds."""

import tensorflow as tf
from tf_agents.specs import array_spec

from slac.agents import policies
from slac.environments import requirements
from slac.models import latents


class Acting(tf.Module):
  """Maps an environment's own observations to actions in its own bounds.

  All that it carries from step to step, the seed of its draws too, is in the
  state, a dict of tensors `[B, ...]`; so its functions are pure. They compute
  in float32 on every machine, but for ALM's second layers, which do in what
  they were trained in.
  """

  def __init__(
    self,
    policy: policies.StatePolicy | policies.HistoryPolicy,
    action_spec: array_spec.BoundedArraySpec,
    images: bool,
  ):
    """Traces the functions.

    Args:
      policy: an agent's.
      action_spec: what the environment itself takes, float `[d]`.
      images: see `policies.HistoryPolicy.memory`.
    """
    super().__init__()
    self._choose = policy.choose
    self._action_spec = action_spec
    self._memory = policy.memory(images)
    self.observation_spec = dict(policy.time_step_spec.observation)
    self.initial_state = tf.function(
      self._initial_state,
      [tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.int32)],
      autograph=False,
    )
    state = self.initial_state.get_concrete_function().structured_outputs
    self.state_spec = {
      name: tf.TensorSpec(x.shape[1:], x.dtype, name)
      for name, x in state.items()
    }
    batched = tf.nest.map_structure(
      lambda spec: tf.TensorSpec([None, *spec.shape], spec.dtype, spec.name),
      (self.observation_spec, self.state_spec, tf.TensorSpec([], tf.bool)),
    )
    self.act = tf.function(self._act, batched, autograph=False)
    # Of all the agent's variables these are the ones that are saved.
    self._parameters = self.act.get_concrete_function().variables

  def _initial_state(self, batch_size, seed):
    """Returns the state before the first step."""
    seeds = tf.tile([[seed, 0]], [batch_size, 1])
    return {'seed': seeds, **self._memory.initial(batch_size)}

  def _act(self, observation, state, is_first):
    """Returns actions `[B, d]` and the next state."""
    draws = _Draws(state['seed'])
    distribution, remember = self._memory.see(
      observation, state, is_first, draws
    )
    action = self._choose(distribution, draws)
    after = {'seed': draws.seed, **remember(action)}
    return self._rescaled(action), after

  def _rescaled(self, action):
    """As `requirements.RescaledActions` does, to the environment's bounds."""
    spec = self._action_spec
    if requirements.is_unit(spec):
      return action
    low, high = spec.minimum, spec.maximum
    action = low + tf.cast((action + 1) / 2, spec.dtype) * (high - low)
    return tf.clip_by_value(action, low, high)


class _Draws:
  """Draws seeds from the first row of a state's, which each changes."""

  def __init__(self, seed: tf.Tensor):
    self.seed = seed

  def __call__(self) -> tf.Tensor:
    after, drawn = latents.split_seed(self.seed[0])
    self.seed = tf.tile(after[tf.newaxis], [tf.shape(self.seed)[0], 1])
    return drawn
