"""Where each image of Fig. 14 stands."""

import types

import numpy as np
import pytest
import tensorflow as tf

from slac.agents import returns
from slac.reporting import pictures
from slac.training import evaluation, filming
from tests import tiny

# So high that nothing is enlarged.
HEIGHT, WIDTH = pictures.ROW_HEIGHT, 40


def numbered(*shape):
  """Images of one colour each, 1, 2, ..., in the shape [*shape, H, W, 3]."""
  numbers = 1 + np.arange(np.prod(shape)).reshape([*shape, 1, 1, 1])
  return np.broadcast_to(numbers, [*shape, HEIGHT, WIDTH, 3]).astype(np.uint8)


def tile(image, row, column):
  top, left = pictures.corner(HEIGHT, WIDTH, row, column)
  return image[top : top + HEIGHT, left : left + WIDTH]


def test_a_strip_has_time_to_the_right_and_a_row_for_each_kind():
  image = pictures.strip(numbered(4, 3), range(3))
  assert image.dtype == np.uint8
  for row in range(4):
    for t in range(3):
      assert np.all(tile(image, row, t) == 1 + 3 * row + t)
      # White stands between each image and the next ones.
      top, left = pictures.corner(HEIGHT, WIDTH, row, t)
      assert np.all(image[top, left + WIDTH : left + WIDTH + 8] == 255)
      assert np.all(image[top + HEIGHT : top + HEIGHT + 8, left] == 255)
  assert image.shape[1] == pictures.corner(HEIGHT, WIDTH, 0, 3)[1]


def test_small_images_are_enlarged_pixel_by_pixel():
  rows = np.zeros([4, 1, 32, 32, 3], np.uint8)
  rows[1, 0, 2, 5] = 200
  image = pictures.strip(rows, [0])
  top, left = pictures.corner(128, 128, 1, 0)
  lit = np.argwhere(image[top : top + 128, left : left + 128, 0] == 200)
  assert (lit.min(axis=0).tolist(), lit.max(axis=0).tolist(), len(lit)) == (
    [8, 20],
    [11, 23],
    16,
  )


def test_every_row_has_a_label_of_its_own_that_is_not_cut_off():
  image = pictures.strip(numbered(4, 1), [0])
  _, left = pictures.corner(HEIGHT, WIDTH, 0, 0)
  labels = [
    image[top : top + HEIGHT, :left]
    for top, _ in (pictures.corner(HEIGHT, WIDTH, i, 0) for i in range(5))
  ]
  assert len({label.tobytes() for label in labels}) == 5  # The axis has one.
  for label in labels:
    dark = np.argwhere(label.max(axis=-1) < 128)
    assert len(dark) > 500  # Letters
    assert np.all(label[[0, -1]] == 255)  # on white, with a margin.
    assert np.all(label[:, [0, -1]] == 255)
    # They are as high as a fifth of an image or more, with all their parts.
    assert np.ptp(dark[:, 0]) > HEIGHT / 5


def test_the_time_axis_names_each_column():
  first, second = (
    pictures.strip(numbered(4, 2), steps) for steps in ([0, 125], [0, 126])
  )
  bottom, left = pictures.corner(HEIGHT, WIDTH, 4, 1)
  assert np.all(first[:bottom] == second[:bottom])
  assert np.all(first[bottom:, : left - 20] == second[bottom:, : left - 20])
  assert np.any(first[bottom:, left:] != second[bottom:, left:])
  assert np.all(first[-1] == 255)  # It is not cut off.


def test_a_film_shows_one_step_of_all_sequences_in_a_frame():
  steps = np.array([[0, 1, 2], [7, 8, 9]])
  frames = pictures.film(numbered(4, 2, 3), steps)
  assert len(frames) == 3
  for t in range(3):
    expected = pictures.strip(numbered(4, 2, 3)[:, :, t], steps[:, t])
    np.testing.assert_array_equal(frames[t], expected)
    for row in range(4):
      for b in range(2):
        number = 1 + (row * 2 + b) * 3 + t
        assert np.all(tile(frames[t], row, b) == number)


