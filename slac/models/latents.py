"""Latent states: Gaussians, and structures of `[B, n, ...]` made of them."""

from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability import random as tfr


class Gaussian(NamedTuple):
  """A diagonal Gaussian and one reparameterised sample of it, `[..., D]`."""

  mean: tf.Tensor
  stddev: tf.Tensor
  sample: tf.Tensor

  @classmethod
  def draw(cls, distribution: tfd.Independent, seed: tf.Tensor):
    """Samples from an Independent(Normal) with a stateless seed `[2]`."""
    normal = distribution.distribution
    return cls(normal.loc, normal.scale, distribution.sample(seed=seed))

  def distribution(self) -> tfd.Independent:
    return tfd.Independent(tfd.Normal(self.mean, self.stddev), 1)

  def kl(self, prior) -> tf.Tensor:
    """Returns KL(self || prior), summed over D."""
    return tfd.kl_divergence(self.distribution(), prior.distribution())


def standard_normal(batch_shape, size) -> tfd.Independent:
  """Returns N(0, I) over `[*batch_shape, size]`."""
  shape = tf.concat([batch_shape, [size]], 0)
  return tfd.Independent(tfd.Normal(tf.zeros(shape), tf.ones(shape)), 1)


def stack(states):
  """Returns a list of states, steps of `[B, ...]`, as one of `[B, n, ...]`."""
  return tf.nest.map_structure(lambda *x: tf.stack(x, axis=1), *states)


def step(states, t):
  """Returns step t of a structure of `[B, n, ...]`."""
  return tf.nest.map_structure(lambda x: x[:, t], states)


def where(mask, x, y):
  """Selects between two structures by a mask of their batch dimensions."""

  def select(x, y):
    rank = len(x.shape) - len(mask.shape)
    return tf.where(mask[(...,) + (tf.newaxis,) * rank], x, y)

  return tf.nest.map_structure(select, x, y)


def split_seed(seed: tf.Tensor, n: int = 2) -> list[tf.Tensor]:
  """Returns n independent stateless seeds, `[2]` each."""
  return tfr.split_seed(seed, n)
