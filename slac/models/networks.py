"""Networks of the models (App. B), and the MLP that SAC is built of, too."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from slac.installation import loading
from slac.models import convolutions

STDDEV_GRADIENT_LIMIT = 10.0
# Keeps densities finite where the data do not vary, as a reward may that has
# been zero so far.
MIN_STDDEV = 1e-5
# Height, width and channels of the paper's images.
IMAGE_SHAPE = (64, 64, 3)
# Four layers of stride 2 lie between an image and the smallest map.
STRIDE = 16


@tf.custom_gradient
def clip_gradient(x):
  """Returns x; clips its gradient element-wise to [-10, 10]."""
  limit = STDDEV_GRADIENT_LIMIT
  return tf.identity(x), lambda dy: tf.clip_by_value(dy, -limit, limit)


def mlp(input_size, hidden_size, output_size, activation):
  """Returns a built stack of two dense layers and a linear output layer."""
  loading.check_keras()
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


class PointMLP(tf.Module):
  """An MLP's output as a Gaussian without deviation, whose sample it is."""

  def __init__(self, input_size: int, hidden_size: int, output_size: int):
    super().__init__()
    self._mlp = mlp(input_size, hidden_size, output_size, tf.nn.leaky_relu)

  def __call__(self, *inputs: tf.Tensor) -> tfd.Distribution:
    """Maps inputs `[..., D_i]` to a distribution over `[..., output_size]`."""
    mean = self._mlp(tf.concat(inputs, -1))
    return tfd.Independent(tfd.Normal(mean, tf.zeros_like(mean)), 1)


class BernoulliMLP(tf.Module):
  """A Bernoulli distribution whose logit is an MLP's output."""

  def __init__(self, input_size: int, hidden_size: int):
    super().__init__()
    self._mlp = mlp(input_size, hidden_size, 1, tf.nn.leaky_relu)

  def __call__(self, inputs: tf.Tensor) -> tfd.Distribution:
    """Maps inputs `[..., D]` to a distribution over 0 and 1, `[...]`."""
    return tfd.Bernoulli(logits=tf.squeeze(self._mlp(inputs), -1))


class Weights(tf.Module):
  """Kernel and bias of a convolution, or of a dense layer in its place."""

  def __init__(self, kernel_shape, bias_size: int, dense_shape=None):
    """Draws the kernel from Glorot's uniform distribution.

    Args:
      kernel_shape: the convolution's `[K, K, C, D]`, which decides the
        distribution.
      bias_size: D, or C where the convolution is transposed.
      dense_shape: `[rows, columns]` of the matrix that replaces the kernel
        where the map is no larger than the kernel.
    """
    super().__init__()
    limit = np.sqrt(6 / (np.prod(kernel_shape[:2]) * sum(kernel_shape[2:])))
    uniform = tf.keras.initializers.RandomUniform(-limit, limit)
    self.kernel = tf.Variable(
      uniform(dense_shape or kernel_shape), name='kernel'
    )
    self.bias = tf.Variable(tf.zeros([bias_size]), name='bias')

  def dense(self, x, dtype) -> tf.Tensor:
    """Multiplies in a data type; returns float32, without the bias."""
    y = tf.matmul(tf.cast(x, dtype), tf.cast(self.kernel, dtype))
    return tf.cast(y, tf.float32)


