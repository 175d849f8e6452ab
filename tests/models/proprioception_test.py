"""The features and the density of a state vector, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from slac.models import proprioception
from tests import tiny


@pytest.fixture(scope='module')
def part():
  return tiny.shake(
    proprioception.Proprioception(
      3, latent_size=2, hidden_size=5, embedding_size=4, variance=0.04
    )
  )


def test_symlog_by_hand():
  x = tf.constant([0.0, 1.0, -1.0, np.e**3 - 1, 1 - np.e**3])
  np.testing.assert_allclose(
    proprioception.symlog(x), [0, np.log(2), -np.log(2), 3, -3], rtol=1e-6
  )
  assert proprioception.symlog(tf.constant(1.0, tf.float64)).dtype == tf.float32


def test_the_density_is_normal_around_what_the_latent_predicts(part):
  for variable in part._mean.trainable_variables:
    variable.assign(tf.zeros_like(variable))
  part._mean.trainable_variables[-1].assign([0.0, 1.0, 2.0])
  # In symlog 0.2, 1 and -3.
  states = tf.constant([[[np.e**0.2 - 1, np.e - 1, 1 - np.e**3]]])
  log_p, metrics = part.log_p_states(tf.zeros([1, 1, 2]), states)
  squares = 0.2**2 + 0 + 5**2
  expected = -squares / (2 * 0.04) - 1.5 * np.log(2 * np.pi * 0.04)
  assert log_p.shape == [1, 1]
  np.testing.assert_allclose(log_p, [[expected]], rtol=1e-5)
  error = metrics['model/squared_error_of_state']
  np.testing.assert_allclose(error, squares / 3, rtol=1e-5)


def test_the_features_are_an_mlp_of_symlog(part):
  states = np.float32([[0.5, -20.0, 1e6], [0.0, 3.0, -0.1]])
  x = np.sign(states) * np.log(1 + np.abs(states))
  (first, b1), (second, b2), (third, b3) = (
    [v.numpy() for v in layer.trainable_variables]
    for layer in part._embedding.layers
  )
  x = tiny.leaky_relu(x @ first + b1)
  x = tiny.leaky_relu(x @ second + b2) @ third + b3
  np.testing.assert_allclose(part.embed(tf.constant(states)), x, rtol=1e-4)
