"""Tests of slac/agents/networks.py: the actor and the critics, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from slac.agents import networks as agent_networks
from tests import tiny


def actor_with(mean, log_stddev, stddev_scale=2.0):
  """An actor of one action that gives the same distribution for any input."""
  actor = agent_networks.TanhGaussianActor(1, 1, 2, stddev_scale)
  for variable in actor.trainable_variables:
    variable.assign(tf.zeros_like(variable))
  tiny.weights(actor)[-1][1].assign([mean, log_stddev])
  return actor


def test_actor_log_prob_is_that_of_the_squashed_gaussian():
  actor = tiny.shake(
    agent_networks.TanhGaussianActor(3, 2, 4, stddev_scale=0.3)
  )
  x = np.random.default_rng(0).normal(size=[6, 3]).astype(np.float32)
  action, log_pi = actor(tf.constant(x)).experimental_sample_and_log_prob(
    seed=[1, 2]
  )
  out = tiny.mlp(actor, x, tiny.relu)
  mean, stddev = out[:, :2], 0.3 * np.exp(out[:, 2:])
  action = action.numpy().astype(np.float64)
  assert 0.1 < np.abs(action).max() < 0.999
  density = tiny.log_normal(np.arctanh(action), mean, stddev)
  expected = np.sum(density - np.log(1 - action**2), axis=1)
  np.testing.assert_allclose(log_pi, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
  ('log_stddev', 'stddev'),
  [
    (np.log(1.5), 3.0),
    (0.0, 2.0),
    (5.0, 2 * np.exp(2)),
    (-30, 2 * np.exp(-20)),
  ],
)
def test_actor_stddev_is_scaled_and_bounded(log_stddev, stddev):
  pi = actor_with(0.5, log_stddev)(tf.ones([1, 1]))
  assert pi.distribution.stddev().numpy() == pytest.approx(stddev, rel=1e-5)
  assert pi.distribution.mean().numpy() == pytest.approx(0.5)
  plain = actor_with(0.5, log_stddev, 1.0)(tf.ones([1, 1])).distribution
  assert plain.stddev().numpy() == pytest.approx(stddev / 2, rel=1e-5)


@pytest.mark.parametrize('mean', [30.0, -30.0])
def test_actor_log_prob_is_exact_where_tanh_saturates(mean):
  actor = actor_with(mean, -5.0)
  inputs = tf.ones([4000, 1])
  with tf.GradientTape() as tape:
    pi = actor(inputs)
    action, log_pi = pi.experimental_sample_and_log_prob(seed=[1, 2])
    average = tf.reduce_mean(log_pi)
  assert np.all(action == np.sign(mean))
  # log N(u) averages -log s - log(2 pi) / 2 - 1 / 2, and for large |u|
  # log(1 - tanh(u)^2) is 2 log 2 - 2 |u|.
  entropy = np.log(2 * np.exp(-5)) + 0.5 * np.log(2 * np.pi) + 0.5
  assert average.numpy() == pytest.approx(
    -entropy - 2 * np.log(2) + 2 * 30, abs=0.05
  )
  of_bias = tape.gradient(average, tiny.weights(actor)[-1][1])
  # d/d mean is 2 sign(mean); d/d log s is -1 (and 2 (u - mean), nearly none).
  np.testing.assert_allclose(of_bias, [2 * np.sign(mean), -1], atol=0.05)


def test_critic_is_two_relu_layers_on_input_and_action():
  critic = tiny.shake(agent_networks.Critic(3, 2, 4))
  rng = np.random.default_rng(0)
  x = rng.normal(size=[6, 3]).astype(np.float32)
  action = rng.normal(size=[6, 2]).astype(np.float32)
  value = critic(tf.constant(x), tf.constant(action))
  expected = tiny.mlp(critic, np.concatenate([x, action], 1), tiny.relu)
  assert value.shape == [6]
  np.testing.assert_allclose(value, expected[:, 0], rtol=1e-4, atol=1e-6)


def test_a_critics_layers_are_normalised_before_their_relu():
  critic = tiny.shake(agent_networks.Critic(3, 2, 4, layer_norm=True))
  rng = np.random.default_rng(0)
  x, action = (rng.normal(size=[6, size]).astype(np.float32) for size in (3, 2))
  value = critic(tf.constant(x), tf.constant(action))
  y = np.concatenate([x, action], 1)
  *hidden, (kernel, bias) = tiny.weights(critic)
  for (k, b), norm in zip(hidden, critic._norms, strict=True):
    y = y @ k.numpy() + b.numpy()
    y = (y - y.mean(1, keepdims=True)) / np.sqrt(y.var(1, keepdims=True) + 1e-3)
    y = tiny.relu(y * norm.gamma.numpy() + norm.beta.numpy())
  expected = y @ kernel.numpy() + bias.numpy()
  np.testing.assert_allclose(value, expected[:, 0], rtol=1e-4, atol=1e-6)
  assert len(critic.trainable_variables) == 3 * 2 + 2 * 2


def test_a_critics_units_are_left_out_where_there_is_a_seed():
  critic = agent_networks.Critic(3, 2, 1, dropout=0.5)
  # One unit in each layer, 1 in the first, and passed on by the others.
  for (kernel, bias), passed in zip(
    tiny.weights(critic), (0, 1, 1), strict=True
  ):
    kernel.assign(tf.fill(kernel.shape, float(passed)))
    bias.assign([1.0 - passed])
  n = 10_000
  steps = tf.zeros([n, 3]), tf.zeros([n, 2])
  assert np.all(critic(*steps) == 1)
  values, counts = np.unique(critic(*steps, [1, 2]), return_counts=True)
  # Each layer leaves out half of its units, and doubles the others.
  assert list(values) == [0, 4]
  assert counts[1] / n == pytest.approx(0.25, abs=0.02)
