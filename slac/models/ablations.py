"""The models that the paper compares its own with (Sec. 6.2)."""

import gin
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from slac.models import latent_model, latents, networks, slac_model

Gaussian = latents.Gaussian
standard_normal = latents.standard_normal


class Timeless(latent_model.LatentModel):
  """The base of models in which every step is as a first one."""

  def prior_step(self, state, action, seed):
    del state
    return self.first_prior(tf.shape(action)[:-1], seed)

  def posterior_step(self, state, action, feature, seed):
    del state, action
    return self.first_posterior(feature, seed)


class OneLatent(latent_model.LatentModel):
  """The base of models whose state is one Gaussian, with p(z_1) = N(0, I)."""

  @property
  def latent_size(self):
    return self.latent2_size

  def first_prior(self, batch_shape, seed):
    return Gaussian.draw(standard_normal(batch_shape, self.latent_size), seed)

  def kl(self, posterior, prior):
    return posterior.kl(prior)

  def latent(self, state):
    return state.sample


@gin.configurable
class SimpleVae(Timeless, OneLatent):
  """One latent, q(z | x) and p(z) = N(0, I)."""

  def __init__(self, action_size: int, **shared):
    super().__init__(action_size, **shared)
    self._q_z = networks.GaussianMLP(
      self.feature_size, self.hidden_size, self.latent_size
    )

  def first_posterior(self, feature, seed):
    return Gaussian.draw(self._q_z(feature), seed)


@gin.configurable
class FactoredVae(Timeless, slac_model.TwoLatents):
  """q(z1 | x) and p(z1) = N(0, I); p(z2 | z1) is the posterior of z2 too."""

  def __init__(self, action_size: int, **shared):
    super().__init__(action_size, **shared)
    z1, z2, hidden = self.latent1_size, self.latent2_size, self.hidden_size
    self._q_z1 = networks.GaussianMLP(self.feature_size, hidden, z1)
    self._p_z2 = networks.GaussianMLP(z1, hidden, z2)

  def first_prior(self, batch_shape, seed):
    return self._draw(standard_normal(batch_shape, self.latent1_size), seed)

  def first_posterior(self, feature, seed):
    return self._draw(self._q_z1(feature), seed)

  def _draw(self, z1, seed):
    seed1, seed2 = latents.split_seed(seed)
    z1 = Gaussian.draw(z1, seed1)
    z2 = Gaussian.draw(self._p_z2(z1.sample), seed2)
    return slac_model.Latent(z1, z2)


@gin.configurable
class SimpleFiltering(OneLatent):
  """One latent over time, p(z' | z, a) and q(z' | x', z, a)."""

  def __init__(self, action_size: int, **shared):
    super().__init__(action_size, **shared)
    z, hidden = self.latent_size, self.hidden_size
    a, x = action_size, self.feature_size
    self._q_z_first = networks.GaussianMLP(x, hidden, z)  # q(z_1 | x_1)
    self._q_z = networks.GaussianMLP(x + z + a, hidden, z)  # q(z' | x', z, a)
    self._p_z = networks.GaussianMLP(z + a, hidden, z)  # p(z' | z, a)

  def first_posterior(self, feature, seed):
    return Gaussian.draw(self._q_z_first(feature), seed)

  def prior_step(self, state, action, seed):
    return Gaussian.draw(self._p_z(state.sample, action), seed)

  def posterior_step(self, state, action, feature, seed):
    return Gaussian.draw(self._q_z(feature, state.sample, action), seed)


@gin.configurable
class PartiallyStochastic(slac_model.SlacModel):
  """The paper's model with a deterministic z2."""

  z2_network = networks.PointMLP


@gin.configurable
class Deterministic(slac_model.SlacModel):
  """The paper's model with a deterministic z1 and z2; only p(z1_1) is not.

  In place of the KL stands -log N(z1; mu, I): how well mu, the prior's mean,
  which imagination follows, predicts the posterior's z1.
  """

  z1_network = networks.PointMLP
  z2_network = networks.PointMLP

  def kl(self, posterior, prior):
    unit = tfd.Independent(tfd.Normal(prior.z1.mean, 1.0), 1)
    return -unit.log_prob(posterior.z1.sample)

  def sum_kl(self, posterior, prior, is_first):
    # The prior predicts nothing about a first step.
    kl = self.kl(posterior, prior)
    return tf.reduce_sum(tf.where(is_first, 0.0, kl), axis=1)
