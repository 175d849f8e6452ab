"""How much rather newer sequences are drawn from the replay than older ones."""

import numpy as np


def places(
  generator: np.random.Generator, n: int, size: int, recency: float
) -> np.ndarray:
  """Draws places, `[size]`, in a row of n that begins with the oldest.

  Of the share x of the newest, x^(1 / recency) of the draws are: with 2, half
  of them are of the newest quarter. A plainer form of Wang and Ross (2019).

  Args:
    generator: is drawn from.
    n: the length of the row.
    size: how many places are drawn.
    recency: at least 1, with which all are drawn alike.
  """
  if recency == 1:
    return generator.integers(n, size=size)
  share = generator.random(size) ** recency
  return n - 1 - (share * n).astype(np.int64)
