"""The networks of ALM against numpy, and how they begin."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from slac.agents import alm_networks
from tests import tiny


def elu(x):
  return np.where(x > 0, x, np.expm1(x))


def dense(module):
  (network,) = [
    m for m in module.submodules if isinstance(m, tf.keras.Sequential)
  ]
  return [v.numpy() for v in network.trainable_variables]


def softplus(x):
  return np.log1p(np.exp(x))


def vectors(*shape, seed=0):
  rng = np.random.default_rng(seed)
  return rng.uniform(-2, 2, shape).astype(np.float32)


def test_gaussian_against_numpy():
  network = tiny.shake(
    alm_networks.LatentGaussian(
      5, 4, 3, mean_limit=0.5, min_stddev=0.4, max_stddev=0.7
    )
  )
  z, a = vectors(6, 2, 3), vectors(6, 2, 2, seed=1)
  k1, b1, k2, b2, k3, b3 = dense(network)
  x = elu(elu(np.concatenate([z, a], -1) @ k1 + b1) @ k2 + b2) @ k3 + b3
  mean, raw = np.split(x, 2, axis=-1)
  found = network(tf.constant(z), tf.constant(a)).distribution
  np.testing.assert_allclose(found.loc, 0.5 * np.tanh(mean / 0.5), rtol=1e-4)
  stddev = 0.4 + softplus((0.7 - softplus(0.7 - raw)) - 0.4)
  np.testing.assert_allclose(found.scale, stddev, rtol=1e-4)


@pytest.mark.parametrize(
  ('raw', 'stddev'),
  # 0.1 + log(1 + e^-0.1), and far from all limits, below and above.
  [(0.0, 0.1 + 0.6443967), (5.0, 5.0), (-50.0, 0.1), (50.0, 10.0)],
)
def test_deviations_by_hand(raw, stddev):
  found = alm_networks.limited(tf.constant(raw), 0.1, 10.0)
  np.testing.assert_allclose(found, stddev, atol=0.02 if raw else 1e-4)


def test_scalar_against_numpy():
  network = tiny.shake(alm_networks.Scalar(5, 4))
  z, a = vectors(6, 3), vectors(6, 2, seed=1)
  k1, b1, scale, offset, k2, b2, k3, b3 = dense(network)
  x = np.concatenate([z, a], -1) @ k1 + b1
  mean, variance = (f(x, axis=-1, keepdims=True) for f in (np.mean, np.var))
  x = scale * (x - mean) / np.sqrt(variance + 1e-5) + offset
  expected = elu(np.tanh(x) @ k2 + b2) @ k3 + b3
  found = network(tf.constant(z), tf.constant(a))
  np.testing.assert_allclose(found, expected[:, 0], rtol=1e-4, atol=1e-5)


def test_the_log_ratio_is_that_of_the_two_classes():
  network = tiny.shake(alm_networks.Classifier(4, 4))
  x = tf.constant(vectors(6, 4))
  probability = tf.nn.softmax(network(x))
  np.testing.assert_allclose(
    network.log_ratio(x),
    np.log(probability[:, 1] / probability[:, 0]),
    rtol=1e-3,
    atol=1e-5,
  )


def test_weights_begin_orthogonal_and_biases_at_zero():
  kernels = dense(alm_networks.Actor(3, 2, 6))
  for kernel, bias in zip(kernels[::2], kernels[1::2], strict=True):
    assert not bias.any()
    rows, columns = kernel.shape
    product = kernel @ kernel.T if rows <= columns else kernel.T @ kernel
    np.testing.assert_allclose(product, np.eye(min(rows, columns)), atol=1e-5)


def test_the_gradient_passes_the_bounds_of_actions():
  noise = alm_networks.ActionNoise(1.0, 0.1, 10, training_limit=0.3)
  mean = tf.Variable([-3.0, 0.5, 2.0])
  with tf.GradientTape() as tape:
    pi = tfd.MultivariateNormalDiag(mean, 1e-6 * tf.ones([3]))
    action = noise.sample_clipped(pi, tf.constant([1, 2]))
  np.testing.assert_allclose(action, [-1, 0.5, 1], atol=1e-4)
  np.testing.assert_array_equal(tape.gradient(action, mean), [1, 1, 1])


def test_means_of_actions_are_bounded():
  actor = tiny.shake(alm_networks.Actor(3, 2, 6))
  *_, (kernel, bias) = tiny.weights(actor)
  kernel.assign(tf.zeros_like(kernel))
  bias.assign([0.5, -3.0])
  found = actor(tf.ones([1, 3]))[0]
  np.testing.assert_allclose(found, np.tanh([0.5, -3.0]), rtol=1e-6)
