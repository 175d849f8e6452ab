"""Networks of the actor and the critics (App. C)."""

from typing import Annotated

import gin
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from slac.config import settings
from slac.models import latents, networks

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


@gin.configurable
class Critic(tf.Module):
  """The action value Q(input, a) (App. C).

  Beyond the paper, its hidden layers may have dropout and layer norm before
  their ReLU, as in DroQ (Hiraoka et al. 2022, Fig. 1), so that it bears more
  gradient steps per agent step.
  """

  def __init__(
    self,
    input_size: int,
    action_size: int,
    hidden_size: int,
    layer_norm: bool = False,
    dropout: Annotated[float, settings.Range(0, 0.9)] = 0.0,
  ):
    """Builds the layers.

    Args:
      input_size: D of the input `[B, D]`.
      action_size: A.
      hidden_size: of both hidden layers.
      layer_norm: whether the hidden layers are normalised.
      dropout: the probability that a hidden unit is left out in training.
    """
    super().__init__()
    self._mlp = networks.mlp(input_size + action_size, hidden_size, 1, None)
    self._dropout = dropout
    self._norms = []
    for _ in self._mlp.layers[:-1] if layer_norm else ():
      self._norms.append(tf.keras.layers.LayerNormalization())
      self._norms[-1].build([None, hidden_size])

  def __call__(
    self,
    inputs: tf.Tensor,
    action: tf.Tensor,
    dropout_seed: tf.Tensor | None = None,
  ) -> tf.Tensor:
    """Maps inputs `[B, D]` and actions `[B, A]` to values `[B]`.

    Units are left out only where there is a stateless seed, `[2]`.
    """
    x = tf.concat([inputs, action], -1)
    *hidden, output = self._mlp.layers
    seeds = [None] * len(hidden)
    if self._dropout and dropout_seed is not None:
      seeds = latents.split_seed(dropout_seed, len(hidden))
    norms = self._norms or [tf.identity] * len(hidden)
    for layer, seed, norm in zip(hidden, seeds, norms, strict=True):
      x = layer(x)
      if seed is not None:
        x = tf.nn.experimental.stateless_dropout(x, self._dropout, seed)
      x = tf.nn.relu(norm(x))
    return tf.squeeze(output(x), -1)
