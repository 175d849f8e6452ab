"""What a model makes of observations: features, and densities given z."""

from collections.abc import Callable, Mapping

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from slac import errors
from slac.models import networks
from slac.models import proprioception as proprioceptions

# So many sequences are encoded at once where no gradient is needed.
PIECE = 32


class ObservationModel(tf.Module):
  """The part of a latent variable model that knows what observations are.

  They are images, 'pixels', and where it is told to model them state vectors,
  'state': each has features, which are put together, and a density given z.
  """

  def __init__(
    self,
    observation_spec: Mapping[str, tf.TensorSpec],
    latent_size: int,
    hidden_size: int,
    base_depth: int,
    feature_size: int,
    decoder_variance: float,
    compute_dtype: str,
    proprioception: Callable[..., proprioceptions.Proprioception] | None,
  ):
    """Builds the networks; for the arguments see `LatentModel`."""
    super().__init__()
    self.decoder_variance = decoder_variance
    self.compute_dtype = compute_dtype
    image_shape = tuple(spec_of(observation_spec, 'pixels').shape)
    self.encoder = networks.Encoder(
      base_depth, feature_size, compute_dtype, image_shape
    )
    self.decoder = networks.Decoder(
      latent_size, base_depth, compute_dtype, image_shape
    )
    self.proprioception = proprioception and proprioception(
      spec_of(observation_spec, 'state').shape.num_elements(),
      latent_size,
      hidden_size,
    )

  @property
  def observed(self) -> tuple[str, ...]:
    """The names of the observations that it models."""
    return ('pixels', 'state') if self.proprioception else ('pixels',)

  @property
  def feature_size(self) -> int:
    """F, the size of an observation's features."""
    size = self.encoder.feature_size
    if self.proprioception:
      size += self.proprioception.embedding_size
    return size

  def encode(self, observation, dtype=tf.float32) -> tf.Tensor:
    """Returns what later steps need of observations, `[..., F]`.

    These are the image's features and, behind them, the embedding of the state
    vector.

    Args:
      observation: a dict of `[..., *shape]`; what is not modelled may be in it.
      dtype: the data type that the image's layers compute in.
    """
    features = self.encoder(observation['pixels'], dtype)
    if not self.proprioception:
      return features
    embedding = self.proprioception.embed(observation['state'])
    return tf.concat([features, embedding], axis=-1)

  def encode_in_turn(self, observation) -> tf.Tensor:
    """Returns the same of `[B, ...]`, in `compute_dtype`, piece by piece.

    All at once, the encoder's maps of 224 sequences take 0.4 GB more memory in
    float32, and are not computed any faster on a CPU. The result is not to be
    differentiated.
    """
    seen = {name: observation[name] for name in self.observed}
    batch_size = seen['pixels'].shape[0]
    if batch_size is None:
      return self.encode(seen, self.compute_dtype)
    results: list[tf.Tensor] = []
    for start in range(0, batch_size, PIECE):
      with tf.control_dependencies(results[-1:]):
        piece = {
          name: tf.identity(x[start : start + PIECE])
          for name, x in seen.items()
        }
      results.append(self.encode(piece, self.compute_dtype))
    return tf.concat(results, axis=0)

  def image_distribution(self, z) -> tfd.Distribution:
    """Returns p(x | z): Normal, of fixed variance, independent over pixels."""
    return tfd.Independent(
      tfd.Normal(self.decoder(z), self.decoder_variance**0.5), 3
    )

  def log_p_images(self, z, observation):
    """Returns log p(x_t | z_t), `[B, n]`, and metrics."""
    images = networks.to_float(observation['pixels'])
    p_images = self.image_distribution(z)
    error = tf.math.squared_difference(images, p_images.mean())
    return p_images.log_prob(images), {
      'model/squared_error_per_pixel': tf.reduce_mean(error)
    }


def spec_of(observation_spec: Mapping[str, tf.TensorSpec], name: str):
  """Returns the spec of an observation.

  Raises:
    errors.UserError: there is no such observation.
  """
  if name not in observation_spec:
    raise errors.UserError(
      f'The environment offers {", ".join(sorted(observation_spec))}: give it '
      f"an observation '{name}', or choose an agent that needs none."
    )
  return observation_spec[name]
