"""The fused Adam against Adam's formulas."""

import numpy as np
import tensorflow as tf

from slac.agents import optimizers

RATE, BETA1, BETA2, EPSILON = 0.01, 0.9, 0.999, 1e-3


def adam_by_hand(x, gradients):
  """Kingma and Ba's, with the epsilon of the end of their section 2."""
  m = v = np.zeros_like(x)
  for t, g in enumerate(gradients, start=1):
    m = BETA1 * m + (1 - BETA1) * g
    v = BETA2 * v + (1 - BETA2) * g**2
    rate = RATE * np.sqrt(1 - BETA2**t) / (1 - BETA1**t)
    x = x - rate * m / (np.sqrt(v) + EPSILON)
  return x, m, v


def test_it_is_adam_and_keeps_its_moments_in_order():
  rng = np.random.default_rng(0)
  shapes = [[3, 2], [], [4]]
  starts = [rng.normal(size=shape) for shape in shapes]
  gradients = [[rng.normal(size=shape) for shape in shapes] for _ in range(4)]
  variables = [tf.Variable(x, dtype=tf.float32) for x in starts]
  optimizer = optimizers.FusedAdam(RATE, BETA1, BETA2, EPSILON)
  optimizer.build(variables)
  slots = [v for v in optimizer.variables if v.shape in shapes][-6:]

  @tf.function
  def apply(*gradients):
    optimizer.apply_gradients(zip(gradients, variables, strict=True))

  for step in gradients:
    apply(*[tf.constant(g, tf.float32) for g in step])
  assert optimizer.iterations == 4
  for i, start in enumerate(starts):
    expected = adam_by_hand(start, [step[i] for step in gradients])
    values = (variables[i], slots[2 * i], slots[2 * i + 1])
    for value, other in zip(values, expected, strict=True):
      np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-6)
