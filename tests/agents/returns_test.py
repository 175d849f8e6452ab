"""Returns of n steps, by hand."""

import numpy as np
import tensorflow as tf

from slac.agents import returns

REWARD = tf.constant([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])


def test_rewards_of_n_steps_and_what_discounts_the_value_after_them():
  n_step = returns.NStepReturn(3)
  total, kept = n_step(REWARD, tf.ones([2, 3]), 0.5)
  # 1 + 2 / 2 + 4 / 4; the value's own 0.5 is not in D.
  np.testing.assert_array_equal(total, [3, 24])
  np.testing.assert_array_equal(kept, [0.25, 0.25])


def test_nothing_follows_a_termination_among_the_n_steps():
  n_step = returns.NStepReturn(3)
  discount = tf.constant([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
  total, kept = n_step(REWARD, discount, 0.5)
  np.testing.assert_array_equal(total, [2, 24])
  np.testing.assert_array_equal(kept, [0, 0])


def test_one_step_is_that_step_to_the_last_bit():
  reward, discount = tf.constant([[0.1], [0.3]]), tf.constant([[1.0], [0.0]])
  total, kept = returns.NStepReturn()(reward, discount, 0.99)
  np.testing.assert_array_equal(total, reward[:, 0])
  np.testing.assert_array_equal(kept, discount[:, 0])
