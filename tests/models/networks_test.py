"""The networks against the paper's tables and formulas by hand."""

import numpy as np
import pytest
import tensorflow as tf

from slac.models import networks
from tests import tiny


def layers_of(network):
  """The [kernel, bias] pairs of encoder or decoder, in their order."""
  layers = [m for m in network.submodules if isinstance(m, networks.Weights)]
  return [(layer.kernel, layer.bias) for layer in layers]


def convolution(x, kernel, bias, window):
  """A layer of the encoder: of a stride of 2, or VALID on a 4x4 map."""
  if window == 4:
    kernel = tf.reshape(kernel, [4, 4, x.shape[-1], -1])
    x = tf.nn.conv2d(x, kernel, 1, 'VALID')
  else:
    x = tf.nn.conv2d(x, kernel, 2, 'SAME')
  return tf.nn.leaky_relu(x + bias, 0.2)


def deconvolution(x, kernel, bias, window, linear=False):
  """A layer of the decoder: of a stride of 2, or VALID on a 1x1 map."""
  if window == 'first':
    # From [in, 4 * 4 * out] to [4, 4, out, in].
    kernel = tf.reshape(tf.transpose(kernel), [4, 4, bias.shape[0], -1])
    shape, stride, padding = [1, 4, 4, bias.shape[0]], 1, 'VALID'
  else:
    n, height, width, _ = x.shape
    shape = [n, 2 * height, 2 * width, bias.shape[0]]
    stride, padding = 2, 'SAME'
  x = tf.nn.conv2d_transpose(x, kernel, shape, stride, padding) + bias
  return x if linear else tf.nn.leaky_relu(x, 0.2)


def test_pixels_become_floats_from_0_to_1():
  values = networks.to_float(tf.constant([0, 51, 255], tf.uint8))
  np.testing.assert_allclose(values, [0.0, 0.2, 1.0], rtol=1e-6)


def test_gradient_is_clipped_element_wise_and_the_value_is_not():
  x = tf.constant([-300.0, 2.0, 0.5, 700.0])
  with tf.GradientTape() as tape:
    tape.watch(x)
    y = networks.clip_gradient(x)
    loss = tf.reduce_sum(y * [-25.0, -10.0, 3.0, 10.5])
  np.testing.assert_array_equal(y, x)
  np.testing.assert_array_equal(tape.gradient(loss, x), [-10, -10, 3, 10])


