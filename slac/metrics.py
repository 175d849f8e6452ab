"""An update's metrics as one tensor."""

from collections.abc import Callable

import tensorflow as tf


class PackedUpdate:
  """An agent's update, compiled, that returns its metrics as one vector.

  On Python 3.11 TensorFlow loses a few bytes with every tensor that it hands to
  Python (its issue 62551), which adds up over twenty metrics and many updates.
  """

  def __init__(self, update: Callable):
    """Takes a function of experience that returns a LossInfo."""
    self._names = ()
    self._update = update
    self._compiled = tf.function(self._pack)

  def __call__(self, experience) -> tuple[tuple[str, ...], tf.Tensor]:
    """Returns the metrics' names and their values, `[len(names)]`."""
    values = self._compiled(experience)
    return self._names, values

  def _pack(self, experience):
    metrics = self._update(experience).extra
    self._names = tuple(metrics)
    return tf.stack(list(metrics.values()))
