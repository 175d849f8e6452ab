"""Pictures of episodes, and of what the model makes of them (Fig. 14)."""

import io
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from slac.agents import base
from slac.training import evaluation

ROWS = ('truth', 'posterior', 'conditional prior', 'prior')
# Wide enough for the longest name in Pillow's own font.
LABEL_WIDTH = 104
MAX_FRAMES = 125  # More in each film would fill the disk over a run.
FPS = 15.0
ENLARGEMENT = 3  # As a frame of 64 x 64 is too small to be looked at.
WINDOWS = 6  # So many parts of an episode stand side by side in a film.


def of_episode(
  agent: base.Agent, episode: evaluation.Episode, seed: Sequence[int]
) -> dict[str, np.ndarray]:
  """Returns the pictures of an episode by their names; none without pixels.

  'episode' is a film, uint8 `[n, H, W, 3]`. Where the agent has a model and the
  episode is long enough, Fig. 14 is there as a film of several parts of the
  episode ('dreams') and as one picture of the first of them ('dream').
  """
  if not len(episode.pixels):
    return {}
  drawn = {'episode': as_rgb(thin(episode.pixels))}
  windows = evenly_spaced_windows(
    len(episode.pixels), agent.train_sequence_length, WINDOWS
  )
  if agent.model and len(windows):
    # The seed is a tensor, as the graph would be traced for each other value.
    rows = agent.model.dream(
      episode.observation(windows), episode.actions[windows], tf.constant(seed)
    ).numpy()
    rows = as_rgb(rows)
    drawn |= {'dreams': film(rows), 'dream': strip(rows[:, 0])}
  return drawn


def as_rgb(images: np.ndarray) -> np.ndarray:
  """Returns images as a person looks at them.

  Args:
    images: uint8 `[..., H, W, C]`: grey, in colours, or several in colours.

  Returns:
    uint8 `[..., H, W C / 3, 3]`, several of them side by side; or of grey ones
    `[..., H, W, 3]`.
  """
  if images.shape[-1] == 1:
    return np.repeat(images, 3, axis=-1)
  several = np.split(images, images.shape[-1] // 3, axis=-1)
  return np.concatenate(several, axis=-2)


def evenly_spaced_windows(n: int, length: int, count: int) -> np.ndarray:
  """Returns windows of n steps that reach both ends, `[count, length]`.

  They are the numbers of the steps in them. Of fewer than `length` steps there
  is no window, `[0, length]`.
  """
  starts = np.linspace(0, n - length, count if n >= length else 0).astype(int)
  return starts[:, np.newaxis] + np.arange(length)


def covering_windows(n: int, length: int) -> np.ndarray:
  """Returns windows that hold each of n steps, `[B, min(length, n)]`.

  The last ends at the last step, and may share steps with the one before it.
  """
  length = min(length, n)
  starts = np.minimum(np.arange(0, n, length), n - length)
  return starts[:, np.newaxis] + np.arange(length)


def strip(rows: np.ndarray) -> np.ndarray:
  """Lays the four rows of Fig. 14 out over time.

  Args:
    rows: uint8 `[4, n, H, W, 3]`, see `LatentModel.dream`.

  Returns:
    uint8 `[4 H, LABEL_WIDTH + n W, 3]`.
  """
  over_time = [np.concatenate(list(row), axis=1) for row in rows]
  return _with_labels(np.concatenate(over_time))


def film(rows: np.ndarray) -> np.ndarray:
  """Plays several sequences side by side, in the four rows of Fig. 14.

  Args:
    rows: uint8 `[4, B, n, H, W, 3]`.

  Returns:
    Frames, uint8 `[n, 4 H, LABEL_WIDTH + B W, 3]`.
  """
  return np.stack([strip(rows[:, :, t]) for t in range(rows.shape[2])])


def thin(frames: np.ndarray) -> np.ndarray:
  """Returns every k-th frame, such that at most MAX_FRAMES are left."""
  return frames[:: -(-len(frames) // MAX_FRAMES)]


def _with_labels(image):
  height = len(image) // len(ROWS)
  labels = Image.new('RGB', (LABEL_WIDTH, len(image)), 'white')
  draw = ImageDraw.Draw(labels)
  for i, name in enumerate(ROWS):
    draw.text((4, i * height + height // 2 - 6), name, fill='black')
  return np.concatenate([np.asarray(labels), image], axis=1)


def encode_png(pixels: np.ndarray) -> bytes:
  """Returns a picture, uint8 [H, W, 3], as an enlarged PNG."""
  file = io.BytesIO()
  _enlarge(Image.fromarray(pixels)).save(file, 'PNG')
  return file.getvalue()


def encode_gif(frames: np.ndarray, fps: float) -> bytes:
  """Returns frames, uint8 [N, H, W, 3], as an enlarged endless GIF.

  All frames share one palette and none is dithered, lest a still background
  should flicker; it is one that does not give up rare colours, as small objects
  have.
  """
  # Without the lowest bits, or noise (all colours differ) would take a minute.
  coarse = Image.fromarray(np.concatenate(frames) & 0xFC | 0x02)
  palette = coarse.quantize(256, Image.Quantize.MAXCOVERAGE)
  images = [
    _enlarge(
      Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
    )
    for frame in frames
  ]
  file = io.BytesIO()
  images[0].save(
    file,
    'GIF',
    save_all=True,
    append_images=images[1:],
    # In milliseconds; GIF stores tens of them, and browsers slow down below 20.
    duration=max(20, 10 * round(100 / fps)),
    loop=0,
    optimize=False,
  )
  return file.getvalue()


def _enlarge(image: Image.Image) -> Image.Image:
  size = [ENLARGEMENT * pixels for pixels in image.size]
  return image.resize(size, Image.Resampling.NEAREST)
