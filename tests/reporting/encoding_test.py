"""What becomes of colours in GIFs, and which file a picture is."""

import io

import numpy as np
from PIL import Image, ImageSequence

from slac.reporting import encoding


def test_films_are_gifs_and_pictures_are_pngs():
  pixels = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
  frames = np.stack([pixels, 255 - pixels])
  encoded = encoding.encode({'dream': pixels, 'episode': frames})
  image = Image.open(io.BytesIO(encoded['dream'].data))
  np.testing.assert_array_equal(np.asarray(image), pixels)
  film = Image.open(io.BytesIO(encoded['episode'].data))
  assert (image.format, film.format, film.size) == ('PNG', 'GIF', (4, 2))
  assert film.info['duration'] == 70
  described = {name: picture[1:] for name, picture in encoded.items()}
  assert described == {'dream': ('png', 2, 4), 'episode': ('gif', 2, 4)}


def test_a_still_background_does_not_flicker():
  random = np.random.default_rng(0)
  background = random.integers(0, 256, [64, 64, 3], np.uint8)
  frames = np.stack([background] * 5)
  for i in range(5):
    frames[i, 8 * i : 8 * i + 8, :8] = random.integers(0, 256, [8, 8, 3])
  image = Image.open(io.BytesIO(encoding.gif(frames)))
  shown = [np.asarray(f.convert('RGB')) for f in ImageSequence.Iterator(image)]
  assert len(shown) == 5
  for frame in shown[1:]:
    np.testing.assert_array_equal(frame[:, 24:], shown[0][:, 24:])


def test_small_objects_keep_their_colours():
  random = np.random.default_rng(0)
  frame = np.zeros((64, 64, 3), np.uint8)
  frame[:] = random.integers(0, 60, [64, 64, 3]) + np.array([20, 60, 90])
  # Nine pixels, like a ball in the light: shades of a colour that is rare.
  shades = np.linspace(0.4, 1, 9).reshape(3, 3, 1)
  frame[30:33, 30:33] = (shades * [255, 80, 0]).astype(np.uint8)
  image = Image.open(io.BytesIO(encoding.gif(np.stack([frame] * 3))))
  shown = np.asarray(image.convert('RGB')).astype(int)
  assert np.abs(shown - frame).max() < 20
