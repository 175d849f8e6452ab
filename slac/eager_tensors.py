"""What TensorFlow loses with every tensor that it hands to Python."""

from typing import Any

import tensorflow as tf


def from_arrays(arrays: Any) -> Any:
  """Returns a nest of arrays as eager tensors that are shed."""
  return shed(tf.nest.map_structure(tf.constant, arrays))


def shed(tensors: Any) -> Any:
  """Frees the room that Python keeps for the attributes of eager tensors.

  From Python 3.11 on TensorFlow forgets to, and loses some 50 bytes with each
  (its issue 62551). Over the days of a run that adds up.

  Args:
    tensors: a nest of eager tensors, which may still be used.

  Returns:
    The same nest.
  """
  for tensor in tf.nest.flatten(tensors):
    del tensor.__dict__
  return tensors
