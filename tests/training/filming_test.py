"""Which steps of an episode a film shows."""

import types

import numpy as np
import pytest

from slac import errors
from slac.training import filming


def film_of(n):
  """The film of n steps, and the steps at which something was drawn."""
  drawn = []

  def draw(size):
    drawn.append(step)
    return np.full([*size, 3], step % 256, np.uint8)

  film = filming.Film(types.SimpleNamespace(draw_for_film=draw))
  for step in range(n):
    film.add(step)
  return film, drawn


@pytest.mark.parametrize(
  ('n', 'interval', 'left', 'drawn'),
  [
    (1, 1, 1, 1),
    (128, 1, 128, 128),
    (129, 2, 65, 129),
    (256, 2, 128, 192),
    # The episodes of the DeepMind Control Suite, with action repeat 4 and 2.
    (251, 2, 126, 190),
    (501, 4, 126, 254),
  ],
)
def test_frames_are_evenly_spaced_and_not_too_many(n, interval, left, drawn):
  film, steps = film_of(n)
  assert film.steps == list(range(0, n, interval))
  assert len(film.frames) == len(film.steps) == left
  assert len(steps) == drawn
  for step, frame in zip(film.steps, film.frames, strict=True):
    assert frame.shape == (256, 256, 3) and frame[0, 0, 0] == step % 256


def test_what_cannot_draw_has_no_film():
  film = filming.Film(types.SimpleNamespace())
  film.add(0)
  assert film.frames == []


def test_an_image_that_is_drawn_over_leaves_its_frames():
  image = np.zeros([4, 4, 3], np.uint8)

  def draw(size):
    image[:] += 1
    return image

  film = filming.Film(types.SimpleNamespace(draw_for_film=draw))
  for step in range(3):
    film.add(step)
  assert [frame[0, 0, 0] for frame in film.frames] == [1, 2, 3]


def test_a_frame_of_another_size_ends_the_film():
  sizes = iter([4, 4, 5])

  def draw(size):
    return np.zeros([next(sizes), 4, 3], np.uint8)

  film = filming.Film(types.SimpleNamespace(draw_for_film=draw))
  film.add(0)
  film.add(1)
  with pytest.raises(errors.UserError, match=r'\[5, 4, 3\] after \[4, 4, 3\]'):
    film.add(2)
