"""The inputs of actor and critics, computed alike in acting and training."""

import abc
from typing import NamedTuple

import gin
import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from slac.models import evidence


class Sizes(NamedTuple):
  """The sizes of what an input may be made of."""

  sequence_length: int  # T, the number of steps in a window.
  feature: int  # F, an observation's feature vector.
  latent: int  # Z, a latent sample.
  action: int  # A


class Input(abc.ABC):
  """What the actor or the critics see of consecutive steps.

  A subclass is built with `Sizes`, and sets `size`: D of what it returns.
  """

  size: int

  @abc.abstractmethod
  def __call__(self, steps: evidence.Evidence) -> tf.Tensor:
    """Maps n steps to `[B, n - T + 1, size]`, one row for each full window."""


@gin.configurable
class HistoryInput(Input):
  """Features of the last T observations and the T - 1 actions between them.

  What lies before the episode's first step is padded: its first observation is
  repeated, and actions are zero (App. C).
  """

  def __init__(self, sizes: Sizes):
    self._length = length = sizes.sequence_length
    self.size = length * sizes.feature + (length - 1) * sizes.action

  def __call__(self, steps: evidence.Evidence) -> tf.Tensor:
    length = self._length
    windows = []
    for start in range(steps.step_type.shape[1] - length + 1):
      window = slice(start, start + length)
      first = _episode_start(steps.step_type[:, window])
      features = _repeat_first(steps.features[:, window], first)
      past = tf.range(length - 1)[tf.newaxis] >= first[:, tf.newaxis]
      actions = steps.actions[:, start : start + length - 1]
      actions = tf.where(past[..., tf.newaxis], actions, 0.0)
      windows.append(tf.concat([_flat(features), _flat(actions)], -1))
    return tf.stack(windows, axis=1)


@gin.configurable
class LatentInput(Input):
  """A sample z_t of the filtering posterior."""

  def __init__(self, sizes: Sizes):
    self._length = sizes.sequence_length
    self.size = sizes.latent

  def __call__(self, steps: evidence.Evidence) -> tf.Tensor:
    return steps.latents[:, self._length - 1 :]


def frame_stacks(
  pixels: tf.Tensor, step_type: tf.Tensor, length: int
) -> tf.Tensor:
  """Stacks each image on those before it, the oldest in front.

  An episode's first image stands for those before it, as in `HistoryInput`.

  Args:
    pixels: `[B, n, H, W, C]`.
    step_type: `[B, n]`.
    length: T, how many images a stack holds.

  Returns:
    `[B, n - T + 1, H, W, T C]`, one stack for each full window.
  """
  stacks = []
  for start in range(step_type.shape[1] - length + 1):
    window = slice(start, start + length)
    images = _repeat_first(
      pixels[:, window], _episode_start(step_type[:, window])
    )
    stacks.append(tf.concat(tf.unstack(images, length, axis=1), axis=-1))
  return tf.stack(stacks, axis=1)


def episode_windows(n: int, length: int) -> tuple[np.ndarray, tf.Tensor]:
  """Returns the numbers and the types of the steps that acting sees.

  Args:
    n: how many steps an episode has.
    length: T.

  Returns:
    Both `[n - T + 1, T]`, one row for each full window.
  """
  starts = np.arange(n - length + 1)
  windows = starts[:, np.newaxis] + np.arange(length)
  # A window's own first step is taken for one whatever its type.
  return windows, tf.fill(windows.shape, ts.StepType.MID)


def _episode_start(step_type):
  """The index of the last FIRST in `[B, T]`, or 0 where there is none."""
  length = step_type.shape[1]
  first = tf.cast(step_type == ts.StepType.FIRST, tf.int32)
  return tf.reduce_max(first * tf.range(length)[tf.newaxis], axis=1)


def _repeat_first(x, first):
  """Puts step `first`, `[B]`, of x, `[B, T, ...]`, in place of those before."""
  index = tf.range(x.shape[1])[tf.newaxis]
  return tf.gather(x, tf.maximum(index, first[:, tf.newaxis]), batch_dims=1)


def _flat(x):
  return tf.reshape(x, [-1, x.shape[1] * x.shape[2]])
