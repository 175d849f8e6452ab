"""The stochastic latent actor-critic (Algorithm 1)."""

from collections.abc import Callable

import gin
import tensorflow as tf
from tf_agents.agents import tf_agent

from slac.agents import base, inputs, optimizers, policies, sac
from slac.config import settings
from slac.models import evidence, latent_model, latents


@gin.configurable
class SlacAgent(sac.SoftActorCritic):
  """SAC on a latent variable model's states, and the model's own loss.

  A sequence of experience is T + 1 steps; critics and actor are trained on its
  last pair, (z_T, a_T, r_T, z_{T+1}). With `returns.NStepReturn` it is T + n,
  and z_{T+n} stands in place of z_{T+1}.
  """

  def __init__(
    self,
    time_step_spec,
    action_spec,
    seed: int,
    model: Callable[..., latent_model.LatentModel] = gin.REQUIRED,
    actor_input: Callable[..., inputs.Input] = gin.REQUIRED,
    critic_input: Callable[..., inputs.Input] = gin.REQUIRED,
    augmentation: Callable[..., tf.Tensor] = gin.REQUIRED,
    sequence_length: base.Length = gin.REQUIRED,
    model_batch_size: settings.Count = gin.REQUIRED,
    pretraining_learning_rate: settings.Positive = gin.REQUIRED,
    model_learning_rate: settings.Positive = gin.REQUIRED,
    jit_compile: bool = gin.REQUIRED,
  ):
    """Builds the model and, on top of it, SAC.

    Args:
      time_step_spec, action_spec, seed: see `base.Agent`; of the observations
        those are used that the model says, uint8 'pixels' `[H, W, C]` or these
        and a 'state', float `[D]`.
      model: a class of latent variable models, built with the action size and
        the specs of the observations.
      actor_input: the actor's input, a class of `inputs.py`.
      critic_input: the critics' input, a class of `inputs.py`.
      augmentation: a function of `augmentations.py`, applied to the images that
        the encoder is trained on; the images that the model reconstructs, and
        those seen in acting, stay as they are.
      sequence_length: T, the paper's tau.
      model_batch_size: how many sequences of a batch the model's loss uses.
      pretraining_learning_rate: Adam's rate for the model in updates of it
        alone.
      model_learning_rate: Adam's rate for the model in gradient steps. The
        larger it is, the faster change the latents that the critics know.
      jit_compile: whether XLA compiles the updates.
    """
    self._train_model = base.compiled(self._update_model, jit_compile)
    self._model_metrics = base.compiled(self._assess_model, jit_compile=False)
    self._model = model(
      action_spec.shape.num_elements(),
      observation_spec=time_step_spec.observation,
    )
    time_step_spec = base.observing(time_step_spec, *self._model.observed)
    self._augmentation = augmentation
    self._sequence_length = sequence_length
    self._model_batch_size = model_batch_size
    self._pretraining_learning_rate = pretraining_learning_rate
    self._model_learning_rate = model_learning_rate
    self._model_optimizer = optimizers.Adam(
      model_learning_rate, self._model.trainable_variables
    )
    sizes = inputs.Sizes(
      sequence_length,
      self._model.feature_size,
      self._model.latent_size,
      self._model.action_size,
    )
    self._actor_input = actor_input(sizes)
    self._critic_input = critic_input(sizes)
    super().__init__(
      time_step_spec,
      action_spec,
      seed,
      input_sizes=(self._actor_input.size, self._critic_input.size),
      window=sequence_length,
      jit_compile=jit_compile,
    )

  @property
  def model(self):
    """The latent variable model."""
    return self._model

  @property
  def compute_dtype(self) -> str:
    return self._model.compute_dtype

  def model_metrics(self, experience):
    """Those of the model's loss; images are as they were seen."""
    return self._model_metrics(experience)

  def filtered(self, observation, actions) -> evidence.Evidence:
    """Returns what acting knows at each of an episode's last m steps.

    These are the windows of T steps that acting sees, each frame encoded once.

    Args:
      observation: a dict of `[n, ...]`, from the first step on.
      actions: `[n, A]`.

    Returns:
      Evidence of `[m, T, ...]`, where m is n - T + 1.
    """
    windows, step_type = inputs.episode_windows(
      len(actions), self._sequence_length
    )
    encoded = self._model.encode_in_turn(
      {name: tf.constant(observation[name]) for name in self._model.observed}
    )
    steps = tf.gather(encoded, windows), actions[windows], step_type
    states = self._model.infer(*steps, tf.constant([0, 0]))
    return evidence.Evidence(*steps, self._model.latent(states))

  def updates(self, batch_size: int) -> dict[str, base.Update]:
    model_update = base.Update(self._train_model, self._model_batch_size)
    return {'train_model': model_update, **super().updates(batch_size)}

  def _make_policy(self, *specs, **seeded):
    seen = self._sequence_length, self._model, self._actor_input
    return policies.HistoryPolicy(*specs, *seen, self._actor, **seeded)

  def _trained_modules(self):
    return {'model': [self._model], **super()._trained_modules()}

  def _assess_model(self, experience):
    model, seeds = self._model, latents.split_seed(tf.zeros([2], tf.int32))
    states = model.infer(
      model.encode(experience.observation),
      experience.action,
      experience.step_type,
      seeds[0],
    )
    _, metrics = model.loss(states, experience, seeds[1])
    return metrics

  def _update_model(self, experience):
    """One update of the model alone, on all sequences of the experience."""
    *seeds, augmentation_seed = self._draw_seeds(3)
    observation = self._augment(experience, augmentation_seed)
    loss, gradients, metrics, _ = self._model_gradients(
      experience, observation, *seeds
    )
    optimizers.apply_if_finite(
      metrics,
      lambda: self._apply_model(gradients, self._pretraining_learning_rate),
    )
    return tf_agent.LossInfo(loss, metrics)

  def _train(self, experience, weights=None):
    """One gradient step; every gradient is of the parameters before it."""
    del weights
    *seeds, augmentation_seed = self._draw_seeds(6)
    observation = self._augment(experience, augmentation_seed)
    head, (tail, tail_observation) = split(
      (experience, observation), self._model_batch_size
    )
    model_loss, model_gradients, model_metrics, seen = self._model_gradients(
      *head, *seeds[:2]
    )
    # TensorFlow's convolutions fail on an empty batch.
    if tail.reward.shape[0] != 0:
      # These sequences have no model loss: the encoder is not differentiated.
      tail_seen = self._model.perceive(
        tail_observation, tail.action, tail.step_type, seeds[2]
      )
      seen = tf.nest.map_structure(
        lambda *x: tf.concat(x, axis=0), seen, tail_seen
      )
    loss, gradients, metrics = self._sac_gradients(seen, experience, seeds[3:])
    metrics = {**model_metrics, **metrics}

    def apply():
      self._apply_model(model_gradients, self._model_learning_rate)
      self.apply(gradients)
      self.train_step_counter.assign_add(1)

    optimizers.apply_if_finite(metrics, apply)
    return tf_agent.LossInfo(loss + model_loss, metrics)

  def _augment(self, experience, seed):
    """Returns the observations with other images; a state vector stays."""
    observation = experience.observation
    pixels = self._augmentation(observation['pixels'], seed)
    return {**observation, 'pixels': pixels}

  def _model_gradients(
    self, experience, observation, posterior_seed, prior_seed
  ):
    """Returns loss, gradients and metrics of the model, and its evidence.

    The encoder sees `observation`, whose images may be augmented; the
    reconstructed images are those of `experience`.
    """
    model = self._model
    with tf.GradientTape() as tape:
      features = model.encode(observation)
      states = model.infer(
        features, experience.action, experience.step_type, posterior_seed
      )
      loss, metrics = model.loss(states, experience, prior_seed)
    gradients = tape.gradient(loss, model.trainable_variables)
    metrics['model/gradient_norm'] = tf.linalg.global_norm(gradients)
    seen = evidence.Evidence(
      features, experience.action, experience.step_type, model.latent(states)
    )
    return loss, gradients, metrics, seen

  def _sac_gradients(self, seen, experience, seeds):
    """Returns loss, gradients and metrics of SAC on steps T and T + n."""
    seen = tf.nest.map_structure(tf.stop_gradient, seen)
    inputs_seen = self._actor_input(seen), self._critic_input(seen)
    now, after = (tuple(x[:, i] for x in inputs_seen) for i in (0, -1))
    return self.gradients(now, after, experience, seeds)

  def _see_episode(self, observation, actions):
    seen = self.filtered(observation, actions)
    return self._actor_input(seen)[:, 0], self._critic_input(seen)[:, 0]

  def _apply_model(self, gradients, learning_rate):
    self._model_optimizer.learning_rate.assign(learning_rate)
    optimizers.apply_gradients(
      self._model_optimizer, gradients, self._model.trainable_variables
    )


def split(batch, size: int):
  """Splits a structure of `[B, ...]` into its first `size` and the rest."""
  head = tf.nest.map_structure(lambda x: x[:size], batch)
  return head, tf.nest.map_structure(lambda x: x[size:], batch)
