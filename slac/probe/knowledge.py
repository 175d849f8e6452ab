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


class Seen(NamedTuple):
  """What acting knows at the m steps of an episode from the T-th on."""

  z: np.ndarray  # [m, Z], samples of the filtering posterior.
  images: np.ndarray  # [m, H, W, C], the means of p(x | z).


def see(agent: slac_agent.SlacAgent, episode: evaluation.Episode) -> Seen:
  """Returns what an agent's model makes of an episode of at least T steps."""
  known = agent.filtered(episode.observation(...), episode.actions)
  z = known.latents[:, -1].numpy()
  images = [
    agent.model.image_distribution(z[start : start + _PIECE]).mean()
    for start in range(0, len(z), _PIECE)
  ]
  return Seen(z, np.concatenate(images))


def background(episodes: Sequence[evaluation.Episode]) -> np.ndarray:
  """Returns the median image of episodes, `[H, W, C]`, in [0, 1]."""
  pixels = np.concatenate([episode.pixels[::_SPACING] for episode in episodes])
  return np.median(pixels, axis=0) / 255


def errors_of(
  seen: Sequence[Seen], episodes: Sequence[evaluation.Episode]
) -> Errors:
  """Returns the errors of what was seen of episodes, over all of its steps."""
  behind = background(episodes)
  total, before, count, size = 0.0, 0.0, 0, 0
  for own, episode in zip(seen, episodes, strict=True):
    truth = networks.to_float(episode.pixels[-len(own.images) :]).numpy()
    error = np.square(truth - own.images)
    foreground = np.any(np.abs(truth - behind) > _CONTRAST, axis=-1)
    total += error.sum(dtype=float)
    before += error[foreground].sum(dtype=float)
    count += foreground.sum()
    size += foreground.size
  channels = behind.shape[-1]
  return Errors(
    total / (size * channels),
    before / (count * channels) if count else np.nan,
    count / size,
  )


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
