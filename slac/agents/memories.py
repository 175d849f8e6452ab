"""What a policy carries from step to step where it acts outside of TF-Agents.

A memory is a dict of tensors `[B, ...]`. `see` makes of it, and of the present
observation, what the actor says in `policies.py`; and a function that returns
the memory of the next step, given the action that is chosen.
"""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
from tf_agents.trajectories import time_step as ts

Memory = dict[str, tf.Tensor]
Seen = tuple[Any, Callable[[tf.Tensor], Memory]]


class NoMemory:
  """Of a policy that acts on the present observation alone."""

  def __init__(self, act: Callable):
    """Takes what maps an observation to a distribution, given `draw_seed`."""
    self._act = act

  def initial(self, batch_size: tf.Tensor) -> Memory:
    """Returns the memory before the first step."""
    del batch_size
    return {}

  def see(self, observation, memory, is_first, draw_seed) -> Seen:
    """Returns the actions' distribution, and what follows from the action."""
    del memory, is_first
    return self._act(observation, draw_seed), lambda action: {}


class History:
  """Of a policy of the last T steps: what the model has encoded of the past.

  'past' is that, and 'action' the actions, of the last T - 1 steps. 'age' is
  how many steps the episode has had, at most T, and -1 before the first; the
  step that follows -1 is a first one, whatever it is said to be.
  """

  def __init__(
    self,
    observation_spec: Mapping[str, tf.TensorSpec],
    action_shape: tf.TensorShape,
    sequence_length: int,
    model: tf.Module,
    act: Callable,
  ):
    """Keeps the parts.

    Args:
      observation_spec: of one observation.
      action_shape: of one action.
      sequence_length: T.
      model: has `encode` and `recall`, as `LatentModel` has.
      act: maps what `recall` returns, of T steps, to a distribution.
    """
    self._length = sequence_length
    self._model = model
    self._act = act
    self._action_shape = action_shape
    step = {
      name: tf.TensorSpec([1, 1, *spec.shape], spec.dtype)
      for name, spec in observation_spec.items()
    }
    encode = tf.function(self._encode, autograph=False)
    self._encoded = encode.get_concrete_function(step).structured_outputs

  def initial(self, batch_size: tf.Tensor) -> Memory:
    """Returns the memory before the first step."""
    past = [batch_size, self._length - 1]
    return {
      **{
        name: tf.zeros([*past, *x.shape[2:]], x.dtype)
        for name, x in self._encoded.items()
      },
      'action': tf.zeros([*past, *self._action_shape]),
      'age': tf.fill([batch_size], -1),
    }

  def see(self, observation, memory, is_first, draw_seed) -> Seen:
    """Returns the actions' distribution, and what follows from the action.

    Args:
      observation: a dict of `[B, ...]`.
      memory: of the step before.
      is_first: bool `[B]`, where the memory is to be forgotten.
      draw_seed: returns a stateless seed, `[2]`.
    """
    age = tf.minimum(memory['age'] + 1, self._length)
    age = tf.where(is_first, 0, age)
    # The step types of the window; its last step is the present one.
    first = self._length - 1 - age[:, tf.newaxis]
    step_type = tf.where(
      tf.range(self._length) == first, ts.StepType.FIRST, ts.StepType.MID
    )
    now = {name: x[:, tf.newaxis] for name, x in observation.items()}
    past = {
      name: tf.concat([memory[name], x], axis=1)
      for name, x in self._encode(now).items()
    }
    actions = memory['action']
    window = tf.concat([actions, tf.zeros_like(actions[:, :1])], axis=1)
    evidence = self._recall(past, window, step_type, draw_seed)

    def remember(action):
      actions = tf.concat([memory['action'], action[:, tf.newaxis]], axis=1)
      kept = {name: x[:, 1:] for name, x in past.items()}
      return {**kept, 'action': actions[:, 1:], 'age': age}

    return self._act(evidence), remember

  def _encode(self, observation):
    """Returns what is to be remembered of a step, `[B, 1, ...]`, by names."""
    return {'past': self._model.encode(observation)}

  def _recall(self, past, actions, step_type, draw_seed):
    """Returns the evidence of T steps, of which `past` is remembered."""
    return self._model.recall(past['past'], actions, step_type, draw_seed)


class ImageHistory(History):
  """Of the same policy: the observations themselves, 'past_pixels' and so on.

  All of them are encoded at each step.
  """

  def _encode(self, observation):
    return {f'past_{name}': x for name, x in observation.items()}

  def _recall(self, past, actions, step_type, draw_seed):
    observation = {name.removeprefix('past_'): x for name, x in past.items()}
    features = self._model.encode(observation)
    return self._model.recall(features, actions, step_type, draw_seed)