@pytest.mark.parametrize(
  ('n', 'step', 'left'),
  [(1, 1, 1), (128, 1, 128), (129, 2, 65), (251, 2, 126), (1001, 8, 126)],
)
def test_thin_keeps_every_kth_frame(n, step, left):
  frames = pictures.thin(np.arange(n))
  assert len(frames) == left <= filming.MAX_FRAMES
  assert frames.tolist() == list(range(0, n, step))


def test_windows_are_evenly_spaced_and_reach_both_ends():
  windows = evaluation.evenly_spaced_windows(10, length=4, count=3)
  assert windows.tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
  windows = evaluation.evenly_spaced_windows(4, length=4, count=2)
  assert windows.tolist() == [[0, 1, 2, 3]] * 2
  assert len(evaluation.evenly_spaced_windows(3, length=4, count=2)) == 0


@pytest.mark.parametrize(
  ('n', 'expected'),
  [
    (2, [[0, 1]]),
    (3, [[0, 1, 2]]),
    (5, [[0, 1, 2], [2, 3, 4]]),
    (6, [[0, 1, 2], [3, 4, 5]]),
  ],
)
def test_windows_cover_every_step(n, expected):
  assert pictures.covering_windows(n, length=3).tolist() == expected


class Model:
  """What it is shown, in all four rows."""

  def dream(self, observation, actions, seed):
    pixels = observation['pixels']
    assert tf.is_tensor(seed)  # Or each seed would be traced anew.
    assert pixels.shape[:2] == actions.shape[:2]
    return tf.stack([tf.constant(pixels)] * 4)


def make_episode(n, filmed=(), size=64):
  """Images of the values 0, 1, ...; frames of the values 100, 101, ..."""
  values = np.arange(n, dtype=np.uint8)[:, None, None, None]
  return evaluation.Episode(
    0.0,
    np.broadcast_to(values, [n, size, size, 3]) if size else np.empty([0]),
    np.zeros([n, 1]),
    np.broadcast_to(100 + values[list(filmed)], [len(filmed), 256, 256, 3]),
    np.array(filmed, int),
  )


@pytest.mark.parametrize('piece', [1, 2, 16])
def test_a_film_of_any_length_has_what_the_figure_has(piece, monkeypatch):
  monkeypatch.setattr(pictures, '_PIECE', piece)
  model = tiny.model()
  # Far apart as uint8, or small differences would be rounded away.
  for variable in model.decoder.trainable_variables:
    variable.assign(2 * variable)
  actions = np.random.default_rng(0).normal(size=[8, 2]).astype(np.float32)
  episode = evaluation.Episode(0.0, tiny.pixels(1, 8)[0], actions)
  windows = pictures.covering_windows(8, 3)
  found = pictures.reconstructed(model, episode, windows, [5, -7])
  seed = tf.constant([5, -7])
  rows = model.dream(episode.observation(windows), actions[windows], seed)
  assert found.dtype == np.uint8
  np.testing.assert_allclose(found.astype(int), rows[1], atol=1)
  # Which does not depend on what else is dreamt of.
  first = windows[:1]
  one = model.dream(episode.observation(first), actions[first], seed)
  np.testing.assert_allclose(
    one.numpy().astype(int), rows[:, :1].numpy(), atol=1
  )


def of_episode(n, model=None, **film):
  agent = types.SimpleNamespace(
    model=model, train_sequence_length=3, estimated=()
  )
  return pictures.of_episode(agent, make_episode(n, **film), [0, 40])


def test_pictures_of_an_episode_and_of_windows_of_it():
  drawn = of_episode(5, Model())
  assert drawn['episode'].shape == (5, 256, 256, 3)
  lefts = [pictures.corner(128, 128, 0, t)[1] for t in range(6)]
  # Of the first window, the first three steps.
  assert drawn['dream'][0, lefts[:3], 0].tolist() == [0, 1, 2]
  # The windows begin at 0 to 2, rounded down.
  assert len(drawn['dreams']) == 3
  assert drawn['dreams'][0, 0, lefts, 0].tolist() == [0, 0, 0, 1, 1, 2]


