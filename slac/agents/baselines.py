"""The baselines: SAC from the true state and from pixels, without a model."""

import gin
import tensorflow as tf
from tf_agents.agents import tf_agent

from slac.agents import base, inputs, optimizers, policies, sac
from slac.config import settings
from slac.models import networks


class Baseline(sac.SoftActorCritic):
  """SAC whose actor and critics see the same at each step.

  A subclass says what that is in `_see`.
  """

  def _see(self, experience):
    """Maps experience to `[B, n + 1, ...]`, what is seen from step T on."""
    raise NotImplementedError

  def _train(self, experience, weights=None):
    """One gradient step; every gradient is of the parameters before it."""
    del weights
    seen = self._see(experience)
    now, after = seen[:, 0], seen[:, -1]
    loss, gradients, metrics = self.gradients(
      (now, now),
      (after, after),
      experience,
      self._draw_seeds(2),
    )

    def apply():
      self.apply(gradients)
      self.train_step_counter.assign_add(1)

    optimizers.apply_if_finite(metrics, apply)
    return tf_agent.LossInfo(loss, metrics)


@gin.configurable
class SacStateAgent(Baseline):
  """SAC from the true state, an upper bound; T is 1."""

  def __init__(
    self,
    time_step_spec,
    action_spec,
    seed: int,
    jit_compile: bool = gin.REQUIRED,
    keeps_pixels: bool = False,
  ):
    """Builds actor and critics.

    Args:
      time_step_spec, action_spec, seed: see `base.Agent`; of the observations
        only 'state' is used, float `[n]`.
      jit_compile: whether XLA compiles the update.
      keeps_pixels: whether 'pixels' are in its experience all the same, so that
        `slac.probe` can train models on a run's replay.
    """
    kept = ['state', 'pixels'] if keeps_pixels else ['state']
    time_step_spec = base.observing(time_step_spec, *kept)
    size = time_step_spec.observation['state'].shape.num_elements()
    super().__init__(
      time_step_spec,
      action_spec,
      seed,
      input_sizes=(size, size),
      window=1,
      jit_compile=jit_compile,
    )

  def _make_policy(self, time_step_spec, action_spec, **seeded):
    seen = base.observing(time_step_spec, 'state')
    return policies.StatePolicy(seen, action_spec, self._actor, **seeded)

  def _see_episode(self, observation, actions):
    del actions
    return observation['state'], observation['state']

  def _see(self, experience):
    return experience.observation['state']


@gin.configurable
class SacPixelsAgent(Baseline):
  """SAC from the last images, whose encoder the critics' loss alone trains.

  Actor and critics see the features of a stack of images. The target critics
  have a target encoder, which follows the encoder as they follow the critics.
  """

  def __init__(
    self,
    time_step_spec,
    action_spec,
    seed: int,
    num_frames: base.Length = gin.REQUIRED,
    base_depth: settings.Count = gin.REQUIRED,
    feature_size: settings.Count = gin.REQUIRED,
    jit_compile: bool = gin.REQUIRED,
  ):
    """Builds the encoder and, on top of it, SAC.

    Args:
      time_step_spec, action_spec, seed: see `base.Agent`; of the observations
        only 'pixels' is used, uint8 `[H, W, C]`.
      num_frames: T, how many images are stacked.
      base_depth: the number of filters of the encoder's first convolution.
      feature_size: the size of the encoder's output.
      jit_compile: whether XLA compiles the update.
    """
    time_step_spec = base.observing(time_step_spec, 'pixels')
    self._num_frames = num_frames
    height, width, channels = time_step_spec.observation['pixels'].shape
    self._encoder, self._target_encoder = (
      networks.Encoder(
        base_depth,
        feature_size,
        image_shape=(height, width, channels * num_frames),
      )
      for _ in range(2)
    )
    self._frame_stack = FrameStack(self._encoder, num_frames)
    super().__init__(
      time_step_spec,
      action_spec,
      seed,
      input_sizes=(feature_size, feature_size),
      window=num_frames,
      jit_compile=jit_compile,
    )

  def _make_policy(self, *specs, **seeded):
    seen = self._num_frames, self._frame_stack, tf.identity
    return policies.HistoryPolicy(*specs, *seen, self._actor, **seeded)

  def _see_episode(self, observation, actions):
    """Returns features, as the critics of `estimates` see no images."""
    length = self._num_frames
    windows, step_type = inputs.episode_windows(len(actions), length)
    pixels = tf.constant(observation['pixels'][windows])
    stacks = inputs.frame_stacks(pixels, step_type, length)
    features = self._encoder(stacks[:, 0])
    return features, features

  def _trained_modules(self):
    return {'encoder': [self._encoder], **super()._trained_modules()}

  @property
  def _critic_variables(self):
    return [*self._encoder.variables, *super()._critic_variables]

  @property
  def _target_variables(self):
    return [*self._target_encoder.variables, *super()._target_variables]

  def critic_loss(
    self, inputs, action, reward, discount, next_inputs, next_actor_inputs, seed
  ):
    """Eq. (8) and (9); inputs are stacks of images, `[B, H, W, T C]`."""
    return super().critic_loss(
      self._encoder(inputs),
      action,
      reward,
      discount,
      self._target_encoder(next_inputs),
      self._encoder(next_actor_inputs),
      seed,
    )

  def actor_loss(self, actor_inputs, critic_inputs, seed):
    """Eq. (10); inputs are the same stacks of images, `[B, H, W, T C]`."""
    del critic_inputs
    features = tf.stop_gradient(self._encoder(actor_inputs))
    return super().actor_loss(features, features, seed)

  def _see(self, experience):
    return inputs.frame_stacks(
      experience.observation['pixels'], experience.step_type, self._num_frames
    )


class FrameStack(tf.Module):
  """Lets `policies.HistoryPolicy` perceive through an encoder alone."""

  def __init__(self, encoder: networks.Encoder, num_frames: int):
    super().__init__()
    self._encoder = encoder
    self._num_frames = num_frames

  def perceive(self, observation, actions, step_type, seed) -> tf.Tensor:
    """Maps a history of n steps to features `[B, n - T + 1, F]`."""
    return self.recall(self.encode(observation), actions, step_type, seed)

  def encode(self, observation) -> tf.Tensor:
    """Returns what later steps need of observations: the images themselves."""
    return observation['pixels']

  def recall(self, pixels, actions, step_type, draw_seed) -> tf.Tensor:
    """Returns what `perceive` does; the encoder sees whole stacks alone."""
    del actions, draw_seed
    return self._encoder(
      inputs.frame_stacks(pixels, step_type, self._num_frames)
    )
