"""Aligned Latent Models (Ghugare et al. 2022), from the true state."""

from collections.abc import Mapping
from typing import Annotated

import gin
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tf_agents.agents import tf_agent

from slac.agents import (
  alm_networks,
  base,
  optimizers,
  policies,
  slac_agent,
)
from slac.config import settings
from slac.models import latents

# K, over which the model is unrolled.
Horizon = Annotated[int, settings.Range(1, 100)]


@gin.configurable
class AlmAgent(base.Agent):
  """One bound on returns that trains encoder, model and policy.

  It is estimated by a reward, two critics and a classifier. Every loss is a
  method that returns `(loss, metrics)`, and the equations are the paper's; what
  is differentiated follows the authors' code where the paper does not say.

  A sequence of experience is K + 1 steps of one episode. Latents are drawn from
  the encoder in acting and in the first loss, else from its target.
  """

  within_episodes = True

  def __init__(
    self,
    time_step_spec,
    action_spec,
    seed: int,
    horizon: Horizon = gin.REQUIRED,
    kl_weight: settings.NotNegative = gin.REQUIRED,
    value_weight: settings.NotNegative = gin.REQUIRED,
    classifier_weight: settings.NotNegative = gin.REQUIRED,
    td_lambda: settings.Fraction = gin.REQUIRED,
    gamma: settings.Fraction = gin.REQUIRED,
    learning_rate: settings.Positive = gin.REQUIRED,
    gradient_limit: settings.Positive = gin.REQUIRED,
    jit_compile: bool = gin.REQUIRED,
  ):
    """Builds the networks, and then what every agent has.

    Args:
      time_step_spec, action_spec, seed: see `base.Agent`; of the observations
        only 'state' is used, float `[n]`.
      horizon: K, over how many steps the model is unrolled.
      kl_weight: multiplies the KL in the bound, where the paper has 1.
      value_weight: multiplies the value at the bound's end, likewise.
      classifier_weight: c, multiplies the classifier's log ratio in the actor's
        objective; 1 in theory.
      td_lambda: weighs returns of different lengths in the actor's objective.
      gamma: the discount factor.
      learning_rate: Adam's, for all networks.
      gradient_limit: the global norm that each loss's gradient is clipped to.
      jit_compile: whether XLA compiles the update.
    """
    time_step_spec = base.observing(time_step_spec, 'state')
    self._networks = alm_networks.AlmNetworks(
      time_step_spec.observation['state'].shape.num_elements(),
      action_spec.shape.num_elements(),
    )
    self._noise = alm_networks.ActionNoise()
    self._horizon = horizon
    self._kl_weight = kl_weight
    self._value_weight = value_weight
    self._classifier_weight = classifier_weight
    self._td_lambda = td_lambda
    self._gamma = gamma
    self._gradient_limit = gradient_limit
    self._optimizers = {
      name: optimizers.Adam(learning_rate, variables)
      for name, variables in self._variables_of_losses().items()
    }
    super().__init__(
      time_step_spec,
      action_spec,
      seed,
      experience_length=horizon + 1,
      jit_compile=jit_compile,
    )

  @property
  def policy(self):
    """Evaluates without noise, as `greedy_policy` does."""
    return self.greedy_policy

  def updates(self, batch_size: int) -> dict[str, base.Update]:
    """Returns the update; its experience is two independent batches."""
    return super().updates(2 * batch_size)

  def model_loss(self, states, actions, seed):
    """Encoder and model, Eq. (7): what is maximised is not discounted.

    Args:
      states: s_0 to s_K, `[B, K + 1, n]`.
      actions: a_0 to a_K, of which the last is not used, `[B, K + 1, A]`.
      seed: a stateless seed, `[2]`.
    """
    nets = self._networks
    first, last, *seeds = latents.split_seed(seed, self._horizon + 2)
    encoded = nets.target_encoder(states[:, 1:]).distribution
    z = nets.encoder(states[:, 0]).sample(seed=first)
    zs, kls = [], []
    for t in range(self._horizon):
      zs.append(z)
      imagined = nets.model(z, actions[:, t])
      target = tfd.Normal(encoded.loc[:, t], encoded.scale[:, t])
      kls.append(tfd.kl_divergence(imagined, tfd.Independent(target, 1)))
      z = imagined.sample(seed=seeds[t])
    rewards = nets.reward(tf.stack(zs, axis=1), actions[:, :-1])
    action = tf.stop_gradient(self._act(z, last))
    reward = tf.reduce_mean(tf.reduce_sum(rewards, axis=1))
    kl = tf.reduce_mean(tf.add_n(kls))
    value = tf.reduce_mean(nets.value(z, action))
    loss = -(reward - self._kl_weight * kl + self._value_weight * value)
    return loss, {
      'model/loss': loss,
      'model/reward': reward,
      'model/kl': kl,
      'model/value': value,
    }

  def estimates_loss(self, encoded, action, reward, next_encoded, seed):
    """Reward, Eq. (11), and classifier, Eq. (9).

    Args:
      encoded: the target encoder's distribution at step t, over `[B, Z]`.
      action: a_t, `[B, A]`.
      reward: r_t, `[B]`.
      next_encoded: the same as `encoded` at step t + 1.
      seed: a stateless seed, `[2]`.
    """
    nets = self._networks
    seeds = latents.split_seed(seed, 4)
    z, before = (encoded.sample(seed=s) for s in seeds[:2])
    # The batch is drawn at random, and so is its first half.
    half = tf.shape(z)[0] // 2
    imagined = nets.model(before[:half], action[:half]).sample(seed=seeds[2])
    real = next_encoded.sample(seed=seeds[3])[half:]
    next_z = tf.stop_gradient(tf.concat([imagined, real], axis=0))
    is_real = tf.concat(
      [tf.zeros_like(imagined[:, 0]), tf.ones_like(real[:, 0])], axis=0
    )
    log_ratio = nets.classifier.log_ratio(z, action, next_z)
    cross_entropy = tf.reduce_mean(
      tf.nn.sigmoid_cross_entropy_with_logits(is_real, log_ratio)
    )
    error = tf.reduce_mean(tf.square(nets.reward(z, action) - reward))
    is_right = tf.equal(log_ratio > 0, is_real > 0)
    return error + cross_entropy, {
      'reward/loss': error,
      'classifier/loss': cross_entropy,
      'classifier/accuracy': tf.reduce_mean(tf.cast(is_right, tf.float32)),
    }

  def critic_loss(self, encoded, action, reward, discount, next_encoded, seed):
    """Eq. (10): the mean of both critics' squared errors.

    Args:
      encoded, action, reward, next_encoded: see `estimates_loss`.
      discount: `[B]`: 0 at a true termination, else 1.
      seed: a stateless seed, `[2]`.
    """
    nets = self._networks
    seeds = latents.split_seed(seed, 3)
    z = encoded.sample(seed=seeds[0])
    next_z = next_encoded.sample(seed=seeds[1])
    next_value = nets.target_value(next_z, self._act(next_z, seeds[2]))
    target = tf.stop_gradient(reward + self._gamma * discount * next_value)
    q = tf.stack([critic(z, action) for critic in nets.critics])
    td_error = q - target
    loss = tf.reduce_mean(tf.square(td_error))
    return loss, {
      'critic/loss': loss,
      'critic/q': tf.reduce_mean(q),
      'critic/target': tf.reduce_mean(target),
      'critic/absolute_td_error': tf.reduce_mean(tf.abs(td_error)),
    }

  def actor_loss(self, encoded, seed):
    """Eq. (8): lambda-returns of what model and policy imagine.

    Actions learn through reward, classifier and model alone: no gradient passes
    what the actor sees, the critics' actions and the classifier's next latents.

    Args:
      encoded: see `estimates_loss`; z_0 is drawn from it.
      seed: a stateless seed, `[2]`.
    """
    nets, stop = self._networks, tf.stop_gradient
    first, second, *seeds = latents.split_seed(seed, 2 * self._horizon + 2)
    zs = [encoded.sample(seed=first)]
    actions = [self._act(stop(zs[0]), second)]
    for model_seed, action_seed in zip(seeds[::2], seeds[1::2], strict=True):
      zs.append(nets.model(zs[-1], actions[-1]).sample(seed=model_seed))
      actions.append(self._act(stop(zs[-1]), action_seed))
    z, action = tf.stack(zs, axis=1), tf.stack(actions, axis=1)
    now, after, acted = z[:, :-1], z[:, 1:], action[:, :-1]
    reward = nets.reward(now, acted)
    log_ratio = nets.classifier.log_ratio(now, acted, stop(after))
    value = nets.value(after, stop(action[:, 1:]))
    gain = reward + self._classifier_weight * log_ratio
    returns = lambda_returns(gain, value, self._gamma, self._td_lambda)
    discount = self._gamma ** tf.range(self._horizon, dtype=tf.float32)
    loss = -tf.reduce_mean(discount * returns)
    return loss, {
      'actor/loss': loss,
      'actor/reward': tf.reduce_mean(reward),
      'actor/log_ratio': tf.reduce_mean(log_ratio),
      'actor/value': tf.reduce_mean(value),
      'actor/noise_stddev': self._noise.stddev(self.train_step_counter),
    }

  def _train(self, experience, weights=None):
    """Four losses in turn, each of the parameters that are left by the last.

    All of it is undone if any of their metrics is not finite.
    """
    del weights
    nets, seeds = self._networks, self._draw_seeds(4)
    half = experience.reward.shape[0] // 2
    sequences, pairs = slac_agent.split(experience, half)
    state, next_state = tf.unstack(pairs.observation['state'][:, :2], axis=1)
    action, reward = pairs.action[:, 0], pairs.reward[:, 0]
    discount = pairs.discount[:, 0]
    changed = [
      *(v for vs in self._variables_of_losses().values() for v in vs),
      *(v for adam in self._optimizers.values() for v in adam.variables),
    ]
    before = [v.read_value() for v in changed]

    states = sequences.observation['state']
    z, next_z = nets.target_encoder(state), nets.target_encoder(next_state)
    losses, metrics = zip(
      self._step('model', self.model_loss, states, sequences.action, seeds[0]),
      self._step(
        *('estimates', self.estimates_loss),
        *(z, action, reward, next_z, seeds[1]),
      ),
      self._step(
        *('critic', self.critic_loss),
        *(z, action, reward, discount, next_z, seeds[2]),
      ),
      self._step('actor', self.actor_loss, z, seeds[3]),
      strict=True,
    )
    metrics = {name: x for part in metrics for name, x in part.items()}

    def keep():
      nets.follow()
      self.train_step_counter.assign_add(1)

    optimizers.keep_if_finite(metrics, keep, changed, before)
    return tf_agent.LossInfo(tf.add_n(losses), metrics)

  def _step(self, name, loss_function, *inputs):
    """Minimises a loss by one step of its variables; returns its metrics."""
    variables = self._variables_of_losses()[name]
    with tf.GradientTape() as tape:
      loss, metrics = loss_function(*inputs)
    gradients, norm = tf.clip_by_global_norm(
      tape.gradient(loss, variables), self._gradient_limit
    )
    optimizers.apply_gradients(self._optimizers[name], gradients, variables)
    return loss, {**metrics, f'{name}/gradient_norm': norm}

  def _act(self, z, seed):
    """Returns an action of pi(a|z) with the noise of training, `[..., A]`."""
    return self._noise.train(
      self._networks.actor(z), self.train_step_counter, seed
    )

  def _variables_of_losses(self) -> Mapping[str, list[tf.Variable]]:
    """Returns what each loss trains."""
    nets = self._networks
    modules = {
      'model': [nets.encoder, nets.model],
      'estimates': [nets.reward, nets.classifier],
      'critic': nets.critics,
      'actor': [nets.actor],
    }
    return {name: alm_networks.variables(m) for name, m in modules.items()}

  def _make_policy(self, *specs, **seeded):
    nets = self._networks
    return policies.EncodedPolicy(
      *specs,
      nets.encoder,
      nets.actor,
      lambda: self._noise.stddev(self.train_step_counter),
      **seeded,
    )

  def _trained_modules(self):
    return self._networks.trained


def lambda_returns(gain, next_value, gamma: float, td_lambda: float):
  """Returns G_i of Eq. (8), `[B, K]`.

  G_i = g_i + gamma ((1 - lambda) v_{i+1} + lambda G_{i+1}), and G_K = v_K.

  Args:
    gain: g_0 to g_{K-1}, `[B, K]`.
    next_value: v_1 to v_K, `[B, K]`.
    gamma: the discount factor.
    td_lambda: lambda.
  """
  gains, values = tf.unstack(gain, axis=1), tf.unstack(next_value, axis=1)
  after, returns = values[-1], []
  for g, v in zip(reversed(gains), reversed(values), strict=True):
    after = g + gamma * ((1 - td_lambda) * v + td_lambda * after)
    returns.append(after)
  return tf.stack(returns[::-1], axis=1)
