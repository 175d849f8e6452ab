"""The film that play writes; the command itself is in train_eval_test.py."""

import numpy as np
import pytest

from slac import evaluation, play


class Negative:
  """A model whose reconstruction is the negative of each image."""

  def __init__(self):
    self.lengths = set()

  def dream(self, pixels, actions, seed):
    del seed
    assert pixels.shape[:2] == actions.shape[:2]
    self.lengths.add(pixels.shape[1])
    black = np.zeros_like(pixels)
    return np.stack([pixels, 255 - pixels, black, black])


def make_episode(n):
  """An episode whose t-th image has the value t everywhere."""
  pixels = np.arange(n, dtype=np.uint8)[:, None, None, None]
  pixels = np.broadcast_to(pixels, [n, 64, 64, 3])
  return evaluation.Episode(0.0, pixels, np.zeros([n, 2], np.float32))


@pytest.mark.parametrize('n', [1, 3, 4, 8, 9])
def test_every_image_stands_beside_its_own_reconstruction(n):
  model = Negative()
  film = play.film(model, make_episode(n), length=4)
  assert film.shape == (n, 64, 128, 3)
  for t in range(n):
    assert (film[t, :, :64] == t).all()
    assert (film[t, :, 64:] == 255 - t).all()
  assert model.lengths == {min(n, 4)}
