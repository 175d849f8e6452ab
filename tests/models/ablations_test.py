"""What is particular to each ablation of the model, in numbers by hand."""

import numpy as np
import pytest
import tensorflow as tf

from slac.models import ablations, latents, networks, slac_model
from tests import tiny

SEED = tf.constant([1, 2])
X, A, Z1, Z2, HIDDEN = 4, 2, 2, 3, 5  # The sizes in tiny.


def vectors(size, seed=0):
  rng = np.random.default_rng(seed)
  return tf.constant(rng.normal(size=[3, size]), tf.float32)


def gaussian(size, seed=0):
  stddev = 0.5 + tf.abs(vectors(size, seed + 1))
  return latents.Gaussian(vectors(size, seed), stddev, vectors(size, seed + 2))


def assert_standard(z, size):
  tiny.assert_gaussian(z, np.zeros([3, size]), np.ones([3, size]))


def size_of_latents(model):
  """The parameters but for encoder, decoder and reward, which all have."""
  others = (model.encoder, model.decoder, model.reward)
  total = networks.num_parameters(model)
  return total - sum(networks.num_parameters(m) for m in others)


def mlp_size(n, out):
  return (n + 1) * HIDDEN + (HIDDEN + 1) * HIDDEN + (HIDDEN + 1) * out


def test_simple_vae():
  model = tiny.model(model_class=ablations.SimpleVae)
  x, a = vectors(X), vectors(A)
  tiny.assert_gaussian(
    model.first_posterior(x, SEED), *tiny.gaussian_mlp(model._q_z, x)
  )
  for z in (
    model.first_prior([3], SEED),
    model.prior_step(gaussian(Z2), a, SEED),
  ):
    assert_standard(z, Z2)
  z = model.posterior_step(gaussian(Z2), a, x, SEED)
  tiny.assert_gaussian(z, *tiny.gaussian_mlp(model._q_z, x))
  # One dimension of mean 1 and deviation 2: -log 2 + (4 + 1) / 2 - 1 / 2.
  q = latents.Gaussian(
    *tf.constant([[[1.0, 0, 0]], [[2.0, 1, 1]], [[9.0, 9, 9]]])
  )
  p = model.first_prior([1], SEED)
  np.testing.assert_allclose(model.kl(q, p), [2 - np.log(2)], rtol=1e-6)
  assert size_of_latents(model) == mlp_size(X, 2 * Z2)


def test_factored_vae():
  model = tiny.model(model_class=ablations.FactoredVae)
  x, a = vectors(X), vectors(A)
  state = slac_model.Latent(gaussian(Z1), gaussian(Z2))
  for z1, z2 in (
    model.first_posterior(x, SEED),
    model.posterior_step(state, a, x, SEED),
  ):
    tiny.assert_gaussian(z1, *tiny.gaussian_mlp(model._q_z1, x))
    tiny.assert_gaussian(z2, *tiny.gaussian_mlp(model._p_z2, z1.sample))
  for z1, z2 in (
    model.first_prior([3], SEED),
    model.prior_step(state, a, SEED),
  ):
    assert_standard(z1, Z1)
    tiny.assert_gaussian(z2, *tiny.gaussian_mlp(model._p_z2, z1.sample))
  other = state._replace(z2=gaussian(Z2, seed=5))
  np.testing.assert_allclose(model.kl(state, other), [0, 0, 0], atol=1e-6)
  np.testing.assert_array_equal(
    model.latent(state), tf.concat([state.z1.sample, state.z2.sample], -1)
  )
  assert size_of_latents(model) == mlp_size(X, 2 * Z1) + mlp_size(Z1, 2 * Z2)


def test_simple_filtering():
  model = tiny.model(model_class=ablations.SimpleFiltering)
  x, a, z = vectors(X), vectors(A), gaussian(Z2)
  assert_standard(model.first_prior([3], SEED), Z2)
  tiny.assert_gaussian(
    model.first_posterior(x, SEED), *tiny.gaussian_mlp(model._q_z_first, x)
  )
  tiny.assert_gaussian(
    model.prior_step(z, a, SEED), *tiny.gaussian_mlp(model._p_z, z.sample, a)
  )
  tiny.assert_gaussian(
    model.posterior_step(z, a, x, SEED),
    *tiny.gaussian_mlp(model._q_z, x, z.sample, a),
  )
  inputs = (X, X + Z2 + A, Z2 + A)
  assert size_of_latents(model) == sum(mlp_size(n, 2 * Z2) for n in inputs)


