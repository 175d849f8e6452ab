"""Networks of the model, the actor and the critics (App. B and C)."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions
tfb = tfp.bijectors

STDDEV_GRADIENT_LIMIT = 10.0
# Keeps a density finite whose data leave no spread, such as a reward that has
# been zero so far.
MIN_STDDEV = 1e-5
# Of the actor's log standard deviation, as in the SAC paper.
LOG_STDDEV_RANGE = (-20.0, 2.0)


@tf.custom_gradient
def clip_gradient(x):
  """Returns x; clips its gradient element-wise to [-10, 10]."""
  limit = STDDEV_GRADIENT_LIMIT
  return tf.identity(x), lambda dy: tf.clip_by_value(dy, -limit, limit)


def mlp(input_size, hidden_size, output_size, activation):
  """Returns a built stack of two dense layers and a linear output layer."""
  network = tf.keras.Sequential(
    [
      tf.keras.layers.Dense(hidden_size, activation),
      tf.keras.layers.Dense(hidden_size, activation),
      tf.keras.layers.Dense(output_size),
    ]
  )
  network.build([None, input_size])
  return network


class GaussianMLP(tf.Module):
  """A diagonal Gaussian whose mean and standard deviation are an MLP's.

  The gradient at the standard deviation before its softplus is clipped
  (App. B).
  """

  def __init__(self, input_size: int, hidden_size: int, output_size: int):
    super().__init__()
    self._mlp = mlp(input_size, hidden_size, 2 * output_size, tf.nn.leaky_relu)

  def __call__(self, *inputs: tf.Tensor) -> tfd.Distribution:
    """Maps inputs `[..., D_i]` to a distribution over `[..., output_size]`."""
    mean, raw = tf.split(self._mlp(tf.concat(inputs, -1)), 2, axis=-1)
    stddev = tf.nn.softplus(clip_gradient(raw)) + MIN_STDDEV
    return tfd.Independent(tfd.Normal(mean, stddev), 1)


def _glorot(*kernel_shape):
  """Glorot-uniform, with the fans of a convolution with that kernel shape.

  A layer that is a convolution in the paper and a dense layer here starts from
  the convolution's distribution.
  """
  *window, fan_in, fan_out = kernel_shape
  limit = np.sqrt(6 / (np.prod(window) * (fan_in + fan_out)))
  return tf.keras.initializers.RandomUniform(-limit, limit)


class Encoder(tf.Module):
  """Maps an image to its feature vector (App. B)."""

  def __init__(self, base_depth: int, feature_size: int):
    super().__init__()
    self.feature_size = feature_size

    def conv(multiple, kernel_size):
      return tf.keras.layers.Conv2D(
        multiple * base_depth,
        kernel_size,
        2,
        'same',
        activation=tf.nn.leaky_relu,
      )

    self._network = tf.keras.Sequential(
      [
        conv(1, 5),
        conv(2, 3),
        conv(4, 3),
        conv(8, 3),
        tf.keras.layers.Flatten(),
        # The 4x4 VALID convolution on a 4x4 map, as a dense layer.
        tf.keras.layers.Dense(
          feature_size,
          tf.nn.leaky_relu,
          kernel_initializer=_glorot(4, 4, 8 * base_depth, feature_size),
        ),
      ]
    )
    self._network.build([None, 64, 64, 3])

  def __call__(self, pixels: tf.Tensor) -> tf.Tensor:
    """Maps uint8 pixels `[..., 64, 64, 3]` to features `[..., F]`."""
    batch_shape = tf.shape(pixels)[:-3]
    images = tf.reshape(to_float(pixels), [-1, 64, 64, 3])
    features = self._network(images)
    return _restore_batch(features, batch_shape, pixels.shape[:-3])


class Decoder(tf.Module):
  """Maps a latent state to the mean of its image (App. B)."""

  def __init__(self, latent_size: int, base_depth: int):
    super().__init__()
    depth = 8 * base_depth
    # The 4x4 VALID transposed convolution on a 1x1 map, as a matrix product.
    self._kernel = tf.Variable(
      _glorot(4, 4, latent_size, depth)([latent_size, 4 * 4 * depth]),
      name='kernel',
    )
    self._bias = tf.Variable(tf.zeros([depth]), name='bias')

    def deconv(filters, kernel_size, activation=tf.nn.leaky_relu):
      return tf.keras.layers.Conv2DTranspose(
        filters, kernel_size, 2, 'same', activation=activation
      )

    self._network = tf.keras.Sequential(
      [
        deconv(4 * base_depth, 3),
        deconv(2 * base_depth, 3),
        deconv(base_depth, 3),
        deconv(3, 5, activation=None),
      ]
    )
    self._network.build([None, 4, 4, depth])

  def __call__(self, latent: tf.Tensor) -> tf.Tensor:
    """Maps latents `[..., latent_size]` to image means `[..., 64, 64, 3]`."""
    batch_shape = tf.shape(latent)[:-1]
    x = tf.reshape(latent, [-1, latent.shape[-1]]) @ self._kernel
    x = tf.reshape(x, [-1, 4, 4, self._bias.shape[0]])
    images = self._network(tf.nn.leaky_relu(x + self._bias))
    return _restore_batch(images, batch_shape, latent.shape[:-1])


class TanhGaussianActor(tf.Module):
  """The policy pi(a | input): a diagonal Gaussian squashed by tanh (App. C)."""

  def __init__(
    self,
    input_size: int,
    action_size: int,
    hidden_size: int,
    stddev_scale: float,
  ):
    super().__init__()
    self._stddev_scale = stddev_scale
    self._mlp = mlp(input_size, hidden_size, 2 * action_size, tf.nn.relu)

  def __call__(self, inputs: tf.Tensor) -> tfd.TransformedDistribution:
    """Maps inputs `[..., D]` to a distribution over actions in (-1, 1)."""
    mean, log_stddev = tf.split(self._mlp(inputs), 2, axis=-1)
    log_stddev = tf.clip_by_value(log_stddev, *LOG_STDDEV_RANGE)
    stddev = self._stddev_scale * tf.exp(log_stddev)
    return tfd.TransformedDistribution(
      tfd.MultivariateNormalDiag(mean, stddev), tfb.Tanh()
    )


class Critic(tf.Module):
  """The action value Q(input, a) (App. C)."""

  def __init__(self, input_size: int, action_size: int, hidden_size: int):
    super().__init__()
    self._mlp = mlp(input_size + action_size, hidden_size, 1, tf.nn.relu)

  def __call__(self, inputs: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    """Maps inputs `[B, D]` and actions `[B, A]` to values `[B]`."""
    return tf.squeeze(self._mlp(tf.concat([inputs, action], -1)), -1)


def to_float(pixels: tf.Tensor) -> tf.Tensor:
  """Maps uint8 pixels to float32 in [0, 1]."""
  return tf.cast(pixels, tf.float32) / 255.0


def num_parameters(module: tf.Module) -> int:
  """Returns the number of trainable parameters of a module."""
  return sum(int(np.prod(v.shape)) for v in module.trainable_variables)


def _restore_batch(x, batch_shape, static_batch_shape):
  shape = tf.concat([batch_shape, tf.shape(x)[1:]], 0)
  x_shape = x.shape[1:]
  x = tf.reshape(x, shape)
  return tf.ensure_shape(x, static_batch_shape + x_shape)
