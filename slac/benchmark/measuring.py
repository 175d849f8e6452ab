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
  """Returns how many floating-point operations a function computes.

  TensorFlow's profiler counts them from the shapes: matrix products,
  convolutions and their gradients, not what is done element by element. What
  nothing depends on, such as gradients that nobody asks for, is in the graph,
  but is neither computed nor counted.
  """
  options = profiler.ProfileOptionBuilder(
    profiler.ProfileOptionBuilder.float_operation()
  ).with_empty_output()
  nodes = [
    profiler.profile(function.graph, cmd='scope', options=options.build())
  ]
  computed, total = _computed(function.graph), 0
  while nodes:
    node = nodes.pop()
    nodes += node.children
    total += node.float_ops if node.name in computed else 0
  return total


def _computed(graph: tf.Graph) -> set[str]:
  """Returns the names of what a function's outputs and effects depend on."""
  found: set[str] = set()
  waiting = [output.op for output in graph.outputs] + [*graph.control_outputs]
  while waiting:
    operation = waiting.pop()
    if operation.name not in found:
      found.add(operation.name)
      waiting += [x.op for x in operation.inputs] + operation.control_inputs
  return found


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
