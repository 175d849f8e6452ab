"""Pictures of episodes, and of what the model makes of them (Fig. 14)."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont
from tf_agents.trajectories import time_step as ts

from slac.agents import base
from slac.models import latent_model, latents, networks
from slac.reporting import charts
from slac.training import evaluation, filming

ROWS = ('truth', 'posterior', 'conditional\nprior', 'prior')
FILM_HEIGHT = 256  # Of what an agent sees, beside a film as large.
ROW_HEIGHT = 128
WINDOWS = 6  # So many parts of an episode stand side by side in a film.
# In parts of a row's height. TensorBoard shows a strip in a fourth of its size,
# where letters must still be read.
_FONT, _GAP, _LABEL_WIDTH = 0.4, 1 / 16, 2.25
_PIECE = 16  # So many windows are reconstructed at once.


def of_episode(
  agent: base.Agent, episode: evaluation.Episode, seed: Sequence[int]
) -> dict[str, np.ndarray]:
  """Returns the pictures of an episode by their names.

  'episode' is a film, see `side_by_side`, unless nothing was seen. Where the
  agent has a model and the episode is long enough, Fig. 14 is there as a film
  of several parts of the episode ('dreams') and as one picture of the first of
  them ('dream'). 'returns' is the chart of an agent that learns of a bound.
  """
  drawn = {}
  if 'bound' in agent.estimated and (
    estimates := evaluation.estimates(agent, episode)
  ):
    drawn['returns'] = charts.returns_of_episode(estimates)
  if not was_seen(episode):
    return drawn
  drawn['episode'] = side_by_side(episode, as_rgb(episode.pixels))
  windows = evaluation.evenly_spaced_windows(
    len(episode.pixels), agent.train_sequence_length, WINDOWS
  )
  if agent.model and len(windows):
    # The seed is a tensor, as the graph would be traced for each other value.
    rows = agent.model.dream(
      episode.observation(windows), episode.actions[windows], tf.constant(seed)
    ).numpy()
    rows = as_rgb(rows)
    drawn['dreams'] = film(rows, windows)
    drawn['dream'] = strip(rows[:, 0], windows[0])
  return drawn


def reconstructed(
  model: latent_model.LatentModel,
  episode: evaluation.Episode,
  windows: np.ndarray,
  seed: Sequence[int],
) -> np.ndarray:
  """Returns the second row of `dream` alone, of any number of windows.

  All at once, the layers' maps of an episode of 1,000 steps would take
  gigabytes.

  Args:
    model: reconstructs by its posterior.
    episode: of whose steps these are.
    windows: the numbers of the steps, `[B, n]`.
    seed: what `dream` is given, with which it draws the same.

  Returns:
    uint8 `[B, n, H, W, C]`.
  """
  pieces = np.split(windows, range(_PIECE, len(windows), _PIECE))
  features = [model.encode(episode.observation(piece)) for piece in pieces]
  posterior = model.infer(
    tf.concat(features, axis=0),
    episode.actions[windows],
    tf.fill(windows.shape, ts.StepType.MID),
    latents.split_seed(tf.constant(seed), 4)[0],
  )
  z = model.latent(posterior)
  images = [
    networks.to_pixels(model.decoder(z[start : start + _PIECE]))
    for start in range(0, len(windows), _PIECE)
  ]
  return np.concatenate(images)


def as_rgb(images: np.ndarray) -> np.ndarray:
  """Returns images as a person looks at them.

  Args:
    images: uint8 `[..., H, W, C]`: grey, in colours, or several in colours; or
      none, `[0]`.

  Returns:
    uint8 `[..., H, W C / 3, 3]`, several of them side by side; or of grey ones
    `[..., H, W, 3]`.
  """
  if not len(images):
    return images
  if images.shape[-1] == 1:
    return np.repeat(images, 3, axis=-1)
  several = np.split(images, images.shape[-1] // 3, axis=-1)
  return np.concatenate(several, axis=-2)


def was_seen(episode: evaluation.Episode) -> bool:
  """Whether there are images of an episode, the agent's or others."""
  return bool(len(episode.pixels) or len(episode.film))


