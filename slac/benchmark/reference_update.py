"""The gradient step as the authors' code organises it, for the benchmark.

The same losses of the same batch, without what makes ours fast: all is float32,
the encoder is differentiated for all sequences though only the first few have a
model loss, 4x4 convolutions are convolutions, and imagined sequences are
decoded in every step.
"""

import gin
import tensorflow as tf
from tf_agents.agents import tf_agent

from slac.agents import slac_agent
from slac.models import evidence, latents, networks, slac_model

layers = tf.keras.layers


class Encoder(tf.Module):
  """`networks.Encoder` out of Keras layers."""

  def __init__(self, base_depth: int, feature_size: int, image_shape):
    super().__init__()
    self.feature_size = feature_size
    self._image_shape = image_shape
    sizes = [(1, 5), (2, 3), (4, 3), (8, 3)]
    self._network = tf.keras.Sequential(
      [
        *(
          layers.Conv2D(m * base_depth, k, 2, 'same', activation='leaky_relu')
          for m, k in sizes
        ),
        layers.Conv2D(
          feature_size, networks.map_size(image_shape), activation='leaky_relu'
        ),
      ]
    )
    self._network.build([None, *image_shape])

  def __call__(self, pixels, dtype=tf.float32):
    del dtype  # All is float32.
    images = tf.reshape(networks.to_float(pixels), [-1, *self._image_shape])
    shape = [*pixels.shape[:-3], self.feature_size]
    return tf.reshape(self._network(images), shape)


class Decoder(tf.Module):
  """`networks.Decoder` out of Keras layers."""

  def __init__(self, latent_size: int, base_depth: int, image_shape):
    super().__init__()
    self._image_shape = image_shape
    sizes = [(4, 3), (2, 3), (1, 3)]
    first = layers.Conv2DTranspose(
      8 * base_depth, networks.map_size(image_shape), activation='leaky_relu'
    )
    self._network = tf.keras.Sequential(
      [
        first,
        *(
          layers.Conv2DTranspose(
            m * base_depth, k, 2, 'same', activation='leaky_relu'
          )
          for m, k in sizes
        ),
        layers.Conv2DTranspose(image_shape[-1], 5, 2, 'same'),
      ]
    )
    self._network.build([None, 1, 1, latent_size])

  def __call__(self, latent):
    x = tf.reshape(latent, [-1, 1, 1, latent.shape[-1]])
    images = self._network(x)
    return tf.reshape(images, [*latent.shape[:-1], *self._image_shape])


class ReferenceModel(slac_model.SlacModel):
  """SlacModel with these networks."""

  def __init__(self, action_size: int, observation_spec):
    super().__init__(
      action_size, observation_spec=observation_spec, compute_dtype='float32'
    )
    base_depth = gin.query_parameter('LatentModel.base_depth')
    shape = tuple(observation_spec['pixels'].shape)
    self.encoder = Encoder(base_depth, self.encoder.feature_size, shape)
    self.decoder = Decoder(self.latent_size, base_depth, shape)


class ReferenceAgent(slac_agent.SlacAgent):
  """SlacAgent with this update."""

  def __init__(self, time_step_spec, action_spec, seed: int):
    super().__init__(time_step_spec, action_spec, seed, model=ReferenceModel)

  def _train(self, experience, weights=None):
    del weights
    posterior_seed, prior_seed, dream_seed, *seeds = self._draw_seeds(5)
    model, n = self._model, self._model_batch_size
    with tf.GradientTape() as tape:
      features = model.encode(experience.observation)
      states = model.infer(
        features, experience.action, experience.step_type, posterior_seed
      )
      head, _ = slac_agent.split(experience, n)
      head_states, _ = slac_agent.split(states, n)
      model_loss, metrics = model.loss(head_states, head, prior_seed)
    gradients = tape.gradient(model_loss, model.trainable_variables)
    metrics['model/dream'] = self._dream(head, head_states, dream_seed)
    seen = evidence.Evidence(
      features, experience.action, experience.step_type, model.latent(states)
    )
    loss, sac_gradients, sac_metrics = self._sac_gradients(
      seen, experience, seeds
    )
    self._apply_model(gradients, self._model_learning_rate)
    self.apply(sac_gradients)
    return tf_agent.LossInfo(loss + model_loss, {**metrics, **sac_metrics})

  def _dream(self, experience, states, seed):
    """Decodes what is imagined from the first image, and from nothing."""
    model = self._model
    actions = experience.action[:, :-1]
    seeds = latents.split_seed(seed)
    first = latents.step(states, 0)
    prior = model.first_prior([self._model_batch_size], seeds[0])
    imagined = [
      model.latent(model.imagine(state, actions, seeds[1]))
      for state in (first, prior)
    ]
    return tf.reduce_mean(model.decoder(tf.stack(imagined)))
