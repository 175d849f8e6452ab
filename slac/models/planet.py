"""PlaNet's recurrent state-space model (Hafner et al. 2019), for comparison.

Its decoder, reward and objective are those of every model in this package.
"""

from typing import NamedTuple

import gin
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from slac.config import settings
from slac.models import latent_model, latents

Gaussian = latents.Gaussian
layers = tf.keras.layers


class Belief(NamedTuple):
  """z = (h, s)."""

  h: tf.Tensor  # Deterministic, `[..., gru_size]`.
  s: Gaussian


@gin.configurable
class PlanetModel(latent_model.LatentModel):
  """h' = GRU(h, s, a); p(s' | h') and q(s' | h', x') are Gaussian.

  Before the first step h, s and a are zero.
  """

  def __init__(
    self,
    action_size: int,
    gru_size: settings.Count = gin.REQUIRED,
    stochastic_size: settings.Count = gin.REQUIRED,
    min_stddev: settings.Positive = gin.REQUIRED,
    **shared,
  ):
    """Builds the model.

    Args:
      action_size: the size of the action vector.
      gru_size: the size of h.
      stochastic_size: the size of s.
      min_stddev: the smallest standard deviation of s, in prior and posterior.
      **shared: the arguments of every model (`LatentModel`); latent1_size and
        latent2_size have no effect.
    """
    self._gru_size = gru_size
    self._stochastic_size = stochastic_size
    self._min_stddev = min_stddev
    super().__init__(action_size, **shared)
    x = self.feature_size
    hidden = self.hidden_size
    self._gru_input = _dense(stochastic_size + action_size, hidden, 'elu')
    self._gates = _dense(hidden + gru_size, 2 * gru_size, 'sigmoid')
    self._candidate = _dense(hidden + gru_size, gru_size, 'tanh')
    self._p_s = self._head(gru_size)
    self._q_s = self._head(gru_size + x)

  @property
  def latent_size(self):
    return self._gru_size + self._stochastic_size

  def first_prior(self, batch_shape, seed):
    return self.prior_step(*self._before(batch_shape), seed)

  def first_posterior(self, feature, seed):
    before = self._before(tf.shape(feature)[:-1])
    return self.posterior_step(*before, feature, seed)

  def prior_step(self, state, action, seed):
    h = self._recur(state, action)
    return Belief(h, self._draw(self._p_s(h), seed))

  def posterior_step(self, state, action, feature, seed):
    h = self._recur(state, action)
    return Belief(h, self._draw(self._q_s(tf.concat([h, feature], -1)), seed))

  def kl(self, posterior, prior):
    return posterior.s.kl(prior.s)

  def latent(self, state):
    return tf.concat([state.h, state.s.sample], -1)

  def _before(self, batch_shape):
    """The state and the action that lead to a first step."""

    def zeros(size):
      return tf.zeros(tf.concat([batch_shape, [size]], 0))

    s = Gaussian(*[zeros(self._stochastic_size)] * 3)
    return Belief(zeros(self._gru_size), s), zeros(self.action_size)

  def _recur(self, state, action):
    # A GRU written out: with Keras' GRUCell, TensorFlow's graph optimizer makes
    # a cyclic graph here, complains, and gives up.
    h = state.h
    x = self._gru_input(tf.concat([state.s.sample, action], -1))
    update, reset = tf.split(self._gates(tf.concat([x, h], -1)), 2, axis=-1)
    candidate = self._candidate(tf.concat([x, reset * h], -1))
    return update * h + (1 - update) * candidate

  def _draw(self, outputs, seed):
    mean, raw = tf.split(outputs, 2, axis=-1)
    stddev = tf.nn.softplus(raw) + self._min_stddev
    return Gaussian.draw(tfd.Independent(tfd.Normal(mean, stddev), 1), seed)

  def _head(self, input_size):
    network = tf.keras.Sequential(
      [
        layers.Dense(self.hidden_size, 'elu'),
        layers.Dense(2 * self._stochastic_size),
      ]
    )
    network.build([None, input_size])
    return network


def _dense(input_size, output_size, activation):
  layer = layers.Dense(output_size, activation)
  layer.build([None, input_size])
  return layer