def test_what_the_agent_sees_stands_beside_the_film():
  frames = of_episode(5, filmed=[0, 2, 4])['episode']
  assert frames.shape == (3, 256, 256 + 16 + 256, 3)
  for t, frame in enumerate(frames):
    assert np.all(frame[:, :256] == 100 + 2 * t)
    assert np.all(frame[:, 256:272] == 255)
    assert np.all(frame[:, 272:] == 2 * t)


def test_images_of_another_size_are_enlarged_as_far_as_they_fit():
  (frame,) = of_episode(1, filmed=[0], size=100)['episode']
  assert frame.shape == (256, 256 + 16 + 200, 3)
  assert np.all(frame[:200, 272:] == 0) and np.all(frame[200:, 272:] == 255)


def test_of_an_agent_that_sees_no_images_there_is_the_film_alone():
  frames = of_episode(5, filmed=[0, 4], size=0)['episode']
  assert frames.shape == (2, 256, 256, 3)
  assert frames[:, 0, 0, 0].tolist() == [100, 104]
  assert of_episode(5, size=0) == {}


def test_grey_is_shown_as_grey_and_two_images_side_by_side():
  grey = np.arange(2 * 3, dtype=np.uint8).reshape([2, 3, 1])
  shown = pictures.as_rgb(grey)
  assert shown.shape == (2, 3, 3)
  for channel in range(3):
    np.testing.assert_array_equal(shown[..., channel], grey[..., 0])
  left, right = np.random.default_rng(0).integers(0, 256, [2, 4, 2, 5, 3])
  both = pictures.as_rgb(np.concatenate([left, right], axis=-1))
  assert both.shape == (4, 2, 10, 3)
  np.testing.assert_array_equal(both[:, :, :5], left)
  np.testing.assert_array_equal(both[:, :, 5:], right)
  np.testing.assert_array_equal(pictures.as_rgb(left), left)


@pytest.mark.parametrize(
  ('shape', 'film', 'image'),
  [
    # Enlarged 5 times in the film, twice in the strips.
    ((48, 80, 1), (240, 400), (96, 160)),
    # Two images side by side, twice in the film.
    ((128, 32, 6), (256, 128), (128, 64)),
  ],
)
def test_pictures_of_images_of_other_shapes(shape, film, image):
  episode = evaluation.Episode(
    0.0, np.zeros([5, *shape], np.uint8), np.zeros([5, 1])
  )
  agent = types.SimpleNamespace(
    model=Model(), train_sequence_length=3, estimated=('q',)
  )
  drawn = pictures.of_episode(agent, episode, [0, 40])
  assert drawn['episode'].shape == (5, *film, 3)
  # Where images would begin, were there more of them.
  bottom, right = pictures.corner(*image, 4, 3)
  assert drawn['dream'].shape[0] > bottom
  assert drawn['dream'].shape[1:] == (right, 3)
  assert drawn['dreams'].shape[2] == pictures.corner(*image, 4, 6)[1]


def test_an_episode_too_short_or_without_a_model_has_its_film_alone():
  assert list(of_episode(2, Model())) == ['episode']
  assert list(of_episode(5)) == ['episode']


def test_an_agent_that_learns_of_a_bound_has_a_chart_of_it():
  class Agent:
    model = None
    train_sequence_length = 3
    estimated = ('q', 'bound')

    def estimates(self, observation, actions, rewards, has_terminated):
      assert len(observation['state']) == len(actions) == len(rewards) + 1
      seen = np.cumsum(rewards)[:-2] if has_terminated else np.zeros(1)
      return returns.Estimates(seen, seen, seen)

  def drawn(length, **changes):
    episode = make_episode(length + 1, size=0)._replace(
      **{
        'states': np.zeros([length + 1, 2]),
        'rewards': np.ones(length),
        'has_terminated': True,
        **changes,
      }
    )
    return pictures.of_episode(Agent(), episode, [0, 40])

  chart = drawn(10)['returns']
  assert chart.dtype == np.uint8 and chart.shape[-1] == 3
  # What is told otherwise looks otherwise.
  assert np.any(chart != drawn(10, rewards=np.zeros(10))['returns'])
  assert np.any(chart != drawn(10, has_terminated=False)['returns'])
  # In an episode that is too short there is none.
  assert drawn(2) == {}
