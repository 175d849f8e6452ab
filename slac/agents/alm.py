"""Aligned Latent Models (Ghugare et al. 2022), from the true state."""

from typing import Annotated, NamedTuple

import gin
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tf_agents.agents import tf_agent

from slac.agents import (
  alm_bound,
  alm_networks,
  base,
  optimizers,
  policies,
  returns,
  slac_agent,
)
from slac.config import settings
from slac.models import latents

# K, over which the model is unrolled.
Horizon = Annotated[int, settings.Range(1, 100)]


class Transition(NamedTuple):
  """A batch of single steps, from t to t + 1."""

  state: tf.Tensor  # s_t, [B, n]
  action: tf.Tensor  # a_t, [B, A]
  reward: tf.Tensor  # r_t, [B]
  discount: tf.Tensor  # [B]: 0 at a true termination, else 1.
  encoded: tfd.Distribution  # The target encoder's z_t, over [B, Z],
  next_encoded: tfd.Distribution  # and z_{t+1}.


@gin.configurable
class AlmAgent(base.Agent):
  """One bound on returns trains encoder, model and policy.

  A reward, two critics and a classifier estimate it. Every loss is a method
  that returns `(loss, metrics)`, and the equations are the paper's; where it
  does not say what is differentiated, the authors' code decides.
  """

  estimated = ('q', 'bound')
  networks_class: type[alm_networks.AlmNetworks] = alm_networks.AlmNetworks

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
      horizon: K.
      kl_weight: multiplies the KL of the bound; 1 in the paper.
      value_weight: multiplies the value at the bound's end; 1 in the paper.
      classifier_weight: c, of the classifier in the actor's objective.
      td_lambda: lambda, which weighs returns of different lengths.
      gamma: the discount factor.
      learning_rate: Adam's, for all networks.
      gradient_limit: the global norm that each loss's gradient is clipped to.
      jit_compile: whether XLA compiles the update.
    """
    time_step_spec = base.observing(time_step_spec, 'state')
    self._networks = self.networks_class(
      time_step_spec.observation['state'].shape.num_elements(),
      action_spec.shape.num_elements(),
    )
    self._noise = alm_networks.ActionNoise()
    self._horizon = horizon
    self.joined = horizon, 1  # Sequences for the model, and single steps.
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

  @property
  def compute_dtype(self) -> str:
    return self._networks.model.compute_dtype

  def updates(self, batch_size: int) -> dict[str, base.Update]:
    """Returns the update; its experience is two independent batches."""
    return super().updates(2 * batch_size)

  def model_loss(self, states, actions, seed):
    """The negative bound of Eq. (7), for encoder and model; not discounted.

    Args:
      states: s_0 to s_K, `[B, K + 1, n]`.
      actions: a_0 to a_K, of which the last is not used, `[B, K + 1, A]`.
      seed: a stateless seed, `[2]`.
    """
    reward, kl, value = self._bound(states, actions, seed).means()
    loss = -(reward - self._kl_weight * kl + self._value_weight * value)
    return loss, {
      'model/loss': loss,
      'model/reward': reward,
      'model/kl': kl,
      'model/value': value,
    }

  def estimates(self, observation, actions, rewards, has_terminated):
    """Returns those of steps that K others follow, by Eq. (7), discounted."""
    steps = np.arange(len(actions) - self._horizon)
    windows = steps[:, np.newaxis] + np.arange(self._horizon + 1)
    states = observation['state'][windows]
    found = self._bound(states, actions[windows], tf.constant([0, 0]))
    bound = found.discounted(self._gamma, self._kl_weight, self._value_weight)
    q = self._networks.value(found.z[:, 0], actions[steps])
    last = 0.0 if has_terminated else float(found.values[-1])
    seen = returns.seen(rewards, self._gamma, last)[steps]
    return returns.Estimates(seen, q.numpy(), bound.numpy())

  def estimates_loss(self, step: Transition, seed):
    """Those of the reward, Eq. (11), and of the classifier, Eq. (9)."""
    nets = self._networks
    seeds = latents.split_seed(seed, 4)
    z, before = (step.encoded.sample(seed=s) for s in seeds[:2])
    # The batch is drawn at random, and so is its first half.
    half = tf.shape(z)[0] // 2
    imagined = nets.model(before[:half], step.action[:half])
    next_z = tf.concat(
      [
        imagined.sample(seed=seeds[2]),
        step.next_encoded.sample(seed=seeds[3])[half:],
      ],
      axis=0,
    )
    is_real = tf.cast(tf.range(tf.shape(z)[0]) >= half, tf.float32)
    logit = nets.classifier.log_ratio(z, step.action, tf.stop_gradient(next_z))
    cross_entropy = tf.reduce_mean(
      tf.nn.sigmoid_cross_entropy_with_logits(is_real, logit)
    )
    error = nets.reward(z, step.action) - step.reward
    squared_error = tf.reduce_mean(tf.square(error))
    is_right = tf.cast(tf.equal(logit > 0, is_real > 0), tf.float32)
    return squared_error + cross_entropy, {
      'reward/loss': squared_error,
      'classifier/loss': cross_entropy,
      'classifier/accuracy': tf.reduce_mean(is_right),
    }

  def critic_loss(self, step: Transition, seed):
    """Eq. (10): the mean of both critics' squared errors."""
    z_seed, next_seed, action_seed = latents.split_seed(seed, 3)
    z = step.encoded.sample(seed=z_seed)
    next_z = step.next_encoded.sample(seed=next_seed)
    next_value = self._next_value(next_z, action_seed)
    target = tf.stop_gradient(
      step.reward + self._gamma * step.discount * next_value
    )
    q = tf.stack([critic(z, step.action) for critic in self._networks.critics])
    td_error = q - target
    loss = tf.reduce_mean(tf.square(td_error))
    return loss, {
      'critic/loss': loss,
      'critic/q': tf.reduce_mean(q),
      'critic/target': tf.reduce_mean(target),
      'critic/absolute_td_error': tf.reduce_mean(tf.abs(td_error)),
    }

  def actor_loss(self, step: Transition, seed):
    """Eq. (8): lambda-returns of what model and policy imagine from z_t.

    Actions learn through reward, classifier and model alone: no gradient passes
    what the actor sees, the critics' actions and the classifier's next latents.
    """
    nets, stop = self._networks, tf.stop_gradient
    first, second, *seeds = latents.split_seed(seed, 2 * self._horizon + 2)
    zs = [step.encoded.sample(seed=first)]
    actions = [self._act(stop(zs[0]), second)]
    for model_seed, action_seed in zip(seeds[::2], seeds[1::2], strict=True):
      zs.append(nets.model(zs[-1], actions[-1]).sample(seed=model_seed))
      actions.append(self._act(stop(zs[-1]), action_seed))
    z, action = tf.stack(zs, axis=1), tf.stack(actions, axis=1)
    now, after, acted = z[:, :-1], z[:, 1:], action[:, :-1]
    reward = nets.reward(now, acted)
    log_ratio = nets.classifier.log_ratio(now, acted, stop(after))
    value = nets.value(after, stop(action[:, 1:]))
    gain = reward + self._classifier_weight * log_ratio + self._bonus(stop(now))
    targets = returns.of_lambda(gain, value, self._gamma, self._td_lambda)
    discount = self._gamma ** tf.range(self._horizon, dtype=tf.float32)
    loss = -tf.reduce_mean(discount * targets)
    return loss, {
      'actor/loss': loss,
      'actor/reward': tf.reduce_mean(reward),
      'actor/log_ratio': tf.reduce_mean(log_ratio),
      'actor/value': tf.reduce_mean(value),
      'actor/noise_stddev': tf.reduce_mean(self.pi(now).stddev()),
    }

  def pi(self, z: tf.Tensor) -> tfd.Distribution:
    """Returns pi(a | z) over `[..., A]`, before actions are clipped."""
    mean = self._networks.actor(z)
    stddev = self._noise.stddev(self.train_step_counter)
    return tfd.MultivariateNormalDiag(mean, stddev * tf.ones_like(mean))

  def _bound(self, states, actions, seed):
    return alm_bound.terms(self._networks, self._act, states, actions, seed)

  def _act(self, z, seed):
    """Returns a training action, `[..., A]`, whose noise is clipped."""
    return self._noise.sample_clipped(self.pi(z), seed)

  def _next_value(self, next_z, seed):
    """Returns what the critics' target is made of, `[B]`."""
    return self._networks.target_value(next_z, self._act(next_z, seed))

  def _bonus(self, z):
    """Returns what the actor gains in z beside reward and classifier."""
    return tf.zeros_like(z[..., 0])

  def _train(self, experience, weights=None):
    """Four losses in turn, and then the targets."""
    del weights
    nets, seeds = self._networks, self._draw_seeds(4)
    half = experience.reward.shape[0] // 2
    sequences, pairs = slac_agent.split(experience, half)
    state, next_state = tf.unstack(pairs.observation['state'][:, -2:], axis=1)
    step = Transition(
      state,
      *(x[:, -2] for x in (pairs.action, pairs.reward, pairs.discount)),
      nets.target_encoder(state),
      nets.target_encoder(next_state),
    )
    states = sequences.observation['state']
    losses = {
      'model': lambda: self.model_loss(states, sequences.action, seeds[0]),
      'estimates': lambda: self.estimates_loss(step, seeds[1]),
      'critic': lambda: self.critic_loss(step, seeds[2]),
      'actor': lambda: self.actor_loss(step, seeds[3]),
    }

    def finish():
      nets.follow()
      self.train_step_counter.assign_add(1)

    variables, limit = self._variables_of_losses(), self._gradient_limit
    metrics = optimizers.minimise_in_turn(
      losses, variables, self._optimizers, limit, finish
    )
    loss = tf.add_n([metrics[name] for name in metrics if '/loss' in name])
    return tf_agent.LossInfo(loss, metrics)

  def _variables_of_losses(self) -> dict[str, list[tf.Variable]]:
    nets = self._networks
    modules = {
      'model': [nets.encoder, nets.model],
      'estimates': [nets.reward, nets.classifier],
      'critic': nets.critics,
      'actor': [nets.actor],
    }
    return {name: alm_networks.variables(m) for name, m in modules.items()}

  def saved_parts(self, names):
    return tf.train.Checkpoint(_networks=self._saved_of(self._networks, names))

  def _make_policy(self, *specs, **seeded):
    nets = self._networks
    return policies.EncodedPolicy(
      *specs, nets.encoder, nets.actor, self.pi, **seeded
    )

  def _trained_modules(self):
    return self._networks.trained
