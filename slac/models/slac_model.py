"""The paper's model: a fully stochastic latent state in two parts (Sec. 5)."""

from typing import NamedTuple

import gin
import tensorflow as tf

from slac.models import latent_model, latents, networks

Gaussian = latents.Gaussian


class Latent(NamedTuple):
  """z = (z1, z2)."""

  z1: Gaussian
  z2: Gaussian


class TwoLatents(latent_model.LatentModel):
  """The base of models whose state is z = (z1, z2)."""

  @property
  def latent_size(self):
    return self.latent1_size + self.latent2_size

  def kl(self, posterior, prior):
    # The KL of z2 is zero, as its posterior is its prior.
    return posterior.z1.kl(prior.z1)

  def latent(self, state):
    return tf.concat([state.z1.sample, state.z2.sample], -1)


@gin.configurable
class SlacModel(TwoLatents):
  """z1 sees the image, z2 integrates over time; every path is stochastic."""

  # The classes of the networks of z1 and z2; ablations replace one or both.
  z1_network: type[tf.Module] = networks.GaussianMLP
  z2_network: type[tf.Module] = networks.GaussianMLP

  def __init__(self, action_size: int, **shared):
    super().__init__(action_size, **shared)
    z1, z2 = self.latent1_size, self.latent2_size
    a, x = action_size, self.feature_size

    def given(*input_sizes):
      return sum(input_sizes), self.hidden_size

    self._q_z1_first = self.z1_network(*given(x), z1)  # q(z1_1 | x_1)
    self._q_z1 = self.z1_network(*given(x, z2, a), z1)  # q(z1' | x', z2, a)
    self._p_z1 = self.z1_network(*given(z2, a), z1)  # p(z1' | z2, a)
    # Posterior and prior of z2 are the same.
    self._p_z2_first = self.z2_network(*given(z1), z2)  # p(z2_1 | z1_1)
    self._p_z2 = self.z2_network(*given(z1, z2, a), z2)  # p(z2' | z1', z2, a)

  def first_prior(self, batch_shape, seed):
    z1 = latents.standard_normal(batch_shape, self.latent1_size)
    return self._first(z1, seed)

  def first_posterior(self, feature, seed):
    return self._first(self._q_z1_first(feature), seed)

  def prior_step(self, state, action, seed):
    z1 = self._p_z1(state.z2.sample, action)
    return self._next(z1, state, action, seed)

  def posterior_step(self, state, action, feature, seed):
    z1 = self._q_z1(feature, state.z2.sample, action)
    return self._next(z1, state, action, seed)

  def _first(self, z1, seed):
    seed1, seed2 = latents.split_seed(seed)
    z1 = Gaussian.draw(z1, seed1)
    return Latent(z1, Gaussian.draw(self._p_z2_first(z1.sample), seed2))

  def _next(self, z1, state, action, seed):
    seed1, seed2 = latents.split_seed(seed)
    z1 = Gaussian.draw(z1, seed1)
    z2 = self._p_z2(z1.sample, state.z2.sample, action)
    return Latent(z1, Gaussian.draw(z2, seed2))
