"""Returns of imagined steps."""

import tensorflow as tf


def of_lambda(
  gain: tf.Tensor, next_value: tf.Tensor, gamma: float, td_lambda: float
) -> tf.Tensor:
  """Returns G_i = g_i + gamma ((1 - lambda) v_{i+1} + lambda G_{i+1}).

  Args:
    gain: g_0 to g_{K-1}, `[B, K]`.
    next_value: v_1 to v_K, `[B, K]`; G_K = v_K.
    gamma: the discount factor.
    td_lambda: lambda.

  Returns:
    G_0 to G_{K-1}, `[B, K]`.
  """
  gains, values = tf.unstack(gain, axis=1), tf.unstack(next_value, axis=1)
  after, found = values[-1], []
  for g, v in zip(reversed(gains), reversed(values), strict=True):
    after = g + gamma * ((1 - td_lambda) * v + td_lambda * after)
    found.append(after)
  return tf.stack(found[::-1], axis=1)
