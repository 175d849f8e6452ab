"""Few tensors in place of many, between Python and a compiled update.

Each costs a conversion, and on a GPU a copy of its own.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from slac import eager_tensors


class PackedUpdate:
  """An agent's update, compiled: takes a tensor per type, returns one.

  Its calls are those of a pair: `pack` makes tensors from a batch of the
  replay, and the call itself takes these.
  """

  def __init__(self, update: Callable, spec: Any):
    """Takes a function of experience that returns a LossInfo.

    Args:
      update: the function.
      spec: of one step of experience, a nest of tensor specs.
    """
    self._spec = spec
    self._names = ()
    self._update = update
    self._compiled = tf.function(self._unpacked)

  def pack(self, experience: Any) -> list[tf.Tensor]:
    """Puts the fields of a type side by side.

    Args:
      experience: a nest like `spec` of arrays `[B, n, ...]`.

    Returns:
      For each type among them a tensor `[B, n, k]`.
    """
    fields = tf.nest.flatten(experience)
    packed = []
    for indices in self._groups():
      flat = [fields[i].reshape([*fields[i].shape[:2], -1]) for i in indices]
      # A field that is alone of its type, as pixels are, is not copied twice.
      array = flat[0] if len(flat) == 1 else np.concatenate(flat, axis=-1)
      packed.append(tf.constant(array))
    return eager_tensors.shed(packed)

  def unpack(self, packed: list[tf.Tensor]) -> Any:
    """Returns the nest that `pack` was given."""
    specs = tf.nest.flatten(self._spec)
    fields = {}
    for indices, tensor in zip(self._groups(), packed, strict=True):
      sizes = [specs[i].shape.num_elements() for i in indices]
      for i, field in zip(indices, tf.split(tensor, sizes, -1), strict=True):
        shape = [*tensor.shape[:2], *specs[i].shape]
        fields[i] = tf.reshape(field, shape)
    flat = [fields[i] for i in range(len(specs))]
    return tf.nest.pack_sequence_as(self._spec, flat)

  def __call__(
    self, packed: list[tf.Tensor]
  ) -> tuple[tuple[str, ...], tf.Tensor]:
    """Updates; returns the metrics' names and their values, `[len(names)]`."""
    values = self._compiled(packed)
    return self._names, eager_tensors.shed(values)

  def _groups(self) -> list[list[int]]:
    """The fields of each type, by their places in the flat nest."""
    groups = {}
    for i, spec in enumerate(tf.nest.flatten(self._spec)):
      groups.setdefault(spec.dtype, []).append(i)
    return list(groups.values())

  def _unpacked(self, packed):
    metrics = self._update(self.unpack(packed)).extra
    self._names = tuple(metrics)
    return tf.stack(list(metrics.values()))
