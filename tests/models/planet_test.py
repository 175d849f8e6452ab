"""The recurrent state-space model's steps, worked out with numpy."""

import numpy as np
import pytest
import tensorflow as tf

from slac.models import latents, planet
from tests import tiny

SEED = tf.constant([1, 2])
X, A, H, S = 4, 2, 6, 3


@pytest.fixture(scope='module')
def model():
  return tiny.model(
    model_class=planet.PlanetModel,
    gru_size=H,
    stochastic_size=S,
    min_stddev=0.1,
  )


def vectors(size, seed):
  rng = np.random.default_rng(seed)
  return tf.constant(rng.normal(size=[3, size]), tf.float32)


def state():
  s = latents.Gaussian(*(vectors(S, seed) for seed in (0, 1, 2)))
  return planet.Belief(vectors(H, 3), s)


def elu(x):
  return np.where(x > 0, x, np.expm1(x))


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def dense(layers, x):
  """Mean and deviation of s by numpy, from a head's two layers."""
  (k1, b1), (k2, b2) = [
    [v.numpy() for v in layer.variables] for layer in layers
  ]
  mean, raw = np.split(elu(x @ k1 + b1) @ k2 + b2, 2, axis=-1)
  return mean, np.log1p(np.exp(raw)) + 0.1


def next_h(model, state, action):
  """The gated recurrent unit of Cho et al. (2014)."""
  kernel, bias = (v.numpy() for v in model._gru_input.variables)
  x = np.concatenate([state.s.sample, action], -1)
  x = elu(x @ kernel + bias)
  h = state.h.numpy()
  kernel, bias = (v.numpy() for v in model._gates.variables)
  update, reset = np.split(
    sigmoid(np.concatenate([x, h], -1) @ kernel + bias), 2, axis=-1
  )
  kernel, bias = (v.numpy() for v in model._candidate.variables)
  x = np.concatenate([x, reset * h], -1)
  candidate = np.tanh(x @ kernel + bias)
  return update * h + (1 - update) * candidate


def assert_is(belief, h, mean, stddev):
  tolerance = {'rtol': 1e-4, 'atol': 1e-5}
  np.testing.assert_allclose(belief.h, h, **tolerance)
  np.testing.assert_allclose(belief.s.mean, mean, **tolerance)
  np.testing.assert_allclose(belief.s.stddev, stddev, **tolerance)


def test_steps(model):
  now, a, x = state(), vectors(A, 4), vectors(X, 5)
  h = next_h(model, now, a)
  prior = model.prior_step(now, a, SEED)
  assert_is(prior, h, *dense(model._p_s.layers, h))
  posterior = model.posterior_step(now, a, x, SEED)
  both = np.concatenate([h, x], axis=-1)
  assert_is(posterior, h, *dense(model._q_s.layers, both))


def test_before_the_first_step_all_is_zero(model):
  s = latents.Gaussian(*[tf.zeros([3, S])] * 3)
  before = planet.Belief(tf.zeros([3, H]), s)
  h = next_h(model, before, np.zeros([3, A]))
  prior = model.first_prior([3], SEED)
  assert_is(prior, h, *dense(model._p_s.layers, h))
  x = vectors(X, 5)
  posterior = model.first_posterior(x, SEED)
  both = np.concatenate([h, x], axis=-1)
  assert_is(posterior, h, *dense(model._q_s.layers, both))


def test_the_deviation_has_a_least_value(model):
  for variable in model._p_s.layers[-1].variables:
    variable.assign(-1e3 * tf.ones_like(variable))
  stddev = model.prior_step(state(), 10 * vectors(A, 4), SEED).s.stddev
  assert stddev.numpy().min() == pytest.approx(0.1)


def test_latent_is_both_parts_and_kl_is_of_s_alone(model):
  q, p = state(), state()._replace(h=vectors(H, 9))
  np.testing.assert_array_equal(
    model.latent(q), np.concatenate([q.h, q.s.sample], axis=-1)
  )
  assert model.latent_size == H + S
  q, p = (
    b._replace(s=b.s._replace(mean=tf.fill([3, S], m), stddev=tf.ones([3, S])))
    for b, m in ((q, 1.0), (p, 3.0))
  )
  # S dimensions, each (3 - 1)^2 / 2.
  np.testing.assert_allclose(model.kl(q, p), [2 * S] * 3, rtol=1e-6)
