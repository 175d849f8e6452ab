"""Networks of the actor and the critics (App. C)."""

import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from slac.models import networks

# The actor's log standard deviation is clipped to this, as in the SAC paper.
LOG_STDDEV_RANGE = (-20.0, 2.0)


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
    self._mlp = networks.mlp(
      input_size, hidden_size, 2 * action_size, tf.nn.relu
    )

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
    self._mlp = networks.mlp(
      input_size + action_size, hidden_size, 1, tf.nn.relu
    )

  def __call__(self, inputs: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    """Maps inputs `[B, D]` and actions `[B, A]` to values `[B]`."""
    return tf.squeeze(self._mlp(tf.concat([inputs, action], -1)), -1)
