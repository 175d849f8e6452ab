"""What the authors of Aligned Latent Models compare it with."""

import gin
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability import math as tfm

from slac.agents import alm, alm_bound, alm_networks, returns
from slac.config import settings
from slac.models import latents


@gin.configurable
class AlmTd3Agent(alm.AlmAgent):
  """Its actor maximises the critics' values, as TD3's; it imagines nothing."""

  def actor_loss(self, step: alm.Transition, seed):
    """The negative value of the actor's actions, through which it learns."""
    z_seed, action_seed = latents.split_seed(seed)
    z = step.encoded.sample(seed=z_seed)
    value = self._networks.value(z, self._act(z, action_seed))
    loss = -tf.reduce_mean(value)
    return loss, {
      'actor/loss': loss,
      'actor/noise_stddev': tf.reduce_mean(self.pi(z).stddev()),
    }


@gin.configurable
class AlmValueEncoderAgent(alm.AlmAgent):
  """The critics' loss trains the encoder too, whose latents it then sees."""

  def critic_loss(self, step: alm.Transition, seed):
    """Eq. (10), of z_t from the encoder instead of its target."""
    encoded = self._networks.encoder(step.state)
    return super().critic_loss(step._replace(encoded=encoded), seed)

  def _variables_of_losses(self):
    variables = super()._variables_of_losses()
    encoder = alm_networks.variables([self._networks.encoder])
    return {**variables, 'critic': [*encoder, *variables['critic']]}


class DecodingNetworks(alm_networks.AlmNetworks):
  """All networks, and a decoder of states."""

  def __init__(self, state_size: int, action_size: int):
    super().__init__(state_size, action_size)
    self.decoder = alm_networks.Mlp(
      self.latent_size, self.hidden_size, state_size, normed=False
    )

  @property
  def trained(self):
    return {**super().trained, 'decoder': [self.decoder]}


@gin.configurable
class AlmReconstructionAgent(alm.AlmAgent):
  """Encoder and model maximise the likelihood of states instead of returns.

  What the paper calls reconstruction is not told exactly: here log p(s | z), a
  Gaussian of unit variance, takes the place of reward and value in Eq. (7), and
  the KL is as it was.
  """

  networks_class = DecodingNetworks

  def model_loss(self, states, actions, seed):
    """Eq. (7) with log p(s_i | z_i) for rewards and value; see `AlmAgent`."""
    z, kls = alm_bound.unroll(self._networks, states, actions, seed)
    kl = tf.reduce_mean(tf.reduce_sum(kls, axis=1))
    mean = self._networks.decoder(z)
    unit = tfd.MultivariateNormalDiag(mean, tf.ones_like(mean))
    log_likelihood = tf.reduce_mean(
      tf.reduce_sum(unit.log_prob(states), axis=1)
    )
    loss = self._kl_weight * kl - log_likelihood
    return loss, {
      'model/loss': loss,
      'model/log_likelihood': log_likelihood,
      'model/kl': kl,
    }

  def _variables_of_losses(self):
    variables = super()._variables_of_losses()
    decoder = alm_networks.variables([self._networks.decoder])
    return {**variables, 'model': [*variables['model'], *decoder]}


@gin.configurable
class StochasticActor(alm_networks.Mlp):
  """pi(a | z) with deviations of its own."""

  def __init__(
    self,
    latent_size: int,
    action_size: int,
    hidden_size: int,
    min_stddev: settings.Positive = gin.REQUIRED,
    max_stddev: settings.Positive = gin.REQUIRED,
  ):
    super().__init__(latent_size, hidden_size, 2 * action_size, normed=False)
    self._min_stddev = min_stddev
    self._max_stddev = max_stddev

  def __call__(self, latent: tf.Tensor) -> tfd.Distribution:
    """Maps latents `[..., Z]` to a Gaussian over `[..., A]`."""
    mean, raw = tf.split(super().__call__(latent), 2, axis=-1)
    stddev = alm_networks.limited(raw, self._min_stddev, self._max_stddev)
    return tfd.MultivariateNormalDiag(tf.tanh(mean), stddev)


class StochasticNetworks(alm_networks.AlmNetworks):
  """All networks, of which the actor chooses its noise."""

  def __init__(self, state_size: int, action_size: int):
    super().__init__(state_size, action_size)
    self.actor = StochasticActor(
      self.latent_size, action_size, self.hidden_size
    )


@gin.configurable
class AlmEntropyAgent(alm.AlmAgent):
  """ALM-ENT: the actor chooses its noise, and gains by its entropy.

  The paper does not tell how; this is the authors' stochastic actor, whose
  entropy is added to the gains of Eq. (8) and to the values of Eq. (10).
  """

  networks_class = StochasticNetworks

  def __init__(
    self,
    time_step_spec,
    action_spec,
    seed: int,
    entropy_weight: settings.Positive = gin.REQUIRED,
  ):
    """Builds the networks; the other settings are those of `AlmAgent`.

    Args:
      time_step_spec, action_spec, seed: see `AlmAgent`.
      entropy_weight: of the entropy of actions before they are clipped.
    """
    self._entropy_weight = entropy_weight
    super().__init__(time_step_spec, action_spec, seed)

  def pi(self, z):
    return self._networks.actor(z)

  def _act(self, z, seed):
    action = self.pi(z).sample(seed=seed)
    return tfm.clip_by_value_preserve_gradient(action, -1, 1)

  def _bonus(self, z):
    return self._entropy_weight * self.pi(z).entropy()

  def _next_value(self, next_z, seed):
    return super()._next_value(next_z, seed) + self._bonus(next_z)

  def estimates(self, observation, actions, rewards, has_terminated):
    """Returns those of `AlmAgent`, of which Q counts all later entropies.

    So what followed does, too, and the bound those of its K steps.
    """
    found = super().estimates(observation, actions, rewards, has_terminated)
    z = self._networks.encoder(observation['state'])
    bonus = self._bonus(z.sample(seed=tf.constant([0, 0]))).numpy()
    if has_terminated:
      bonus[-1] = 0.0
    later = self._gamma * returns.seen(bonus[1:], self._gamma, 0.0)
    count, after = len(found.seen), self._gamma**self._horizon
    beyond = after * np.append(later, 0.0)[self._horizon :]
    later = later[:count]
    return found._replace(
      seen=found.seen + later, bound=found.bound + later - beyond
    )
