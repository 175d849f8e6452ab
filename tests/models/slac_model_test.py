"""The densities of the paper's model: their inputs, sizes and divergence."""

import numpy as np
import pytest
import tensorflow as tf

from slac.models import latents, networks, slac_model
from tests import tiny

SEED = tf.constant([1, 2])


@pytest.fixture(scope='module')
def model():
  return tiny.model()


def gaussian(size, seed, batch_size=3):
  rng = np.random.default_rng(seed)
  shape = [batch_size, size]
  return latents.Gaussian(
    *(
      tf.constant(x, tf.float32)
      for x in (
        rng.normal(size=shape),
        rng.uniform(0.3, 2, shape),
        rng.normal(size=shape),
      )
    )
  )


def state(seed1=0, seed2=1):
  return slac_model.Latent(gaussian(2, seed1), gaussian(3, seed2))


def vectors(size, seed=2):
  rng = np.random.default_rng(seed)
  return tf.constant(rng.normal(size=[3, size]), tf.float32)


def test_kl_of_numbers_by_hand(model):
  q = latents.Gaussian(*tf.constant([[[1.0, 0]], [[1.0, 3]], [[5.0, 5]]]))
  p = latents.Gaussian(*tf.constant([[[0.0, 0]], [[2.0, 3]], [[7.0, 7]]]))
  kl = model.kl(
    slac_model.Latent(q, gaussian(3, 1)), slac_model.Latent(p, gaussian(3, 2))
  )
  # log 2 + (1 + 1) / 8 - 1 / 2, and 0 of the equal second ones; none of z2.
  np.testing.assert_allclose(kl, [np.log(2) - 0.25], rtol=1e-6)


def test_kl_is_that_of_z1_alone(model):
  q, p = state(0, 1), state(2, 3)
  mean = (q.z1.mean - p.z1.mean) ** 2
  ratio = (q.z1.stddev**2 + mean) / (2 * p.z1.stddev**2)
  terms = np.log(p.z1.stddev / q.z1.stddev) + ratio - 0.5
  np.testing.assert_allclose(model.kl(q, p), terms.numpy().sum(-1), rtol=1e-5)
  other = p._replace(z2=gaussian(3, 9))
  np.testing.assert_array_equal(model.kl(q, p), model.kl(q, other))


def test_first_prior_is_standard_and_leads_to_z2(model):
  z1, z2 = model.first_prior([3], SEED)
  tiny.assert_gaussian(z1, np.zeros([3, 2]), np.ones([3, 2]))
  tiny.assert_gaussian(z2, *tiny.gaussian_mlp(model._p_z2_first, z1.sample))
  many = model.first_prior([4000], SEED).z1.sample.numpy()
  np.testing.assert_allclose(many.mean(0), 0, atol=0.07)
  np.testing.assert_allclose(many.std(0), 1, atol=0.05)


def test_first_posterior_sees_the_feature(model):
  x = vectors(4)
  z1, z2 = model.first_posterior(x, SEED)
  tiny.assert_gaussian(z1, *tiny.gaussian_mlp(model._q_z1_first, x))
  tiny.assert_gaussian(z2, *tiny.gaussian_mlp(model._p_z2_first, z1.sample))


def test_prior_step_sees_z2_and_the_action(model):
  now, action = state(), vectors(2)
  z1, z2 = model.prior_step(now, action, SEED)
  tiny.assert_gaussian(
    z1, *tiny.gaussian_mlp(model._p_z1, now.z2.sample, action)
  )
  tiny.assert_gaussian(
    z2, *tiny.gaussian_mlp(model._p_z2, z1.sample, now.z2.sample, action)
  )


def test_posterior_step_adds_the_feature_and_shares_z2(model):
  now, action, x = state(), vectors(2), vectors(4, seed=3)
  z1, z2 = model.posterior_step(now, action, x, SEED)
  tiny.assert_gaussian(
    z1, *tiny.gaussian_mlp(model._q_z1, x, now.z2.sample, action)
  )
  # The network of the prior: the KL of z2 is zero by construction.
  tiny.assert_gaussian(
    z2, *tiny.gaussian_mlp(model._p_z2, z1.sample, now.z2.sample, action)
  )


def test_z1_of_before_plays_no_part(model):
  action, x = vectors(2), vectors(4, seed=3)
  for step in (
    lambda s: model.prior_step(s, action, SEED),
    lambda s: model.posterior_step(s, action, x, SEED),
  ):
    one, two = step(state(0, 1)), step(state(5, 1))
    tf.nest.map_structure(np.testing.assert_array_equal, one, two)
    other = step(state(0, 6))
    assert np.any(one.z1.mean != other.z1.mean)


def test_z1_and_z2_have_noise_of_their_own(model):
  model = tiny.model(latent1_size=3)
  z1, z2 = model.first_prior([500], SEED)
  noise1 = (z1.sample - z1.mean) / z1.stddev
  noise2 = (z2.sample - z2.mean) / z2.stddev
  both = np.concatenate([noise1, noise2], axis=1)
  correlation = np.corrcoef(both.T) - np.eye(6)
  assert np.abs(correlation).max() < 0.2


def test_latent_is_both_samples(model):
  s = state()
  np.testing.assert_array_equal(model.latent(s)[:, :2], s.z1.sample)
  np.testing.assert_array_equal(model.latent(s)[:, 2:], s.z2.sample)
  assert model.latent_size == 5


def test_there_are_no_other_networks(model):
  def mlp(n, out):
    return (n + 1) * 5 + (5 + 1) * 5 + (5 + 1) * 2 * out

  a, x, z1, z2 = 2, 4, 2, 3
  densities = [
    mlp(z1, z2),  # p(z2_1 | z1_1)
    mlp(z2 + a, z1),  # p(z1' | z2, a)
    mlp(z1 + z2 + a, z2),  # p(z2' | z1', z2, a)
    mlp(x, z1),  # q(z1_1 | x_1)
    mlp(x + z2 + a, z1),  # q(z1' | x', z2, a)
    mlp(2 * (z1 + z2) + a, 1),  # p(r | z, a, z')
  ]
  others = sum(
    networks.num_parameters(m) for m in (model.encoder, model.decoder)
  )
  assert networks.num_parameters(model) == sum(densities) + others