class Encoder(tf.Module):
  """Maps an image to its feature vector (App. B)."""

  def __init__(
    self,
    base_depth: int,
    feature_size: int,
    gradient_dtype=tf.float32,
    image_shape: Sequence[int] = IMAGE_SHAPE,
  ):
    """Builds the layers.

    Args:
      base_depth: the number of filters of the first layer.
      feature_size: F, the size of a feature vector.
      gradient_dtype: the data type of gradients at hidden layers.
      image_shape: `[H, W, C]`; H and W are multiples of 16, and C is larger
        where images are stacked.
    """
    super().__init__()
    self.feature_size = feature_size
    self._gradient_dtype = gradient_dtype
    self._image_shape = tuple(image_shape)
    *_, channels = image_shape
    h, w = map_size(image_shape)
    d = base_depth
    self._layers = [
      Weights([5, 5, channels, d], d),
      Weights([3, 3, d, 2 * d], 2 * d),
      Weights([3, 3, 2 * d, 4 * d], 4 * d),
      Weights([3, 3, 4 * d, 8 * d], 8 * d),
      # A VALID convolution of the whole map, 4x4 in the paper.
      Weights(
        [h, w, 8 * d, feature_size],
        feature_size,
        [h * w * 8 * d, feature_size],
      ),
    ]

  def __call__(self, pixels: tf.Tensor, dtype=tf.float32) -> tf.Tensor:
    """Maps uint8 pixels to features.

    Args:
      pixels: `[..., H, W, C]`.
      dtype: the data type that the layers compute in.

    Returns:
      float32 `[..., F]`.
    """
    batch_shape = tf.shape(pixels)[:-3]
    x = tf.reshape(to_float(pixels, dtype), [-1, *self._image_shape])
    *strided, last = self._layers
    for layer in strided:
      x = convolutions.downsample(
        x, layer.kernel, layer.bias, self._gradient_dtype
      )
    x = last.dense(tf.reshape(x, [-1, last.kernel.shape[0]]), dtype)
    features = tf.nn.leaky_relu(x + last.bias)
    return _restore_batch(features, batch_shape, pixels.shape[:-3])


class Decoder(tf.Module):
  """Maps a latent state to the mean of its image (App. B)."""

  def __init__(
    self,
    latent_size: int,
    base_depth: int,
    dtype=tf.float32,
    image_shape: Sequence[int] = IMAGE_SHAPE,
  ):
    """Builds the layers, for images `[H, W, C]`.

    All layers but the last compute in `dtype`.
    """
    super().__init__()
    self._dtype = dtype
    *_, channels = image_shape
    self._map_size = h, w = map_size(image_shape)
    d = base_depth
    self._layers = [
      # A VALID transposed convolution of a 1x1 map, 4x4 in the paper.
      Weights([h, w, 8 * d, latent_size], 8 * d, [latent_size, h * w * 8 * d]),
      Weights([3, 3, 4 * d, 8 * d], 4 * d),
      Weights([3, 3, 2 * d, 4 * d], 2 * d),
      Weights([3, 3, d, 2 * d], d),
      Weights([5, 5, channels, d], channels),
    ]

  def __call__(self, latent: tf.Tensor) -> tf.Tensor:
    """Maps latents `[..., latent_size]` to image means `[..., H, W, C]`."""
    batch_shape = tf.shape(latent)[:-1]
    first, *strided, last = self._layers
    x = first.dense(tf.reshape(latent, [-1, latent.shape[-1]]), self._dtype)
    x = tf.nn.leaky_relu(
      tf.reshape(x, [-1, *self._map_size, *first.bias.shape]) + first.bias
    )
    x = tf.cast(x, self._dtype)
    for layer in strided:
      x = convolutions.upsample(x, layer.kernel, layer.bias)
    images = convolutions.upsample_to_image(x, last.kernel, last.bias)
    return _restore_batch(images, batch_shape, latent.shape[:-1])


def map_size(image_shape: Sequence[int]) -> tuple[int, int]:
  """Returns height and width of the smallest map of an image `[H, W, C]`."""
  height, width, _ = image_shape
  return height // STRIDE, width // STRIDE


def to_float(pixels: tf.Tensor, dtype=tf.float32) -> tf.Tensor:
  """Maps uint8 pixels to floats in [0, 1]."""
  return tf.cast(pixels, dtype) / 255.0


def to_pixels(images: tf.Tensor) -> tf.Tensor:
  """Maps floats in [0, 1], or beyond, to the nearest uint8 pixels."""
  return tf.saturate_cast(tf.round(255.0 * images), tf.uint8)


def num_parameters(module: tf.Module) -> int:
  """Returns the number of trainable parameters of a module."""
  return sum(int(np.prod(v.shape)) for v in module.trainable_variables)


def _restore_batch(x, batch_shape, static_batch_shape):
  shape = tf.concat([batch_shape, tf.shape(x)[1:]], 0)
  x_shape = x.shape[1:]
  x = tf.reshape(x, shape)
  return tf.ensure_shape(x, static_batch_shape + x_shape)
