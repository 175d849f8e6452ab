"""An agent's update as the loop calls it: its metrics in one tensor."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from slac import eager_tensors


class Update:
  """An agent's update, compiled, that returns its metrics as a vector.

  Each tensor that Python is handed costs a conversion, and on a GPU a copy of
  its own.
  """

  def __init__(self, update: Callable):
    """Takes a function of experience that returns a LossInfo."""
    self._update = update
    self._names = ()
    self._compiled = tf.function(self._to_vector, autograph=False)

  def __call__(self, experience: Any) -> tuple[tuple[str, ...], tf.Tensor]:
    """Updates; returns the metrics' names and their values, `[len(names)]`."""
    values = self._compiled(experience)
    return self._names, eager_tensors.shed(values)

  def _to_vector(self, experience):
    metrics = self._update(experience).extra
    self._names = tuple(metrics)
    return tf.stack(list(metrics.values()))
