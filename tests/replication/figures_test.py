"""Tests of slac/replication/figures.py: what is drawn where."""

import numpy as np
import pytest
from matplotlib import figure
from PIL import Image

from slac.replication import comparison, figures
from tests.replication import made_up

NAN = float('nan')


@pytest.fixture
def item():
  """Two published trials, one of which lacks a step; one of ours."""
  published = comparison.select(
    [
      made_up.trial({0: 0.0, 10: 2.0, 20: 6.0}),
      made_up.trial({0: 2.0, 20: 8.0}),
    ],
    None,
  )
  ours = comparison.select([made_up.trial({0: 5.0, 8: 7.0}, None)], None)
  return comparison.Comparison('cartpole swingup', 4, published, ours)


def draw(item):
  area = figure.Figure().subplots()
  figures.draw(area, item)
  return area


def test_trials_mean_and_band_are_where_the_numbers_are(item):
  area = draw(item)
  drawn = [line.get_xydata().tolist() for line in area.lines]
  first, second, mean, of_ours, mean_of_ours = drawn
  assert first == [[0, 0], [10, 2], [20, 6]]
  # The line is interrupted, not drawn through to the next evaluation.
  np.testing.assert_array_equal(second, [[0, 2], [10, NAN], [20, 8]])
  assert mean == [[0, 1], [10, 2], [20, 7]]
  assert of_ours == mean_of_ours == [[0, 5], [8, 7]]
  band = area.collections[0].get_paths()[0].vertices
  expected = [1 - np.sqrt(2), 1 + np.sqrt(2)]
  np.testing.assert_allclose(
    [band[band[:, 0] == 0, 1].min(), band[band[:, 0] == 0, 1].max()], expected
  )


def test_the_legend_says_how_many_trials_are_behind_a_mean(item):
  texts = [text.get_text() for text in draw(item).get_legend().get_texts()]
  assert texts == ['published: 1-2 trials, variance 0.1', 'ours: 1 trial']


def test_no_trial_leaves_the_figure(item):
  assert draw(item).get_ylim() == (0, 1000)
  of_gym = comparison.select(
    [
      made_up.trial({0: -30.0, 10: 4.0}),
      made_up.trial({0: 5.0, 10: 2500.0}),
    ],
    None,
  )
  alone = comparison.Comparison('Hopper-v4', 2, None, of_gym)
  assert draw(alone).get_ylim() == (-30, 2500)


def test_the_axes_reach_a_little_beyond_ours(item):
  assert draw(item).get_xlim() == (0, 100_000)
  longer = comparison.select([made_up.trial({0: 5.0, 400_000: 7.0})], None)
  far = comparison.Comparison(item.task, 4, item.published, longer)
  assert draw(far).get_xlim() == (0, 500_000)
  alone = comparison.Comparison(item.task, 4, item.published, None)
  assert draw(alone).get_xlim() == (0, 1_000_000)


def test_runs_without_an_evaluation_draw_nothing(item):
  nothing = comparison.select([made_up.trial({})], None)
  area = draw(comparison.Comparison(item.task, 4, None, nothing))
  assert not area.lines and area.get_legend() is None


def test_files(item, tmp_path):
  paths = figures.write([item], tmp_path)
  assert paths == {
    'cartpole swingup': tmp_path / 'cartpole_swingup',
    'all': tmp_path / 'all',
  }
  written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
  assert sorted(written) == [
    'all.png',
    'all.svg',
    'cartpole_swingup.png',
    'cartpole_swingup.svg',
  ]
  with Image.open(tmp_path / 'all.png') as image:
    assert image.size == (750, 540)
  # Of one task, both figures are the same, also on the next day.
  assert written['all.svg'] == written['cartpole_swingup.svg']
