"""Says what a latent variable model knows of episodes it is not trained on.

A loss over all pixels says little of a ball of twenty, and nothing of where the
ball is to the critics. So the error is also taken where something stands before
the background, and the simulator's state is read off the latents linearly.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from slac.agents import slac_agent
from slac.models import networks
from slac.training import evaluation

# In units of a pixel's range: what differs less is taken for background.
_CONTRAST = 0.1
# The background is the median of every tenth image.
_SPACING = 10
_PIECE = 128  # So many images are decoded at once, for memory's sake.
_RIDGE = 10.0  # Of standardised latents; of 0.1 to 100 it hardly matters which.


class Errors(NamedTuple):
  """Squared errors per pixel, of all, and of what is not background."""

  all: float
  foreground: float
  share: float  # Of the pixels that are not background.


class Sums(NamedTuple):
  """Of an episode's images: squared errors, and how many numbers have them."""

  all: float
  foreground: float
  num_foreground: int
  num_all: int


class Seen(NamedTuple):
  """What acting knows at the m steps of an episode from the T-th on."""

  z: np.ndarray  # [m, Z], samples of the filtering posterior.
  sums: Sums  # Of the means of p(x | z); the images would fill the memory.


def see(
  agent: slac_agent.SlacAgent, episode: evaluation.Episode, behind: np.ndarray
) -> Seen:
  """Returns what an agent's model makes of an episode of at least T steps.

  Args:
    agent: has the model.
    episode: the episode.
    behind: its background, `[H, W, C]`.
  """
  known = agent.filtered(episode.observation(...), episode.actions)
  z = known.latents[:, -1].numpy()
  images = [
    agent.model.image_distribution(z[start : start + _PIECE]).mean()
    for start in range(0, len(z), _PIECE)
  ]
  return Seen(z, sums_of(np.concatenate(images), episode, behind))


def background(episodes: Sequence[evaluation.Episode]) -> np.ndarray:
  """Returns the median image of episodes, `[H, W, C]`, in [0, 1]."""
  pixels = np.concatenate([episode.pixels[::_SPACING] for episode in episodes])
  return np.median(pixels, axis=0) / 255


def sums_of(
  images: np.ndarray, episode: evaluation.Episode, behind: np.ndarray
) -> Sums:
  """Returns the errors of images of an episode's last steps, `[m, H, W, C]`."""
  truth = networks.to_float(episode.pixels[-len(images) :]).numpy()
  error = np.square(truth - images)
  foreground = np.any(np.abs(truth - behind) > _CONTRAST, axis=-1)
  before = error[foreground]
  return Sums(
    error.sum(dtype=float), before.sum(dtype=float), before.size, error.size
  )


def errors_of(seen: Sequence[Seen]) -> Errors:
  """Returns the errors of what was seen of episodes, over all of its steps."""
  total, before, count, size = np.sum([own.sums for own in seen], axis=0)
  return Errors(total / size, before / count if count else np.nan, count / size)


def halves(
  seen: Sequence[Seen], episodes: Sequence[evaluation.Episode]
) -> list[tuple[np.ndarray, np.ndarray]]:
  """Returns latents and states of the first half of episodes, and the second.

  They are what `linear_probe` takes, of episodes whose states are known.
  """
  middle = len(episodes) // 2
  return [
    (
      np.concatenate([own.z for own in seen[half]]),
      np.concatenate(
        [
          episode.states[-len(own.z) :]
          for own, episode in zip(seen[half], episodes[half], strict=True)
        ]
      ),
    )
    for half in (slice(middle), slice(middle, None))
  ]


def linear_probe(
  known: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
  """Returns how well states are read off latents linearly, `[D]`.

  Ridge regression is fitted to what is known. How much of the variance of
  others it explains, R^2, is 1 where they are read without an error, 0 where
  as well as by their mean, and not a number where they do not vary.

  Args:
    known: latents `[n, Z]` and states `[n, D]`.
    other: of other episodes, `[m, Z]` and `[m, D]`.
  """
  z, states, other_z, other_states = (
    np.asarray(x, float) for x in (*known, *other)
  )
  center, scale = z.mean(axis=0), z.std(axis=0)
  scale = np.where(scale > 0, scale, 1.0)
  x, other_x = ((each - center) / scale for each in (z, other_z))
  mean = states.mean(axis=0)
  weights = np.linalg.solve(
    x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ (states - mean)
  )
  error = np.mean(np.square(other_states - mean - other_x @ weights), axis=0)
  variance = other_states.var(axis=0)
  return 1 - error / np.where(variance > 0, variance, np.nan)
