"""A state vector beside the image, such as joints' positions and velocities."""

import gin
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from slac.config import settings
from slac.models import networks


@gin.configurable
class Proprioception(tf.Module):
  """The features of a state vector, and its density p(state | z).

  Both are of symlog(state). The entries of a state vector have units of their
  own, and velocities and forces are many times as large as positions: symlog
  leaves small values nearly as they are and compresses large ones. Nothing is
  estimated from data, so acting, training and an exported policy agree.
  """

  def __init__(
    self,
    state_size: int,
    latent_size: int,
    hidden_size: int,
    embedding_size: settings.Count = gin.REQUIRED,
    variance: settings.Positive = gin.REQUIRED,
  ):
    """Builds the networks.

    Args:
      state_size: D of a state vector `[D]`.
      latent_size: the size of z.
      hidden_size: the size of the two hidden layers of each MLP.
      embedding_size: the size of a state vector's features.
      variance: that of each entry of symlog(state), given z.
    """
    super().__init__()
    self.embedding_size = embedding_size
    self._variance = variance
    self._embedding = networks.mlp(
      state_size, hidden_size, embedding_size, tf.nn.leaky_relu
    )
    self._mean = networks.mlp(
      latent_size, hidden_size, state_size, tf.nn.leaky_relu
    )

  def embed(self, state: tf.Tensor) -> tf.Tensor:
    """Maps state vectors `[..., D]` to features `[..., embedding_size]`."""
    return self._embedding(symlog(state))

  def distribution(self, z: tf.Tensor) -> tfd.Distribution:
    """Returns p(symlog(state) | z): Normal, of fixed variance, over `[D]`.

    The density of the state itself differs by a factor in which no parameter
    has a part.
    """
    normal = tfd.Normal(self._mean(z), self._variance**0.5)
    return tfd.Independent(normal, 1)

  def log_p_states(self, z: tf.Tensor, state: tf.Tensor):
    """Returns log p(symlog(state_t) | z_t), `[B, n]`, and metrics."""
    p_states, state = self.distribution(z), symlog(state)
    error = tf.math.squared_difference(state, p_states.mean())
    return p_states.log_prob(state), {
      'model/squared_error_of_state': tf.reduce_mean(error)
    }


def symlog(x: tf.Tensor) -> tf.Tensor:
  """Returns sign(x) log(1 + |x|) (DreamerV3, Hafner et al. 2023)."""
  x = tf.cast(x, tf.float32)
  return tf.sign(x) * tf.math.log1p(tf.abs(x))
