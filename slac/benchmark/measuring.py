"""Measures how long a computation takes, and counts its operations."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.compat.v1 import profiler

MATRIX_SIZES = (1024, 2048, 4096)
WARM_UP = 3


class Timer:
  """Measures how long calls take."""

  def __init__(self, repeats: int):
    self._repeats = repeats

  def __call__(self, call: Callable[[], Any]) -> dict[str, float]:
    """Returns the median and the quartiles in seconds, after a warm-up."""
    seconds = []
    for _ in range(WARM_UP + self._repeats):
      start = time.perf_counter()
      call()
      tf.test.experimental.sync_devices()
      seconds.append(time.perf_counter() - start)
    return spread(seconds[WARM_UP:])


def spread(seconds: Sequence[float]) -> dict[str, float]:
  """Returns the median and the quartiles."""
  low, median, high = np.percentile(seconds, [25, 50, 75])
  return {'median_s': median, 'quartile1_s': low, 'quartile3_s': high}


def matrix_product_rate(timer: Timer, dtype: str) -> float:
  """Returns the device's highest rate in floating-point operations per s."""

  def rate(size):
    x = tf.cast(tf.random.normal([size, size]), dtype)
    product = tf.function(lambda: tf.matmul(x, x))
    return 2 * size**3 / timer(product)['median_s']

  return max(rate(size) for size in MATRIX_SIZES)


def operations(function: tf.types.experimental.ConcreteFunction) -> int:
  """Returns how many floating-point operations a function's graph states.

  TensorFlow's profiler counts them from the shapes: matrix products,
  convolutions and their gradients, not what is done element by element.
  """
  options = profiler.ProfileOptionBuilder(
    profiler.ProfileOptionBuilder.float_operation()
  ).with_empty_output()
  return profiler.profile(
    function.graph, options=options.build()
  ).total_float_ops


def computation(
  timer: Timer,
  name: str,
  dtype: str,
  call: Callable[[], Any],
  function: tf.types.experimental.ConcreteFunction,
) -> dict[str, Any]:
  """Measures a call and counts the operations of the function it computes."""
  flops = operations(function)
  return {'name': name, 'dtype': dtype, **timer(call), 'operations': flops}
