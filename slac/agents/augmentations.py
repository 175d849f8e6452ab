"""Variations of the images that the encoder is trained on."""

import gin
import tensorflow as tf

PADDING = 4


@gin.configurable
def no_augmentation(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
  """Returns the images as they are."""
  del seed
  return pixels


@gin.configurable
def random_crop(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
  """Moves each sequence by up to 4 pixels, and repeats the border (App. D).

  This equals padding by replication and then cropping to the former size, alike
  for all images of a sequence.

  Args:
    pixels: `[B, n, height, width, C]`.
    seed: a stateless seed, `[2]`.
  """
  shape = [tf.shape(pixels)[0], 2]
  shifts = tf.random.stateless_uniform(
    shape, seed, -PADDING, PADDING + 1, tf.int32
  )
  for i, axis in enumerate((2, 3)):
    size = pixels.shape[axis]
    index = tf.range(size) + shifts[:, i, tf.newaxis]
    index = tf.clip_by_value(index, 0, size - 1)
    pixels = tf.gather(pixels, index, axis=axis, batch_dims=1)
  return pixels
