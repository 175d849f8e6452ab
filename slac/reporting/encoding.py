"""Pictures and films as what is in their files: PNGs and GIFs."""

import io
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from PIL import Image

_MILLISECONDS = 70  # Of a frame; GIFs count tens of them.


class Encoded(NamedTuple):
  """A picture or a film, encoded.

  Attributes:
    data: What is in its file.
    suffix: Of the file's name, without a dot.
    height: In pixels.
    width: In pixels.
  """

  data: bytes
  suffix: str
  height: int
  width: int


def encode(drawn: Mapping[str, np.ndarray]) -> dict[str, Encoded]:
  """Returns films, uint8 [N, H, W, 3], as GIFs, and pictures as PNGs."""
  encoded = {}
  for name, pixels in drawn.items():
    height, width, _ = pixels.shape[-3:]
    is_film = pixels.ndim == 4
    data, suffix = (gif(pixels), 'gif') if is_film else (png(pixels), 'png')
    encoded[name] = Encoded(data, suffix, height, width)
  return encoded


def png(pixels: np.ndarray) -> bytes:
  """Returns a picture, uint8 [H, W, 3], as a PNG."""
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, 'PNG')
  return file.getvalue()


def gif(frames: np.ndarray) -> bytes:
  """Returns frames, uint8 [N, H, W, 3], as an endless GIF.

  All frames share one palette and none is dithered, lest a still background
  should flicker; it is one that does not give up rare colours, as small objects
  have.
  """
  # Without the lowest bits, or noise (all colours differ) would take a minute.
  coarse = Image.fromarray(np.concatenate(frames) & 0xFC | 0x02)
  palette = coarse.quantize(256, Image.Quantize.MAXCOVERAGE)
  images = [
    Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
    for frame in frames
  ]
  file = io.BytesIO()
  images[0].save(
    file,
    'GIF',
    save_all=True,
    append_images=images[1:],
    duration=_MILLISECONDS,
    loop=0,
    optimize=False,
  )
  return file.getvalue()
