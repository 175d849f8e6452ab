"""Strided convolutions of images, with gradients written for speed.

Each function computes what a plain one of TensorFlow's does, with which its
test compares it. Where the input is bfloat16, so are the result and the
gradient at the input; parameters and their gradients are float32. This makes
them fast on a CPU, at the paper's sizes:

- The derivative of leaky ReLU is taken from its output: convolution, bias and
  activation are one operation, as nothing in between is needed later. It is
  taken in float32: TensorFlow's is ten times slower in bfloat16.
- Gradients of kernels are float32 sums over all pixels: bfloat16 is no faster
  there.
- Gradients of biases are plain sums: TensorFlow's operation for them takes five
  times as long for the three channels of an image.
- A transposed convolution to three channels is a convolution followed by
  depth-to-space, which takes half the time.
"""

import tensorflow as tf

# Leaky ReLU's slope below zero; TensorFlow's default.
SLOPE = 0.2


def downsample(x, kernel, bias, gradient_dtype):
  """A SAME convolution of stride 2, then leaky ReLU.

  Args:
    x: `[N, H, W, C]`.
    kernel: float32 `[K, K, C, D]`.
    bias: float32 `[D]`.
    gradient_dtype: the data type that the gradient at x is computed in.

  Returns:
    `[N, H / 2, W / 2, D]`, of the type of x.
  """

  @tf.custom_gradient
  def call(x, kernel, bias):
    y = tf.nn.conv2d(x, tf.cast(kernel, x.dtype), 2, 'SAME')
    y = tf.nn.leaky_relu(tf.nn.bias_add(y, tf.cast(bias, x.dtype)), SLOPE)

    def gradient(dy):
      dy = _before_leaky_relu(dy, y)
      dx = tf.nn.conv2d_transpose(
        tf.cast(dy, gradient_dtype),
        tf.cast(kernel, gradient_dtype),
        tf.shape(x),
        2,
      )
      return (
        tf.cast(dx, x.dtype),
        _kernel_gradient(x, kernel, dy),
        tf.reduce_sum(dy, [0, 1, 2]),
      )

    return y, gradient

  return call(x, kernel, bias)


@tf.custom_gradient
def upsample(x, kernel, bias):
  """A SAME transposed convolution of stride 2, then leaky ReLU.

  Args:
    x: `[N, H, W, C]`.
    kernel: float32 `[K, K, D, C]`.
    bias: float32 `[D]`.

  Returns:
    `[N, 2 H, 2 W, D]`, of the type of x.
  """
  small = tf.cast(kernel, x.dtype)
  n, height, width, _ = tf.unstack(tf.shape(x))
  shape = [n, 2 * height, 2 * width, kernel.shape[2]]
  y = tf.nn.conv2d_transpose(x, small, shape, 2)
  y = tf.nn.leaky_relu(tf.nn.bias_add(y, tf.cast(bias, x.dtype)), SLOPE)

  def gradient(dy):
    dy = _before_leaky_relu(dy, y)
    dx = tf.nn.conv2d(tf.cast(dy, x.dtype), small, 2, 'SAME')
    return dx, _kernel_gradient(dy, kernel, x), tf.reduce_sum(dy, [0, 1, 2])

  return y, gradient


@tf.custom_gradient
def upsample_to_image(x, kernel, bias):
  """A SAME transposed 5x5 convolution of stride 2, for few output channels.

  It is computed in float32 whatever the type of x: the errors of images are
  small, and bfloat16 would round them away.

  Args:
    x: `[N, H, W, C]`.
    kernel: float32 `[5, 5, D, C]`.
    bias: float32 `[D]`.

  Returns:
    float32 `[N, 2 H, 2 W, D]`.
  """
  y = tf.nn.conv2d(tf.cast(x, tf.float32), _phases(kernel), 1, 'SAME')
  y = tf.nn.depth_to_space(tf.nn.bias_add(y, tf.tile(bias, [4])), 2)

  def gradient(dy):
    small = tf.cast(kernel, x.dtype)
    dx = tf.nn.conv2d(tf.cast(dy, x.dtype), small, 2, 'SAME')
    return dx, _kernel_gradient(dy, kernel, x), tf.reduce_sum(dy, [0, 1, 2])

  return y, gradient


def _before_leaky_relu(dy, y):
  """Returns the gradient of what became y, float32."""
  return tf.raw_ops.LeakyReluGrad(
    gradients=tf.cast(dy, tf.float32),
    features=tf.cast(y, tf.float32),
    alpha=SLOPE,
  )


def _kernel_gradient(large, kernel, small):
  """Returns the gradient, float32, between the maps on a kernel's two sides."""
  return tf.raw_ops.Conv2DBackpropFilter(
    input=tf.cast(large, tf.float32),
    filter_sizes=kernel.shape,
    out_backprop=tf.cast(small, tf.float32),
    strides=[1, 2, 2, 1],
    padding='SAME',
  )


def _phases(kernel):
  """Returns the kernel `[3, 3, C, 4 D]` that gives all four pixels at once.

  In one dimension, the output of a transposed convolution of stride 2 and
  kernel w is y[2m] = w[3] x[m-1] + w[1] x[m] and
  y[2m+1] = w[4] x[m-1] + w[2] x[m] + w[0] x[m+1].
  """
  zero = 5
  taps = [[3, 1, zero], [4, 2, 0]]
  kernel = tf.pad(kernel, [[0, 1], [0, 1], [0, 0], [0, 0]])
  kernel = tf.gather(tf.gather(kernel, taps, axis=0), taps, axis=2)
  # [row's phase, row, column's phase, column, D, C]
  kernel = tf.transpose(kernel, [1, 3, 5, 0, 2, 4])
  return tf.reshape(kernel, [3, 3, kernel.shape[2], -1])
