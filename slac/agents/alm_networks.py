"""The networks of Aligned Latent Models, and their noise in acting."""

from collections.abc import Mapping

import gin
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability import math as tfm
from tf_agents.utils import common

from slac.config import settings
from slac.installation import loading

# PyTorch's, with which the numbers of the paper were found.
LAYER_NORM_EPSILON = 1e-5


class RoundedDense(tf.keras.layers.Dense):
  """A dense layer whose product, and the product's gradients, are bfloat16.

  Bias and activation are float32. TensorFlow would fuse those of bfloat16 with
  the product, into an operation that does not use a CPU's matrix unit.
  """

  def call(self, inputs):
    """Maps `[B, D]` to `[B, units]`."""
    pair = (tf.cast(x, tf.bfloat16) for x in (inputs, self.kernel))
    return self.activation(tf.cast(tf.matmul(*pair), tf.float32) + self.bias)


@gin.configurable
class Mlp(tf.Module):
  """Two hidden layers and a linear output, with orthogonal weights.

  The second hidden layer, which has most of the operations, may compute in
  bfloat16, its gradients too. Parameters, inputs and output are float32.
  """

  def __init__(
    self,
    input_size: int,
    hidden_size: int,
    output_size: int,
    normed: bool,
    compute_dtype: settings.ComputeDtype = 'float32',
  ):
    """Builds the layers.

    Args:
      input_size: the sizes of all inputs together.
      hidden_size: of both hidden layers, whose activations are ELU.
      output_size: of the output.
      normed: whether the first layer ends in layer norm and tanh instead.
      compute_dtype: what the second hidden layer computes in.
    """
    super().__init__()
    loading.check_keras()
    self.compute_dtype = compute_dtype
    layers = tf.keras.layers

    def dense(size, activation=None, layer=layers.Dense):
      return layer(size, activation, kernel_initializer='orthogonal')

    rounded = layers.Dense if compute_dtype == 'float32' else RoundedDense

    first = [dense(hidden_size, 'elu')]
    if normed:
      norm = layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON)
      first = [dense(hidden_size), norm, layers.Activation('tanh')]
    self._network = tf.keras.Sequential(
      [*first, dense(hidden_size, 'elu', rounded), dense(output_size)]
    )
    self._network.build([None, input_size])

  def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
    """Maps inputs `[..., D_i]` to `[..., output_size]`."""
    x = tf.concat(inputs, -1)
    y = self._network(tf.reshape(x, [-1, x.shape[-1]]))
    return tf.reshape(y, tf.concat([tf.shape(x)[:-1], [y.shape[-1]]], 0))


class Scalar(Mlp):
  """A function of a latent and an action: the reward, or a value."""

  def __init__(self, input_size: int, hidden_size: int):
    super().__init__(input_size, hidden_size, 1, normed=True)

  def __call__(self, *inputs: tf.Tensor) -> tf.Tensor:
    """Maps inputs `[..., D_i]` to `[...]`."""
    return tf.squeeze(super().__call__(*inputs), -1)


class Classifier(Mlp):
  """C(z, a, z'): whether a next latent is encoded (1) or imagined (0)."""

  def __init__(self, input_size: int, hidden_size: int):
    super().__init__(input_size, hidden_size, 2, normed=True)

  def log_ratio(self, *inputs: tf.Tensor) -> tf.Tensor:
    """Returns log C / (1 - C), `[...]`, of inputs `[..., D_i]`."""
    imagined, real = tf.unstack(self(*inputs), axis=-1)
    return real - imagined


class Actor(Mlp):
  """The mean of pi(a | z)."""

  def __init__(self, latent_size: int, action_size: int, hidden_size: int):
    super().__init__(latent_size, hidden_size, action_size, normed=False)

  def __call__(self, latent: tf.Tensor) -> tf.Tensor:
    """Maps latents `[..., Z]` to actions `[..., A]` in (-1, 1)."""
    return tf.tanh(super().__call__(latent))


@gin.configurable
class LatentGaussian(Mlp):
  """A diagonal Gaussian over latents, of limited mean and deviation."""

  def __init__(
    self,
    input_size: int,
    hidden_size: int,
    latent_size: int,
    mean_limit: settings.Positive = gin.REQUIRED,
    min_stddev: settings.Positive = gin.REQUIRED,
    max_stddev: settings.Positive = gin.REQUIRED,
  ):
    """Builds the layers.

    Args:
      input_size, hidden_size: see `Mlp`.
      latent_size: Z.
      mean_limit: means lie between this and its negative.
      min_stddev, max_stddev: the deviations' limits, see `limited`.
    """
    super().__init__(input_size, hidden_size, 2 * latent_size, normed=False)
    self._mean_limit = mean_limit
    self._min_stddev = min_stddev
    self._max_stddev = max_stddev

  def __call__(self, *inputs: tf.Tensor) -> tfd.Independent:
    """Maps inputs `[..., D_i]` to a distribution over `[..., Z]`."""
    mean, raw = tf.split(super().__call__(*inputs), 2, axis=-1)
    mean = self._mean_limit * tf.tanh(mean / self._mean_limit)
    stddev = limited(raw, self._min_stddev, self._max_stddev)
    return tfd.Independent(tfd.Normal(mean, stddev), 1)


