import gc
import sys

import numpy as np
import tensorflow as tf

from slac import eager_tensors
from tests import tiny

N = 1000


def lost_blocks(call):
  """Of Python's memory, in N calls."""
  call()
  gc.collect()
  before = sys.getallocatedblocks()
  for _ in range(N):
    call()
  gc.collect()
  return sys.getallocatedblocks() - before


def test_nothing_is_lost_with_tensors_that_are_shed():
  array = np.zeros(4, np.float32)
  double = tf.function(lambda x: {'y': 2 * x, 'z': (x, x)})

  def call():
    x = eager_tensors.from_arrays(array)
    eager_tensors.shed(double(x))

  assert lost_blocks(lambda: tf.constant(array)) > 0.9 * N  # TensorFlow's loss.
  assert lost_blocks(call) < 0.1 * N


def test_tensors_from_arrays_are_the_arrays():
  experience = tiny.experience(3, [0, 1, 2, 0], length=4)
  arrays = tf.nest.map_structure(lambda x: x.numpy(), experience)
  tensors = eager_tensors.from_arrays(arrays)
  tf.nest.assert_same_structure(tensors, arrays)
  assert tensors.observation['pixels'].dtype == tf.uint8
  for found, was in zip(
    tf.nest.flatten(tensors), tf.nest.flatten(arrays), strict=True
  ):
    np.testing.assert_array_equal(found, was)
    assert found.dtype.name == was.dtype.name


def test_a_tensor_that_is_shed_is_as_it_was():
  x, y = tensors = tf.constant([1.0, 2.0]), tf.Variable([3.0]).read_value()
  assert eager_tensors.shed(tensors) is tensors
  assert x.numpy().tolist() == [1.0, 2.0]
  assert (x + y).numpy().tolist() == [4.0, 5.0]
  x.name_of_mine = 'x'
  assert x.name_of_mine == 'x'
  with tf.GradientTape() as tape:
    tape.watch(x)
    loss = tf.reduce_sum(x**2)
  assert tape.gradient(loss, x).numpy().tolist() == [2.0, 4.0]
