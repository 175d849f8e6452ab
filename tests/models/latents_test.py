"""Structures of states, in numbers by hand."""

import numpy as np
import tensorflow as tf

from slac.models import latents


def test_where_selects_by_batch_dimensions():
  x = {'a': tf.ones([2, 3]), 'b': tf.ones([2, 3, 4])}
  y = {'a': tf.zeros([2, 3]), 'b': tf.zeros([2, 3, 4])}
  by_row = latents.where(tf.constant([True, False]), x, y)
  assert by_row['a'].numpy().tolist() == [[1, 1, 1], [0, 0, 0]]
  assert by_row['b'].numpy().sum(axis=(1, 2)).tolist() == [12, 0]
  mask = tf.constant([[True, False, True], [False, False, True]])
  by_step = latents.where(mask, x, y)
  np.testing.assert_array_equal(by_step['a'], tf.cast(mask, tf.float32))
  assert by_step['b'].numpy().sum(-1).tolist() == [[4, 0, 4], [0, 0, 4]]


def test_stack_and_step_are_inverse():
  steps = [
    {'a': tf.fill([2, 3], float(t)), 'b': tf.ones([2])} for t in range(4)
  ]
  states = latents.stack(steps)
  assert states['a'].shape == [2, 4, 3]
  assert states['b'].shape == [2, 4]
  np.testing.assert_array_equal(states['a'][1, :, 2], [0, 1, 2, 3])
  np.testing.assert_array_equal(latents.step(states, 3)['a'], steps[3]['a'])
