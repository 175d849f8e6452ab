"""Loads an exported policy, with numpy and TensorFlow alone.

What it is given is checked, as a robot that moves at a wrong picture says
nothing.
"""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from slac import errors
from slac.deployment import description

State = dict[str, np.ndarray]


class Policy:
  """An exported policy: numpy in and out, a batch or a single one.

  It keeps nothing between calls, so one can serve many robots, each of which
  has a state of its own.

  Attributes:
    about: What policy.json holds: task, action repeat, whether the policy is
      greedy; shapes, types and bounds of observations and actions.
    functions: What the SavedModel has: of tensors, always with a batch, and
      unchecked.
  """

  def __init__(self, functions: Any, about: dict[str, Any]):
    """Keeps what `load` has read."""
    self.about = about
    self.functions = functions

  def initial_state(
    self, batch_size: int | None = None, seed: int = 0
  ) -> State:
    """Returns the state before the first step, which is a first one anyway.

    Args:
      batch_size: how many act at once; None for one without a batch.
      seed: of all draws of a policy that is not greedy.

    Raises:
      errors.UserError: these are no such numbers.
    """
    if batch_size is not None and not _is_within(batch_size, 1):
      raise errors.UserError(
        f'batch_size is {batch_size!r}: make it a whole number of at least 1, '
        'or None for a single policy.'
      )
    if not _is_within(seed, 0):
      raise errors.UserError(
        f'seed is {seed!r}: make it a whole number from 0 to 2147483647.'
      )
    size = 1 if batch_size is None else batch_size
    state = self.functions.initial_state(tf.constant(size), tf.constant(seed))
    return _arrays(state, batch_size is None)

  def __call__(
    self,
    observation: Mapping[str, Any],
    state: State,
    is_first: bool | np.ndarray = False,
  ) -> tuple[np.ndarray, State]:
    """Returns the action and the next state.

    Args:
      observation: what the environment observes, a dict of arrays `[...]` or
        `[B, ...]`; what the policy does not use may be in it, too.
      state: of the step before, or of `initial_state`.
      is_first: whether an episode begins, so that the state is forgotten; in a
        batch, for each row or for all.

    Returns:
      The action in the environment's own bounds, `[d]` or `[B, d]`, and the
      next state.

    Raises:
      errors.UserError: something has another shape or type than the policy
        knows, or is not finite.
    """
    seen = self._observed(observation)
    batch = self._batch_shape(seen)
    self._check_state(state, batch)
    is_first = _as_array(is_first)
    if is_first.dtype != bool or is_first.shape not in ((), batch):
      raise errors.UserError(
        f'is_first is {_kind(is_first)}: make it bool'
        f'{f" or bool {list(batch)}" if batch else ""}.'
      )
    single = not batch
    arguments = seen, state, np.broadcast_to(is_first, batch)
    tensors = tf.nest.map_structure(
      lambda x: tf.constant(x[np.newaxis] if single else x), arguments
    )
    action, state = _arrays(self.functions.act(*tensors), single)
    return action, state

  def _observed(self, observation: Any) -> dict[str, np.ndarray]:
    """Returns what the policy uses of an observation, checked."""
    seen: dict[str, np.ndarray] = {}
    for name, spec in self.about['observation'].items():
      if not isinstance(observation, Mapping) or name not in observation:
        raise errors.UserError(
          f"The observation has no '{name}': make it a dict with "
          f"'{name}', {_words(spec)}."
        )
      value = _as_array(observation[name])
      shape = tuple(spec['shape'])
      batch = value.shape[: max(0, value.ndim - len(shape))]
      fits = value.shape == (*batch, *shape) and len(batch) <= 1
      if not fits or not _can_be(value.dtype, spec['dtype']):
        raise errors.UserError(
          f'The observation {name} is {_kind(value)}: make it {_words(spec)}, '
          'or a batch of these.'
        )
      with np.errstate(over='ignore'):  # Infinite is what then is refused.
        value = value.astype(spec['dtype'], copy=False)
      if not np.all(np.isfinite(value)):
        raise errors.UserError(
          f'The observation {name} is not finite everywhere: look where it '
          'comes from.'
        )
      seen[name] = value
    return seen

  def _batch_shape(self, seen: dict[str, np.ndarray]) -> tuple[int, ...]:
    """Returns () of a single observation, `(B,)` of a batch."""
    shapes = {
      value.shape[: value.ndim - len(self.about['observation'][name]['shape'])]
      for name, value in seen.items()
    }
    if len(shapes) > 1 or (0,) in shapes:
      kinds = ', '.join(f'{name} {_kind(x)}' for name, x in seen.items())
      raise errors.UserError(
        f'The observations are {kinds}: give batches of one size, at least 1.'
      )
    return shapes.pop()

  def _check_state(self, state: Any, batch: tuple[int, ...]):
    """Raises a UserError if it is no state for a batch of that shape."""
    specs = self.about['state']
    is_one = (
      isinstance(state, Mapping)
      and state.keys() == specs.keys()
      and all(isinstance(value, np.ndarray) for value in state.values())
      and all(
        state[name].shape == (*batch, *spec['shape'])
        and state[name].dtype == spec['dtype']
        for name, spec in specs.items()
      )
    )
    if not is_one:
      size = f'initial_state({batch[0] if batch else ""})'
      raise errors.UserError(
        'The state is none of this policy for '
        f'{f"a batch of {batch[0]}" if batch else "a single observation"}: '
        f'begin with {size}, then give what the step before has returned.'
      )


def load(folder: str | os.PathLike) -> Policy:
  """Returns a policy that `slac.play RUN --export` or a finished run has left.

  A SavedModel is a program: load none that a stranger gave you.

  Raises:
    errors.UserError: (66) there is none; (65) it cannot be loaded.
  """
  about = description.read(pathlib.Path(folder))
  try:
    return Policy(tf.saved_model.load(os.fspath(folder)), about)
  except (IndexError, OSError, ValueError, tf.errors.OpError) as error:
    raise errors.UserError(
      f'The policy in {folder} is damaged ({str(error).splitlines()[0]}): '
      'export it again with slac.play RUN --export DIR.',
      65,
    ) from error


def _arrays(tensors: Any, single: bool) -> Any:
  """Returns tensors `[B, ...]` as arrays, without the batch if told to."""
  return tf.nest.map_structure(
    lambda x: x.numpy()[0, ...] if single else x.numpy(), tensors
  )


def _as_array(value: Any) -> np.ndarray:
  """Returns an array; of a ragged list, one of no type that is taken."""
  try:
    return np.asarray(value)
  except ValueError:
    return np.asarray(None)


def _can_be(dtype: np.dtype, other: str) -> bool:
  """Whether an array may be cast: a float may lose digits, no integer may."""
  is_exact = np.issubdtype(other, np.integer)
  return np.can_cast(dtype, other, 'safe' if is_exact else 'same_kind')


def _is_within(number: Any, least: int) -> bool:
  """Whether it is a whole number from `least` to what 32 bits hold."""
  whole = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
  return whole and least <= number < 2**31


def _words(spec: Mapping[str, Any]) -> str:
  return f'{spec["dtype"]} {spec["shape"]}'


def _kind(value: np.ndarray) -> str:
  return f'{value.dtype} {list(value.shape)}'