@pytest.mark.parametrize(
  'variant', [ablations.PartiallyStochastic, ablations.Deterministic]
)
def test_networks_without_a_deviation_have_a_mean_alone(variant):
  model = tiny.model(model_class=variant)
  z1 = Z1 if variant is ablations.Deterministic else 2 * Z1
  assert size_of_latents(model) == (
    mlp_size(X, z1)
    + mlp_size(X + Z2 + A, z1)
    + mlp_size(Z2 + A, z1)
    + mlp_size(Z1, Z2)
    + mlp_size(Z1 + Z2 + A, Z2)
  )


def test_partially_stochastic_z2_is_a_function_of_z1():
  model = tiny.model(model_class=ablations.PartiallyStochastic)
  state = slac_model.Latent(gaussian(Z1), gaussian(Z2))
  x, a = vectors(X), vectors(A)
  z1, z2 = model.posterior_step(state, a, x, SEED)
  tiny.assert_gaussian(
    z1, *tiny.gaussian_mlp(model._q_z1, x, state.z2.sample, a)
  )
  assert np.all(z1.sample != z1.mean)
  inputs = np.concatenate([z1.sample, state.z2.sample, a], axis=-1)
  expected = tiny.mlp(model._p_z2, inputs, tiny.leaky_relu)
  np.testing.assert_allclose(z2.sample, expected, rtol=1e-4, atol=1e-5)
  np.testing.assert_array_equal(z2.sample, z2.mean)


def test_deterministic_states_have_no_noise():
  model = tiny.model(model_class=ablations.Deterministic)
  x, a = tf.stack([vectors(X, s) for s in (0, 1)], 1), vectors(A)
  a = tf.stack([a, a], axis=1)
  step_type = tf.fill([3, 2], tiny.MID)
  one, two = (model.infer(x, a, step_type, [s, s]) for s in (1, 2))
  tf.nest.map_structure(np.testing.assert_array_equal, one, two)
  first = latents.step(one, 0)
  one, two = (model.imagine(first, a, [s, s]) for s in (1, 2))
  tf.nest.map_structure(np.testing.assert_array_equal, one, two)
  # But there are many first steps.
  one, two = (model.first_prior([3], [s, s]) for s in (1, 2))
  assert_standard(one.z1, Z1)
  assert np.all(one.z1.sample != two.z1.sample)


def test_deterministic_z1_is_scored_under_a_unit_gaussian_but_at_first():
  model = tiny.model(model_class=ablations.Deterministic)

  def state(z1):
    z1 = tf.constant([[z1] * 3])
    point = latents.Gaussian(z1, tf.zeros_like(z1), z1)
    return slac_model.Latent(point, gaussian(Z2))

  q, p = state([1.0, 0.0]), state([0.0, 2.0])
  # -log N = (1 + 4) / 2 + log(2 pi).
  one = 2.5 + np.log(2 * np.pi)
  np.testing.assert_allclose(model.kl(q, p), [[one] * 3], rtol=1e-6)
  is_first = tf.constant([[True, False, False]])
  total = model.sum_kl(q, p, is_first)
  np.testing.assert_allclose(total, [2 * one], rtol=1e-6)


def test_deterministic_loss_skips_the_first_steps_of_episodes():
  model = tiny.model(model_class=ablations.Deterministic)
  experience = tiny.experience(1, [tiny.MID, tiny.MID, tiny.FIRST, tiny.MID])
  features = model.encoder(experience.observation['pixels'])
  arguments = experience.action, experience.step_type
  states = model.infer(features, *arguments, SEED)
  kl = model.kl(states, model.prior(states, *arguments, SEED))[0].numpy()
  _, metrics = model.loss(states, experience, SEED)
  np.testing.assert_allclose(metrics['model/kl'], kl[1] + kl[3], rtol=1e-5)
