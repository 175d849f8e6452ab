"""Returns of imagined steps, and of those that were seen."""

from typing import Annotated, NamedTuple

import gin
import numpy as np
import tensorflow as tf

from slac.config import settings


class Estimates(NamedTuple):
  """What is said of returns at steps t of an episode, each `[m]`."""

  seen: np.ndarray  # The discounted return that followed; see `seen`.
  q: np.ndarray  # The critics' value of the action that was taken.
  bound: np.ndarray | None = None  # The lower bound of which an agent learns.


@gin.configurable
class NStepReturn:
  """The rewards of n steps in a row, and what discounts the value after them.

  One step is Eq. (9). More are beyond the paper, as in Rainbow (Hessel et al.
  2018): off-policy they are not corrected, and the entropies of the steps
  between are left out.
  """

  def __init__(self, num_steps: Annotated[int, settings.Range(1, 100)] = 1):
    """Takes n; experience is n - 1 steps longer than with one."""
    self.num_steps = num_steps

  def __call__(
    self, reward: tf.Tensor, discount: tf.Tensor, gamma: float
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns R and D, `[B]` each, of the target R + gamma D V(z_{t+n}).

    Args:
      reward: r_t to r_{t+n-1}, `[B, n]`.
      discount: `[B, n]`: 0 at a true termination, else 1.
      gamma: the discount factor.
    """
    *rewards, total = tf.unstack(reward, axis=1)
    *discounts, kept = tf.unstack(discount, axis=1)
    for r, d in zip(reversed(rewards), reversed(discounts), strict=True):
      total, kept = r + gamma * d * total, gamma * d * kept
    return total, kept


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


def seen(rewards: np.ndarray, gamma: float, last: float) -> np.ndarray:
  """Returns the discounted return that follows each step, `[n]`.

  Args:
    rewards: r_0 to r_{n-1}, `[n]`.
    gamma: the discount factor.
    last: the value after the last: 0 where the episode has terminated, else an
      estimate of what a time limit has cut off.
  """
  found = np.empty(len(rewards))
  for t in reversed(range(len(rewards))):
    last = found[t] = rewards[t] + gamma * last
  return found
