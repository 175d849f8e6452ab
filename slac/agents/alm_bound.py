"""The terms of the bound on returns that ALM is trained by, Eq. (7)."""

from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from slac.agents import alm_networks
from slac.models import latents


class Terms(NamedTuple):
  """The terms of B sequences of K steps, before they are weighed."""

  z: tf.Tensor  # z_0 to z_K, [B, K + 1, Z].
  rewards: tf.Tensor  # r(z_i, a_i), [B, K].
  kls: tf.Tensor  # KL(m(. | z_i, a_i) || target e(. | s_{i+1})), [B, K].
  values: tf.Tensor  # Q(z_K, a_K), [B].

  def means(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the mean sums of rewards and of KLs, and the mean value."""
    sums = (tf.reduce_sum(x, axis=1) for x in (self.rewards, self.kls))
    reward, kl, value = map(tf.reduce_mean, (*sums, self.values))
    return reward, kl, value

  def discounted(
    self, gamma: float, kl_weight: float, value_weight: float
  ) -> tf.Tensor:
    """Returns the bound of each sequence, discounted as returns are, `[B]`."""
    length = self.rewards.shape[1]
    discount = gamma ** tf.range(length, dtype=tf.float32)
    gains = self.rewards - kl_weight * self.kls
    end = gamma**length * value_weight * self.values
    return tf.reduce_sum(discount * gains, axis=1) + end


def terms(
  networks: alm_networks.AlmNetworks, act, states, actions, seed
) -> Terms:
  """Unrolls the model over sequences.

  Args:
    networks: the agent's.
    act: draws the last action, given latents and a seed; no gradient passes.
    states: s_0 to s_K, `[B, K + 1, n]`.
    actions: a_0 to a_K, of which the last is not used, `[B, K + 1, A]`.
    seed: a stateless seed, `[2]`.
  """
  unroll_seed, action_seed = latents.split_seed(seed)
  z, kls = unroll(networks, states, actions, unroll_seed)
  last_action = tf.stop_gradient(act(z[:, -1], action_seed))
  rewards = networks.reward(z[:, :-1], actions[:, :-1])
  return Terms(z, rewards, kls, networks.value(z[:, -1], last_action))


def unroll(
  networks: alm_networks.AlmNetworks, states, actions, seed
) -> tuple[tf.Tensor, tf.Tensor]:
  """Returns z_0 to z_K of the model, `[B, K + 1, Z]`, and KLs, `[B, K]`."""
  first, *seeds = latents.split_seed(seed, states.shape[1])
  encoded = networks.target_encoder(states[:, 1:]).distribution
  zs, kls = [networks.encoder(states[:, 0]).sample(seed=first)], []
  for t, draw_seed in enumerate(seeds):
    prior = networks.model(zs[t], actions[:, t])
    posterior = tfd.Normal(encoded.loc[:, t], encoded.scale[:, t])
    kls.append(tfd.kl_divergence(prior, tfd.Independent(posterior, 1)))
    zs.append(prior.sample(seed=draw_seed))
  return tf.stack(zs, axis=1), tf.stack(kls, axis=1)