@gin.configurable
class AlmNetworks(tf.Module):
  """All networks of the agent, and the targets that follow two of them.

  Attributes:
    latent_size: Z.
    hidden_size: of the hidden layers of all but the model.
    encoder: e(z | s).
    model: m(z' | z, a).
    actor: the mean of pi(a | z).
    reward: r(z, a).
    critics: Q1 and Q2 of (z, a).
    classifier: C(z, a, z').
    target_encoder, target_critics: what follows encoder and critics.
  """

  def __init__(
    self,
    state_size: int,
    action_size: int,
    latent_size: settings.Count = gin.REQUIRED,
    hidden_size: settings.Count = gin.REQUIRED,
    model_hidden_size: settings.Count = gin.REQUIRED,
    target_update_rate: settings.Fraction = gin.REQUIRED,
  ):
    """Builds the networks.

    Args:
      state_size: of the observed state.
      action_size: A.
      latent_size, hidden_size: the attributes.
      model_hidden_size: of the model's hidden layers.
      target_update_rate: tau.
    """
    super().__init__()
    self.latent_size = latent_size
    self.hidden_size = hidden_size
    pair = latent_size + action_size
    self.encoder, self.target_encoder = (
      LatentGaussian(state_size, hidden_size, latent_size) for _ in range(2)
    )
    self.model = LatentGaussian(pair, model_hidden_size, latent_size)
    self.actor = Actor(latent_size, action_size, hidden_size)
    self.reward = Scalar(pair, hidden_size)
    self.critics, self.target_critics = (
      [Scalar(pair, hidden_size) for _ in range(2)] for _ in range(2)
    )
    self.classifier = Classifier(pair + latent_size, hidden_size)
    self._target_update_rate = target_update_rate
    self._follow(tau=1.0)

  @property
  def trained(self) -> Mapping[str, list[tf.Module]]:
    """The networks that are trained, by the names that users read."""
    return {
      'encoder': [self.encoder],
      'model': [self.model],
      'actor': [self.actor],
      'reward': [self.reward],
      'critics': self.critics,
      'classifier': [self.classifier],
    }

  def value(self, latent: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    """Returns min(Q1, Q2) of `[..., Z]` and `[..., A]`, `[...]`."""
    return tf.minimum(*[critic(latent, action) for critic in self.critics])

  def target_value(self, latent: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    """Returns the same of the target critics."""
    values = [critic(latent, action) for critic in self.target_critics]
    return tf.minimum(*values)

  def follow(self):
    """Moves the targets by tau towards encoder and critics."""
    self._follow(self._target_update_rate)

  def _follow(self, tau):
    common.soft_variables_update(
      variables([self.encoder, *self.critics]),
      variables([self.target_encoder, *self.target_critics]),
      tau,
    )


@gin.configurable
class ActionNoise:
  """Gaussian noise of actions, whose deviation falls linearly in training."""

  def __init__(
    self,
    initial_stddev: settings.Positive = gin.REQUIRED,
    final_stddev: settings.Positive = gin.REQUIRED,
    decay_steps: settings.Count = gin.REQUIRED,
    training_limit: settings.Positive = gin.REQUIRED,
  ):
    """Keeps the schedule.

    Args:
      initial_stddev: of the noise before the first gradient step.
      final_stddev: of the noise from `decay_steps` on.
      decay_steps: after how many gradient steps it has fallen.
      training_limit: what noise is clipped to in training, and in it alone.
    """
    self._stddev = tf.keras.optimizers.schedules.PolynomialDecay(
      initial_stddev, decay_steps, final_stddev
    )
    self._training_limit = training_limit

  def stddev(self, gradient_steps: tf.Tensor) -> tf.Tensor:
    """Returns the standard deviation after so many gradient steps."""
    return self._stddev(gradient_steps)

  def sample_clipped(self, pi: tfd.Distribution, seed: tf.Tensor) -> tf.Tensor:
    """Returns actions in [-1, 1] as training draws them, with clipped noise.

    The gradient passes the bounds as if there were none.

    Args:
      pi: a Gaussian over actions, `[..., A]`.
      seed: a stateless seed, `[2]`.
    """
    mean, limit = pi.mean(), self._training_limit
    noise = pi.stddev() * tf.random.stateless_normal(tf.shape(mean), seed)
    action = mean + tf.clip_by_value(noise, -limit, limit)
    return tfm.clip_by_value_preserve_gradient(action, -1, 1)


def limited(x: tf.Tensor, low: float, high: float) -> tf.Tensor:
  """Maps all numbers smoothly to those above `low` and about below `high`."""
  below = high - tf.nn.softplus(high - x)
  return low + tf.nn.softplus(below - low)


def variables(modules: list[tf.Module]) -> list[tf.Variable]:
  """Returns the trainable variables of several modules, in their order."""
  return [v for module in modules for v in module.trainable_variables]
