"""The base of every latent variable model: inference, imagination, the ELBO."""

import abc
from collections.abc import Callable, Mapping

import gin
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from slac.config import settings
from slac.models import evidence, latents, networks, observation_model
from slac.models import proprioception as proprioceptions


@gin.configurable
class LatentModel(observation_model.ObservationModel, abc.ABC):
  """A sequential latent variable model of images and rewards (Sec. 4).

  A variant defines the latent state, a structure of tensors `[B, ...]`, by the
  distributions of its first step and of every later step, under the prior and
  under the filtering posterior. Here they are unrolled over time, started
  afresh where an episode begins, and scored by the ELBO.
  """

  def __init__(
    self,
    action_size: int,
    observation_spec: Mapping[str, tf.TensorSpec],
    latent1_size: settings.Count = gin.REQUIRED,
    latent2_size: settings.Count = gin.REQUIRED,
    hidden_size: settings.Count = gin.REQUIRED,
    base_depth: settings.Count = gin.REQUIRED,
    feature_size: settings.Count = gin.REQUIRED,
    decoder_variance: settings.Positive = gin.REQUIRED,
    predict_discount: bool = gin.REQUIRED,
    compute_dtype: settings.ComputeDtype = gin.REQUIRED,
    proprioception: Callable[..., proprioceptions.Proprioception] | None = None,
  ):
    """Builds what every variant has.

    Args:
      action_size: the size of the action vector.
      observation_spec: what there is to be observed: 'pixels', uint8
        `[H, W, C]`, and for `proprioception` a 'state', float `[D]`.
      latent1_size: the size of z1, in variants that have two latents.
      latent2_size: the size of z2, or of a variant's only latent.
      hidden_size: the size of the two hidden layers of each MLP.
      base_depth: the number of filters of the encoder's first convolution.
      feature_size: the size of the encoder's output.
      decoder_variance: sigma^2, the variance of every pixel.
      predict_discount: whether p(discount_t | z_{t+1}) is part of the model.
      compute_dtype: the data type of convolutions where rounding does no harm:
        in the encoder without a gradient, in all layers of the decoder but the
        last, and of gradients at hidden layers. All else is float32, parameters
        and their gradients too, but for that of the decoder's first kernel.
      proprioception: a class that adds the state vector to what is modelled;
        by default images are all.

    Raises:
      errors.UserError: what is to be modelled cannot be observed.
    """
    self.action_size = action_size
    self.latent1_size = latent1_size
    self.latent2_size = latent2_size
    self.hidden_size = hidden_size
    z = self.latent_size
    super().__init__(
      observation_spec,
      z,
      hidden_size,
      base_depth,
      feature_size,
      decoder_variance,
      compute_dtype,
      proprioception,
    )
    self.reward = networks.GaussianMLP(z + action_size + z, hidden_size, 1)
    self.discount = predict_discount and networks.BernoulliMLP(z, hidden_size)

  @property
  @abc.abstractmethod
  def latent_size(self) -> int:
    """The size of the sample z; it is asked for before the networks exist."""

  @abc.abstractmethod
  def first_prior(self, batch_shape, seed):
    """Returns a state of p(z_1), of the given batch shape."""

  @abc.abstractmethod
  def prior_step(self, state, action, seed):
    """Returns a state of p(z_{t+1} | z_t, a_t)."""

  @abc.abstractmethod
  def first_posterior(self, feature, seed):
    """Returns states of q(z_1 | x_1), of any batch shape."""

  @abc.abstractmethod
  def posterior_step(self, state, action, feature, seed):
    """Returns a state of q(z_{t+1} | x_{t+1}, z_t, a_t)."""

  @abc.abstractmethod
  def kl(self, posterior, prior) -> tf.Tensor:
    """Returns KL(q || p) of two structures of states, summed over latents."""

  @abc.abstractmethod
  def latent(self, state) -> tf.Tensor:
    """Returns the sample z of a state, `[..., latent_size]`."""

  def sum_kl(self, posterior, prior, is_first) -> tf.Tensor:
    """Returns the KL of a sequence, `[B]`.

    Args:
      posterior: states, a structure of `[B, n, ...]`.
      prior: states.
      is_first: bool `[B, n]`, where the prior is that of a first step.
    """
    del is_first
    return tf.reduce_sum(self.kl(posterior, prior), axis=1)

  def infer(self, features, actions, step_type, seed):
    """Samples z_{1:n} from the filtering posterior.

    Args:
      features: `[B, n, F]`, see `encode`.
      actions: `[B, n, A]`; the last is not used.
      step_type: `[B, n]`; where it is FIRST the state starts afresh.
      seed: a stateless seed, `[2]`.

    Returns:
      States, a structure of `[B, n, ...]`.
    """
    # All steps are also inferred as first ones: only the data tell which are.
    fresh_seed, seed = latents.split_seed(seed)
    fresh = self.first_posterior(features, fresh_seed)
    first = step_type == ts.StepType.FIRST
    states = [latents.step(fresh, 0)]
    seeds = latents.split_seed(seed, step_type.shape[1] - 1)
    for t, step_seed in enumerate(seeds, start=1):
      state = self.posterior_step(
        states[-1], actions[:, t - 1], features[:, t], step_seed
      )
      states.append(latents.where(first[:, t], latents.step(fresh, t), state))
    return latents.stack(states)

  def prior(self, states, actions, step_type, seed):
    """Returns p(z_t | z_{t-1}, a_{t-1}) at the posterior's own z_{t-1}.

    Args:
      states: the posterior's, a structure of `[B, n, ...]`.
      actions: `[B, n, A]`; the last is not used.
      step_type: `[B, n]`; where it is FIRST the prior is that of a first step.
      seed: a stateless seed, `[2]`.

    Returns:
      States, a structure of `[B, n, ...]`.
    """
    first_seed, step_seed = latents.split_seed(seed)
    first = self.first_prior(tf.shape(step_type), first_seed)
    previous = tf.nest.map_structure(lambda x: x[:, :-1], states)
    later = self.prior_step(previous, actions[:, :-1], step_seed)
    later = tf.nest.map_structure(
      lambda f, s: tf.concat([f[:, :1], s], axis=1), first, later
    )
    return latents.where(_is_first(step_type), first, later)

  def imagine(self, state, actions, seed):
    """Unrolls the prior from a state over actions `[B, n, A]`.

    Returns:
      n + 1 states, the given one first, a structure of `[B, n + 1, ...]`.
    """
    states = [state]
    for t, step_seed in enumerate(latents.split_seed(seed, actions.shape[1])):
      states.append(self.prior_step(states[-1], actions[:, t], step_seed))
    return latents.stack(states)

  def loss(self, states, experience, seed):
    """The negative ELBO of Eq. (7), a mean over the batch.

    Args:
      states: z_{1:T+1} of the filtering posterior (see `infer`).
      experience: a Trajectory of `[B, T + 1, ...]`.
      seed: a stateless seed, `[2]`, for samples of the prior; the loss of a
        model with an analytic KL does not depend on them.

    Returns:
      The loss and a dict of scalar metrics.
    """
    prior = self.prior(states, experience.action, experience.step_type, seed)
    kl = self.sum_kl(states, prior, _is_first(experience.step_type))

    z = self.latent(states)
    log_p_images, image_metrics = self.log_p_images(z, experience.observation)
    log_p_images = tf.reduce_sum(log_p_images, axis=1)

    p_reward = self.reward(
      tf.concat([z[:, :-1], experience.action[:, :-1], z[:, 1:]], -1)
    )
    reward = experience.reward[:, :-1]
    # No transition leads from an episode's last step to the next one's first.
    valid = ~evidence.joins_episodes(experience.step_type)
    log_p_reward = p_reward.log_prob(reward[..., tf.newaxis])
    log_p_reward = tf.reduce_sum(tf.where(valid, log_p_reward, 0.0), axis=1)

    elbo = tf.reduce_mean(log_p_images + log_p_reward - kl)
    optional_metrics = {}
    if self.discount:
      log_p_discount = self.discount(z[:, 1:]).log_prob(
        experience.discount[:, :-1]
      )
      log_p_discount = tf.reduce_mean(
        tf.reduce_sum(tf.where(valid, log_p_discount, 0.0), axis=1)
      )
      elbo += log_p_discount
      optional_metrics['model/log_p_discounts'] = log_p_discount
    if self.proprioception:
      log_p_states, state_metrics = self.proprioception.log_p_states(
        z, experience.observation['state']
      )
      log_p_states = tf.reduce_mean(tf.reduce_sum(log_p_states, axis=1))
      elbo += log_p_states
      optional_metrics |= {'model/log_p_states': log_p_states, **state_metrics}
    reward_error = tf.square(reward - tf.squeeze(p_reward.mean(), -1))
    return -elbo, {
      'model/elbo': elbo,
      'model/kl': tf.reduce_mean(kl),
      'model/log_p_images': tf.reduce_mean(log_p_images),
      'model/log_p_rewards': tf.reduce_mean(log_p_reward),
      **optional_metrics,
      **image_metrics,
      'model/squared_error_of_reward': tf.math.divide_no_nan(
        tf.reduce_sum(tf.where(valid, reward_error, 0.0)),
        tf.reduce_sum(tf.cast(valid, tf.float32)),
      ),
    }

  def perceive(
    self, observation, actions, step_type, seed
  ) -> evidence.Evidence:
    """Returns what actor and critics may see of n steps, `[B, n, ...]`.

    The result is not to be differentiated.
    """
    features = self.encode_in_turn(observation)
    states = self.infer(features, actions, step_type, seed)
    return evidence.Evidence(features, actions, step_type, self.latent(states))

  def recall(self, features, actions, step_type, draw_seed):
    """Returns what `perceive` does, of steps that are encoded already."""
    steps = features, actions, step_type
    return evidence.LazyEvidence(self, *steps, draw_seed)

  @tf.function(autograph=False)
  def dream(self, observation, actions, seed) -> tf.Tensor:
    """The four rows of Fig. 14, for steps of one episode and its actions.

    Args:
      observation: a dict of what is modelled, `[B, n, ...]`.
      actions: `[B, n, A]`.
      seed: a stateless seed, `[2]`.

    Returns:
      uint8 `[4, B, n, H, W, C]`: the images themselves; their posterior
      reconstruction; generated from the first image (posterior at step 1, prior
      after); generated from the prior alone.
    """
    seeds = latents.split_seed(seed, 4)
    pixels = observation['pixels']
    batch_size, length = pixels.shape[:2]
    step_type = tf.fill([batch_size, length], ts.StepType.MID)
    features = self.encode(observation)
    posterior = self.infer(features, actions, step_type, seeds[0])
    rows = [
      posterior,
      self.imagine(latents.step(posterior, 0), actions[:, :-1], seeds[1]),
      self.imagine(
        self.first_prior([batch_size], seeds[2]), actions[:, :-1], seeds[3]
      ),
    ]
    images = self.decoder(tf.stack([self.latent(row) for row in rows]))
    return tf.concat([pixels[tf.newaxis], networks.to_pixels(images)], axis=0)


def _is_first(step_type):
  """Tells which steps of `[B, n]` have the distributions of a first step.

  A sequence's own first step is one of them, wherever it lies in its episode.
  """
  first = step_type == ts.StepType.FIRST
  return tf.concat([tf.ones_like(first[:, :1]), first[:, 1:]], axis=1)