def side_by_side(episode: evaluation.Episode, images: np.ndarray) -> np.ndarray:
  """Returns the film of an episode, and beside it what the agent sees.

  Args:
    episode: the episode; if it has not been filmed, the images are all.
    images: what belongs to each of its steps, uint8 `[n + 1, h, w, 3]`, which
      is enlarged such that one sees each pixel; or none, `[0]`.

  Returns:
    At most `filming.MAX_FRAMES` frames, uint8 `[m, H, W, 3]`.
  """
  if not len(images):
    return enlarged(episode.film, FILM_HEIGHT)
  if not len(episode.film):
    return enlarged(thin(images), FILM_HEIGHT)
  seen = enlarged(images[episode.filmed], FILM_HEIGHT)
  height = max(seen.shape[1], episode.film.shape[1])
  gap = np.full([len(seen), height, round(_GAP * height), 3], 255, np.uint8)
  parts = [_padded(x, height) for x in (episode.film, seen)]
  return np.concatenate([parts[0], gap, parts[1]], axis=2)


def covering_windows(n: int, length: int) -> np.ndarray:
  """Returns windows that hold each of n steps, `[B, min(length, n)]`.

  The last ends at the last step, and may share steps with the one before it.
  """
  length = min(length, n)
  starts = np.minimum(np.arange(0, n, length), n - length)
  return starts[:, np.newaxis] + np.arange(length)


def strip(rows: np.ndarray, steps: Sequence[int]) -> np.ndarray:
  """Lays the four rows of Fig. 14 out, with a time axis below them.

  Args:
    rows: uint8 `[4, n, H, W, 3]`, see `LatentModel.dream`.
    steps: the number of the agent step that each column shows, `[n]`.

  Returns:
    uint8 `[H', W', 3]`, in which images are about `ROW_HEIGHT` high.
  """
  rows = enlarged(rows, ROW_HEIGHT)
  height, width = rows.shape[2:4]
  bottom, right = corner(height, width, len(ROWS), len(steps))
  below = round((2 * _GAP + 1.2 * _FONT) * height)
  drawn = Image.new('RGB', (right, bottom + below), 'white')
  draw = ImageDraw.Draw(drawn)
  font = ImageFont.load_default(_FONT * height)
  gap = round(_GAP * height)
  for i, (name, row) in enumerate(zip(ROWS, rows, strict=True)):
    middle = corner(height, width, i, 0)[0] + height // 2
    draw.multiline_text((gap, middle), name, 'black', font, anchor='lm')
    for t, image in enumerate(row):
      top, left = corner(height, width, i, t)
      drawn.paste(Image.fromarray(image), (left, top))
  draw.text((gap, bottom + gap), 'agent step', 'black', font, anchor='lt')
  for t, step in enumerate(steps):
    middle = corner(height, width, 0, t)[1] + width // 2
    place = middle, bottom + gap
    draw.text(place, str(step), 'black', font, anchor='mt')
  return np.asarray(drawn)


def corner(height: int, width: int, row: int, column: int) -> tuple[int, int]:
  """Returns where in a strip the image of a row and a column begins.

  Args:
    height, width: the images', as they are drawn.
    row, column: as numbers from 0.

  Returns:
    Its distance from the top and from the left.
  """
  gap = round(_GAP * height)
  left = round(_LABEL_WIDTH * height)
  return row * (height + gap), left + column * (width + gap)


def film(rows: np.ndarray, steps: np.ndarray) -> np.ndarray:
  """Plays several sequences side by side, in the four rows of Fig. 14.

  Args:
    rows: uint8 `[4, B, n, H, W, 3]`.
    steps: the number of the agent step that each image shows, `[B, n]`.

  Returns:
    Frames, uint8 `[n, H', W', 3]`, see `strip`.
  """
  return np.stack(
    [strip(rows[:, :, t], steps[:, t]) for t in range(rows.shape[2])]
  )


def thin(frames: np.ndarray) -> np.ndarray:
  """Returns every k-th frame, such that no film has more than it may have."""
  return frames[:: -(-len(frames) // filming.MAX_FRAMES)]


def enlarged(images: np.ndarray, height: int) -> np.ndarray:
  """Repeats each pixel, such that images are no higher than `height`.

  Args:
    images: uint8 `[..., H, W, 3]`; those that are higher stay as they are.
    height: the most.
  """
  times = max(1, height // images.shape[-3])
  return np.repeat(np.repeat(images, times, axis=-3), times, axis=-2)


def _padded(frames, height):
  """Puts white below frames `[m, H, W, 3]` that are less high."""
  below = height - frames.shape[1]
  sides = [(0, 0), (0, below), (0, 0), (0, 0)]
  return np.pad(frames, sides, constant_values=255)
