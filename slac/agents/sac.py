"""Soft actor-critic over any pair of actor and critic inputs (Sec. 5)."""

from collections.abc import Mapping

import gin
import numpy as np
import tensorflow as tf
from tf_agents.utils import common

from slac.agents import base, networks, optimizers, returns
from slac.config import settings
from slac.models import latents


@gin.configurable
class SoftActorCritic(base.Agent):
  """Actor, two critics with targets, and a temperature.

  A subclass makes the inputs from experience and decides when to call what;
  here are the networks, their losses, Eq. (8)-(10), and their updates. Every
  loss is a method that returns `(loss, metrics)`.
  """

  estimated = ('q',)

  def __init__(
    self,
    time_step_spec,
    action_spec,
    seed: int,
    input_sizes: tuple[int, int],
    window: int,
    hidden_size: settings.Count = gin.REQUIRED,
    stddev_scale: settings.Positive = gin.REQUIRED,
    learning_rate: settings.Positive = gin.REQUIRED,
    gamma: settings.Fraction = gin.REQUIRED,
    target_update_rate: settings.Fraction = gin.REQUIRED,
    reward_scale: settings.Positive = gin.REQUIRED,
    temperature_learning_rate: settings.Positive | None = None,
    **of_every_agent,
  ):
    """Builds the networks, and then what every agent has.

    Args:
      time_step_spec, action_spec, seed: see `base.Agent`.
      input_sizes: D of the actor's input `[B, D]`, and of the critics'.
      window: T, the number of steps that an input is made of.
      hidden_size: the size of the two hidden layers of actor and critics.
      stddev_scale: multiplies the actor's standard deviation before the tanh.
      learning_rate: Adam's, for actor, critics and temperature.
      gamma: the discount factor.
      target_update_rate: tau of the target critics.
      reward_scale: multiplies rewards in the critics' target.
      temperature_learning_rate: Adam's for the temperature alone; by default
        the same.
      **of_every_agent: the other arguments of `base.Agent`.
    """
    action_size = action_spec.shape.num_elements()
    actor_input_size, critic_input_size = input_sizes
    self._actor = networks.TanhGaussianActor(
      actor_input_size, action_size, hidden_size, stddev_scale
    )
    self._critics, self._target_critics = (
      [
        networks.Critic(critic_input_size, action_size, hidden_size)
        for _ in range(2)
      ]
      for _ in range(2)
    )
    common.soft_variables_update(
      self._critic_variables, self._target_variables, tau=1.0
    )
    self._log_alpha = tf.Variable(0.0, name='log_alpha')
    self._target_entropy = -float(action_size)
    self._gamma = gamma
    self._target_update_rate = target_update_rate
    self._reward_scale = reward_scale
    self._n_step_return = returns.NStepReturn()
    num_steps = self._n_step_return.num_steps
    self.joined = (num_steps,)

    self._actor_optimizer = optimizers.Adam(
      learning_rate, self._actor.variables
    )
    self._critic_optimizer = optimizers.Adam(
      learning_rate, self._critic_variables
    )
    self._alpha_optimizer = optimizers.Adam(
      temperature_learning_rate or learning_rate, [self._log_alpha]
    )
    experience_length = window + num_steps
    super().__init__(
      time_step_spec, action_spec, seed, experience_length, **of_every_agent
    )

  def _trained_modules(self) -> Mapping[str, list[tf.Module]]:
    return {'actor': [self._actor], 'critics': self._critics}

  @property
  def _critic_variables(self):
    """The variables that the critics' loss trains."""
    return _variables(self._critics)

  @property
  def _target_variables(self):
    """The variables that follow those of the critics' loss."""
    return _variables(self._target_critics)

  def critic_loss(
    self, inputs, action, reward, discount, next_inputs, next_actor_inputs, seed
  ):
    """The Bellman residual of Eq. (8), with the targets of Eq. (9).

    Args:
      inputs: the critics' inputs at step t, `[B, D]`.
      action: a_t, `[B, A]`.
      reward: r_t, `[B]`, or what `returns.NStepReturn` makes of n rewards.
      discount: `[B]`: 0 at a true termination, else 1; or likewise.
      next_inputs: the critics' inputs at step t + n, `[B, D]`.
      next_actor_inputs: the actor's inputs at the same step, `[B, D']`.
      seed: a stateless seed, `[2]`.

    Returns:
      The sum of the two critics' losses, and metrics.
    """
    pi = self._actor(next_actor_inputs)
    next_action, log_pi = pi.experimental_sample_and_log_prob(seed=seed)
    of_targets, of_critics = latents.split_seed(seed)  # For their dropout.
    next_q = _minimum(
      self._target_critics, next_inputs, next_action, of_targets
    )
    next_value = next_q - self.alpha * log_pi
    target = tf.stop_gradient(
      self._reward_scale * reward + self._gamma * discount * next_value
    )
    q = tf.stack(_values(self._critics, inputs, action, of_critics))
    td_error = q - target
    loss = 0.5 * tf.reduce_sum(tf.reduce_mean(tf.square(td_error), axis=1))
    return loss, {
      'critic/loss': loss,
      'critic/q': tf.reduce_mean(q),
      'critic/target': tf.reduce_mean(target),
      'critic/absolute_td_error': tf.reduce_mean(tf.abs(td_error)),
    }

  def actor_loss(self, actor_inputs, critic_inputs, seed):
    """The actor's objective, Eq. (10).

    It is taken at step tau of a sequence, as the authors' code does; the paper
    writes tau + 1.

    Args:
      actor_inputs: the actor's inputs at step tau, `[B, D']`.
      critic_inputs: the critics' inputs at the same step, `[B, D]`.
      seed: a stateless seed, `[2]`.

    Returns:
      The loss, metrics, and log pi of the actions drawn, `[B]`.
    """
    pi = self._actor(actor_inputs)
    action, log_pi = pi.experimental_sample_and_log_prob(seed=seed)
    q = _minimum(self._critics, critic_inputs, action, seed)
    loss = tf.reduce_mean(self.alpha * log_pi - q)
    return (
      loss,
      {
        'actor/loss': loss,
        'actor/entropy': -tf.reduce_mean(log_pi),
        'actor/stddev_before_tanh': tf.reduce_mean(pi.distribution.stddev()),
      },
      log_pi,
    )

  def alpha_loss(self, log_pi):
    """Moves the entropy towards -|A| (Haarnoja et al. 2018, Eq. (18)).

    Args:
      log_pi: log pi of the actions that the actor's loss has drawn, `[B]`.
    """
    excess = tf.stop_gradient(-log_pi - self._target_entropy)
    loss = tf.reduce_mean(self._log_alpha * excess)
    return loss, {'alpha/loss': loss, 'alpha/alpha': tf.exp(self._log_alpha)}

  @property
  def alpha(self) -> tf.Tensor:
    """The temperature, without a gradient: only its own loss moves it."""
    return tf.stop_gradient(tf.exp(self._log_alpha))

  def gradients(self, now, after, experience, seeds):
    """Returns loss, gradients and metrics of one step.

    Args:
      now: (actor input, critic input) at step t, each `[B, D]`.
      after: the same at step t + n.
      experience: a Trajectory of `[B, T + n, ...]`; its last step is t + n.
      seeds: two stateless seeds, `[2]` each.
    """
    first = -1 - self._n_step_return.num_steps
    action = experience.action[:, first]
    reward, discount = self._n_step_return(
      experience.reward[:, first:-1],
      experience.discount[:, first:-1],
      self._gamma,
    )
    with tf.GradientTape() as critic_tape:
      critic_loss, critic_metrics = self.critic_loss(
        now[1], action, reward, discount, after[1], after[0], seeds[0]
      )
    with tf.GradientTape() as actor_tape:
      actor_loss, actor_metrics, log_pi = self.actor_loss(*now, seeds[1])
    with tf.GradientTape() as alpha_tape:
      alpha_loss, alpha_metrics = self.alpha_loss(log_pi)
    gradients = {
      'critic': critic_tape.gradient(critic_loss, self._critic_variables),
      'actor': actor_tape.gradient(actor_loss, self._actor.variables),
      'alpha': alpha_tape.gradient(alpha_loss, [self._log_alpha]),
    }
    metrics = {
      **critic_metrics,
      **actor_metrics,
      **alpha_metrics,
      **{
        f'{name}/gradient_norm': tf.linalg.global_norm(gradient)
        for name, gradient in gradients.items()
      },
    }
    return critic_loss + actor_loss + alpha_loss, gradients, metrics

  def estimates(self, observation, actions, rewards, has_terminated):
    """Returns those of the steps at which all is known that critics see.

    Q is the mean of both critics. As it counts the entropies of all later
    steps, Eq. (9), the return that followed does, each of an action that is
    drawn anew. With returns of n steps Q counts those of each n-th alone.
    """
    actor_inputs, critic_inputs = self._see_episode(observation, actions)
    first = len(actions) - len(actor_inputs)
    pi = self._actor(actor_inputs)
    seed = tf.constant([0, 0])
    drawn, log_pi = pi.experimental_sample_and_log_prob(seed=seed)
    entropy = -log_pi.numpy()
    last = 0.0
    if has_terminated:
      entropy[-1] = 0.0
    else:
      last_step = critic_inputs[-1:], drawn[-1:]
      last = float(_minimum(self._critics, *last_step)[0])
    gains = self._reward_scale * rewards[first:]
    gains = gains + self._gamma * self.alpha.numpy() * entropy[1:]
    taken = critic_inputs[:-1], actions[first:-1]
    q = np.mean(_values(self._critics, *taken), axis=0)
    return returns.Estimates(returns.seen(gains, self._gamma, last), q)

  def _see_episode(self, observation, actions):
    """Returns what actor and critics see at an episode's last m steps.

    Args:
      observation: a dict of `[n + 1, ...]`, from the first step on.
      actions: `[n + 1, A]`.

    Returns:
      Their inputs, `[m, ...]` each.
    """
    raise NotImplementedError

  def apply(self, gradients):
    """Updates critics, actor, temperature and, after them, the targets."""
    critics = self._critic_variables
    for name, optimizer, variables in (
      ('critic', self._critic_optimizer, critics),
      ('actor', self._actor_optimizer, self._actor.variables),
      ('alpha', self._alpha_optimizer, [self._log_alpha]),
    ):
      optimizers.apply_gradients(optimizer, gradients[name], variables)
    common.soft_variables_update(
      critics, self._target_variables, self._target_update_rate
    )


def _minimum(critics, inputs, action, dropout_seed=None):
  return tf.minimum(*_values(critics, inputs, action, dropout_seed))


def _values(critics, inputs, action, dropout_seed=None):
  """Returns what each critic says; without a seed none leaves a unit out.

  The seeds of the critics are split from it: it may be that of another draw.
  """
  if dropout_seed is None:
    return [critic(inputs, action) for critic in critics]
  seeds = latents.split_seed(dropout_seed, len(critics))
  return [
    critic(inputs, action, seed)
    for critic, seed in zip(critics, seeds, strict=True)
  ]


def _variables(modules):
  return [v for module in modules for v in module.variables]