def test_gaussian_head_is_two_leaky_layers_mean_and_softplus():
  head = tiny.shake(networks.GaussianMLP(5, 4, 2))
  x = np.random.default_rng(0).normal(size=[2, 3, 5]).astype(np.float32)
  value = np.float32([0.3, -1.0])
  distribution = head(tf.constant(x[..., :1]), tf.constant(x[..., 1:]))

  out = tiny.mlp(head, x, tiny.leaky_relu)
  mean, stddev = out[..., :2], np.log1p(np.exp(out[..., 2:])) + 1e-5
  np.testing.assert_allclose(distribution.mean(), mean, rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(distribution.stddev(), stddev, rtol=1e-4)
  log_prob = tiny.log_normal(value, mean, stddev).sum(-1)
  np.testing.assert_allclose(distribution.log_prob(value), log_prob, rtol=1e-4)


def test_gaussian_head_clips_where_the_stddev_enters_and_only_there():
  head = networks.GaussianMLP(1, 4, 1)
  bias = tiny.weights(head)[-1][1]
  with tf.GradientTape() as tape:
    # 1000 lies hundreds of deviations away: both gradients are large.
    log_prob = tf.reduce_sum(head(tf.ones([3, 1])).log_prob([1000.0]))
  of_mean, of_stddev = tape.gradient(log_prob, bias).numpy()
  assert of_stddev == 30  # 10 for each of three elements.
  assert of_mean > 1000


def test_encoder_is_the_papers_convolutions():
  encoder = tiny.shake(networks.Encoder(2, 6))
  layers = layers_of(encoder)
  assert [k.shape for k, _ in layers] == [
    (5, 5, 3, 2),
    (3, 3, 2, 4),
    (3, 3, 4, 8),
    (3, 3, 8, 16),
    (4 * 4 * 16, 6),
  ]
  pixels = tiny.pixels(2, 3)
  x = tf.reshape(tf.constant(pixels, tf.float32), [6, 64, 64, 3]) / 255
  for (kernel, bias), window in zip(layers, [5, 3, 3, 3, 4], strict=True):
    x = convolution(x, kernel, bias, window)
  features = encoder(tf.constant(pixels))
  assert features.shape == [2, 3, 6]
  np.testing.assert_allclose(
    features, tf.reshape(x, [2, 3, 6]), rtol=1e-4, atol=1e-6
  )


def test_decoder_is_the_papers_transposed_convolutions():
  decoder = tiny.shake(networks.Decoder(5, 2))
  (first, first_bias), *layers = layers_of(decoder)
  assert first.shape == [5, 4 * 4 * 16]
  # Kernels of transposed convolutions are [height, width, out, in].
  assert [k.shape for k, _ in layers] == [
    (3, 3, 8, 16),
    (3, 3, 4, 8),
    (3, 3, 2, 4),
    (5, 5, 3, 2),
  ]
  z = np.random.default_rng(0).normal(size=[2, 3, 5]).astype(np.float32)
  images = decoder(tf.constant(z))
  assert images.shape == [2, 3, 64, 64, 3]

  x = tf.constant(z[1, 2].reshape([1, 1, 1, 5]))
  x = deconvolution(x, first, first_bias, 'first')
  for i, (kernel, bias) in enumerate(layers):
    x = deconvolution(x, kernel, bias, kernel.shape[0], linear=i == 3)
  np.testing.assert_allclose(images[1, 2], x[0], rtol=1e-4, atol=1e-5)


def test_an_encoder_of_stacked_images_sees_each_of_them():
  single = tiny.shake(networks.Encoder(2, 6))
  stacked = networks.Encoder(2, 6, image_shape=(64, 64, 9))
  images = tf.constant(tiny.pixels(2, 3))
  expected = single(images).numpy()
  assert np.abs(expected[:, 0] - expected[:, 1]).max() > 0.01
  for own, other in zip(stacked._layers, single._layers, strict=True):
    own.bias.assign(other.bias)
    if own.kernel.shape == other.kernel.shape:
      own.kernel.assign(other.kernel)
  stack = tf.concat(tf.unstack(images, axis=1), axis=-1)
  for i in range(3):
    # All weights but those of the i-th image are zero.
    before, after = [0, 0], [0, 0]
    padding = [before, after, [3 * i, 6 - 3 * i], [0, 0]]
    kernel = tf.pad(single._layers[0].kernel, padding)
    stacked._layers[0].kernel.assign(kernel)
    np.testing.assert_allclose(stacked(stack), expected[:, i], atol=1e-6)


@pytest.mark.parametrize('image_shape', tiny.IMAGE_SHAPES)
def test_other_images_have_convolutions_of_their_whole_last_map(image_shape):
  height, width, channels = image_shape
  h, w = height // 16, width // 16
  encoder = networks.Encoder(1, 6, image_shape=image_shape)
  first, *_, last = layers_of(tiny.shake(encoder))
  assert first[0].shape == [5, 5, channels, 1]
  assert last[0].shape == [h * w * 8, 6]
  pixels = tiny.pixels(2, 3, image_shape=image_shape)
  x = tf.reshape(tf.constant(pixels, tf.float32), [6, *image_shape]) / 255
  for kernel, bias in layers_of(encoder)[:-1]:
    x = convolution(x, kernel, bias, kernel.shape[0])
  assert x.shape == [6, h, w, 8]
  x = tf.reshape(x, [6, -1]) @ last[0] + last[1]
  np.testing.assert_allclose(
    tf.reshape(encoder(pixels), [6, 6]),
    tiny.leaky_relu(x.numpy()),
    rtol=1e-4,
    atol=1e-6,
  )

  decoder = networks.Decoder(5, 1, image_shape=image_shape)
  (first, first_bias), *layers = layers_of(tiny.shake(decoder))
  assert first.shape == [5, h * w * 8]
  assert layers[-1][0].shape == [5, 5, channels, 1]
  z = np.random.default_rng(0).normal(size=[2, 5]).astype(np.float32)
  x = np.reshape(z @ first.numpy(), [2, h, w, 8]) + first_bias.numpy()
  x = tf.constant(tiny.leaky_relu(x))
  for i, (kernel, bias) in enumerate(layers):
    x = deconvolution(x, kernel, bias, kernel.shape[0], linear=i == 3)
  assert x.shape == [2, *image_shape]
  np.testing.assert_allclose(decoder(z), x, rtol=1e-4, atol=1e-5)


def test_parameter_counts_are_those_of_the_papers_convolutions():
  # Of 5x5x3x32, 3x3x32x64, 3x3x64x128, 3x3x128x256 and 4x4x256x256.
  encoder = 2432 + 18496 + 73856 + 295168 + 1048832
  assert networks.num_parameters(networks.Encoder(32, 256)) == encoder
  # Of 4x4x288x256, 3x3x256x128, 3x3x128x64, 3x3x64x32 and 5x5x32x3.
  decoder = 1179904 + 295040 + 73792 + 18464 + 2403
  assert networks.num_parameters(networks.Decoder(288, 32)) == decoder


@pytest.mark.parametrize(
  ('network', 'fans'),
  [
    (lambda: networks.Encoder(4, 16), 16 * (32 + 16)),
    (lambda: networks.Decoder(24, 4), 16 * (24 + 32)),
    # Of 8 x 2 for images of 128 x 32; of 3 x 5 for 48 x 80.
    (
      lambda: networks.Encoder(4, 16, image_shape=(128, 32, 6)),
      16 * (32 + 16),
    ),
    (
      lambda: networks.Decoder(24, 4, image_shape=(48, 80, 1)),
      15 * (24 + 32),
    ),
  ],
)
def test_dense_layers_start_as_the_convolutions_do(network, fans):
  (kernel,) = [v for v in network().trainable_variables if v.shape.rank == 2]
  limit = np.sqrt(6 / fans)
  assert 0.98 * limit < np.abs(kernel).max() <= limit
  assert np.mean(kernel) == pytest.approx(0, abs=0.05 * limit)
  assert np.std(kernel) == pytest.approx(limit / np.sqrt(3), rel=0.05)


def test_biases_start_at_zero():
  for network in (networks.Encoder(1, 2), networks.Decoder(3, 1)):
    biases = [v for v in network.trainable_variables if v.shape.rank == 1]
    assert len(biases) == 5
    assert not any(np.any(bias) for bias in biases)
