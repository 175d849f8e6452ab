"""The fast convolutions against TensorFlow's plain ones."""

import numpy as np
import pytest
import tensorflow as tf

from slac.models import convolutions

N, SIZE = 3, 6


def downsample(x, kernel, bias):
  return convolutions.downsample(x, kernel, bias, x.dtype)


def plain_downsample(x, kernel, bias):
  return tf.nn.leaky_relu(tf.nn.conv2d(x, kernel, 2, 'SAME') + bias, 0.2)


def plain_upsample_to_image(x, kernel, bias):
  shape = [x.shape[0], 2 * x.shape[1], 2 * x.shape[2], kernel.shape[2]]
  return tf.nn.conv2d_transpose(x, kernel, shape, 2, 'SAME') + bias


def plain_upsample(x, kernel, bias):
  return tf.nn.leaky_relu(plain_upsample_to_image(x, kernel, bias), 0.2)


# The function, its plain form, and [K, K, C, D] or [K, K, D, C].
CASES = [
  (downsample, plain_downsample, [5, 5, 3, 4]),
  (downsample, plain_downsample, [3, 3, 4, 5]),
  (convolutions.upsample, plain_upsample, [3, 3, 2, 5]),
  (convolutions.upsample_to_image, plain_upsample_to_image, [5, 5, 3, 4]),
]


def arguments(function, kernel_shape, seed=0):
  """x `[N, SIZE, SIZE + 2, C]`, not square, with its kernel and bias."""
  rng = np.random.default_rng(seed)
  down = function is downsample
  channels, filters = kernel_shape[2:] if down else kernel_shape[:1:-1]
  arrays = (
    rng.normal(size=[N, SIZE, SIZE + 2, channels]),
    rng.normal(size=kernel_shape) / 5,
    rng.normal(size=[filters]),
  )
  return [tf.constant(array, tf.float32) for array in arrays]


def value_and_gradients(function, x, kernel, bias):
  """The value and the gradients of a random projection of it."""
  with tf.GradientTape() as tape:
    tape.watch([x, kernel, bias])
    y = function(x, kernel, bias)
    weights = np.random.default_rng(1).normal(size=y.shape)
    loss = tf.reduce_sum(tf.cast(y, tf.float32) * weights)
  return y, *tape.gradient(loss, [x, kernel, bias])


@pytest.mark.parametrize('compiled', [False, True])
@pytest.mark.parametrize(('fast', 'plain', 'shape'), CASES)
def test_float32_equals_the_plain_form(fast, plain, shape, compiled):
  x, kernel, bias = arguments(fast, shape)
  expected = value_and_gradients(plain, x, kernel, bias)

  def call():
    return value_and_gradients(fast, x, kernel, bias)

  values = tf.function(call)() if compiled else call()
  for value, other in zip(values, expected, strict=True):
    assert value.dtype == tf.float32
    np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(('fast', 'plain', 'shape'), CASES)
def test_bfloat16_equals_the_plain_form_but_for_rounding(fast, plain, shape):
  x, kernel, bias = arguments(fast, shape)
  x = tf.cast(x, tf.bfloat16)
  kernel = tf.cast(tf.cast(kernel, tf.bfloat16), tf.float32)
  expected = value_and_gradients(plain, tf.cast(x, tf.float32), kernel, bias)
  values = value_and_gradients(fast, x, kernel, bias)
  is_image = fast is convolutions.upsample_to_image
  types = [tf.float32 if is_image else tf.bfloat16, tf.bfloat16]
  types += [tf.float32, tf.float32]  # Of the kernel and the bias.
  for value, other, dtype in zip(values, expected, types, strict=True):
    assert value.dtype == dtype
    error = np.linalg.norm(tf.cast(value, tf.float32) - other)
    assert error < 0.01 * np.linalg.norm(other)


@pytest.mark.parametrize(('fast', 'plain', 'shape'), CASES)
def test_bfloat16_sums_gradients_of_parameters_in_float32(fast, plain, shape):
  del plain
  x, kernel, bias = arguments(fast, shape)
  x = tf.ones([600, 4, 4, x.shape[-1]], tf.bfloat16)
  with tf.GradientTape() as tape:
    kernel, bias = tf.ones_like(kernel), tf.ones_like(bias)
    tape.watch([kernel, bias])
    # Positive: leaky ReLU is the identity.
    loss = tf.reduce_sum(tf.cast(fast(x, kernel, bias), tf.float32))
  of_kernel, of_bias = tape.gradient(loss, [kernel, bias])
  # Every pixel of the smaller map meets the kernel's middle, every pixel of
  # the output the bias. A sum in bfloat16 would stand still at 256.
  down = fast is downsample
  pixels = 600 * (2 * 2 if down else 4 * 4)
  middle = kernel.shape[0] // 2
  np.testing.assert_array_equal(of_kernel[middle, middle], pixels)
  np.testing.assert_array_equal(of_bias, 600 * (2 * 2 if down else 8 * 8))


@pytest.mark.parametrize(('fast', 'plain', 'shape'), CASES)
def test_any_batch_size_goes_through_one_trace(fast, plain, shape):
  x, kernel, bias = arguments(fast, shape)

  @tf.function(input_signature=[tf.TensorSpec([None, *x.shape[1:]])])
  def call(x):
    return fast(x, kernel, bias)

  expected = plain(x, kernel, bias)
  for n in (1, N):
    np.testing.assert_allclose(call(x[:n]), expected[:n], rtol=1e-4, atol=1e-4)
