"""The paper's model: a fully stochastic latent state in two parts (Sec. 5)."""

from typing import NamedTuple

import gin
import tensorflow as tf
import tensorflow_probability as tfp

from slac import networks, settings
from slac.models import latent_model

tfd = tfp.distributions
Gaussian = latent_model.Gaussian
split = latent_model.split


class Latent(NamedTuple):
  """z = (z1, z2)."""

  z1: Gaussian
  z2: Gaussian


@gin.configurable
class SlacModel(latent_model.LatentModel):
  """z1 sees the image, z2 integrates over time; every path is stochastic."""

  def __init__(
    self,
    action_size: int,
    latent1_size: settings.Count = gin.REQUIRED,
    latent2_size: settings.Count = gin.REQUIRED,
    hidden_size: settings.Count = gin.REQUIRED,
    base_depth: settings.Count = gin.REQUIRED,
    feature_size: settings.Count = gin.REQUIRED,
    decoder_variance: settings.Positive = gin.REQUIRED,
    compute_dtype: settings.ComputeDtype = gin.REQUIRED,
  ):
    super().__init__(
      action_size,
      latent1_size + latent2_size,
      hidden_size,
      base_depth,
      feature_size,
      decoder_variance,
      compute_dtype,
    )
    self._latent1_size = latent1_size

    def gaussian(*input_sizes, output_size):
      return networks.GaussianMLP(sum(input_sizes), hidden_size, output_size)

    z1, z2, a, x = latent1_size, latent2_size, action_size, feature_size
    self._q_z1_first = gaussian(x, output_size=z1)  # q(z1_1 | x_1)
    self._q_z1 = gaussian(x, z2, a, output_size=z1)  # q(z1' | x', z2, a)
    self._p_z1 = gaussian(z2, a, output_size=z1)  # p(z1' | z2, a)
    # The posterior of z2 is its prior: the same networks.
    self._p_z2_first = gaussian(z1, output_size=z2)  # p(z2_1 | z1_1)
    self._p_z2 = gaussian(z1, z2, a, output_size=z2)  # p(z2' | z1', z2, a)

  def first_prior(self, batch_shape, seed):
    shape = tf.concat([batch_shape, [self._latent1_size]], 0)
    standard = tfd.Normal(tf.zeros(shape), tf.ones(shape))
    return self._first(tfd.Independent(standard, 1), seed)

  def first_posterior(self, feature, seed):
    return self._first(self._q_z1_first(feature), seed)

  def prior_step(self, state, action, seed):
    z1 = self._p_z1(state.z2.sample, action)
    return self._next(z1, state, action, seed)

  def posterior_step(self, state, action, feature, seed):
    z1 = self._q_z1(feature, state.z2.sample, action)
    return self._next(z1, state, action, seed)

  def kl(self, posterior, prior):
    # Of z1 alone: that of z2 is zero by construction.
    return tfd.kl_divergence(
      posterior.z1.distribution(), prior.z1.distribution()
    )

  def latent(self, state):
    return tf.concat([state.z1.sample, state.z2.sample], -1)

  def _first(self, z1, seed):
    seed1, seed2 = split(seed)
    z1 = Gaussian.draw(z1, seed1)
    return Latent(z1, Gaussian.draw(self._p_z2_first(z1.sample), seed2))

  def _next(self, z1, state, action, seed):
    seed1, seed2 = split(seed)
    z1 = Gaussian.draw(z1, seed1)
    z2 = self._p_z2(z1.sample, state.z2.sample, action)
    return Latent(z1, Gaussian.draw(z2, seed2))
