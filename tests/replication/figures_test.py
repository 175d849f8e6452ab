"""Tests of slac/replication/figures.py: what is drawn where."""

import dataclasses
import pathlib

import numpy as np
import pytest
from matplotlib import figure
from PIL import Image

from slac.replication import aggregate, comparison, figures
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
  return comparison.Comparison('cartpole swingup', [4], published, {'': ours})


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


@pytest.fixture
def variants():
  """Two variants, of two trials and of one, beside a published trial."""

  def select(*returns):
    found = [made_up.run({0: x, 10: 2 * x}) for x in returns]
    return comparison.select(found, None)

  return comparison.Comparison(
    'cartpole swingup',
    [4],
    select(8.0),
    {'a = 1': select(0.0, 10.0), 'a = 2': select(3.0)},
  )


def test_variants_are_interquartile_means_with_their_intervals(variants):
  area = draw(variants)
  drawn = [line.get_xydata().tolist() for line in area.lines]
  assert drawn == [
    [[0, 8], [10, 16]],
    [[0, 5], [10, 10]],
    [[0, 3], [10, 6]],
  ]
  (band,) = area.collections  # Of single trials there is none.
  points = {tuple(point) for point in band.get_paths()[0].vertices.tolist()}
  assert points == {(0, 0), (0, 10), (10, 0), (10, 20)}
  texts = [text.get_text() for text in area.get_legend().get_texts()]
  assert texts == [
    'published: 1 trial, no interval',
    'a = 1: 2 trials',
    'a = 2: 1 trial, no interval',
  ]
  assert area.get_ylabel() == 'average return, IQM and 95 % interval'


def test_a_variant_looks_the_same_in_all_figures(variants, monkeypatch):
  one = {'a = 2': variants.ours['a = 2']}
  other = comparison.Comparison('walker walk', [2], None, one)
  saved = {}

  def save(drawing, columns, path):
    saved[path.name] = figure.Figure().subplots()
    drawing[0](saved[path.name])

  monkeypatch.setattr(figures, '_save', save)
  over_tasks = aggregate.over_tasks([variants, other])
  figures.write([variants, other], over_tasks, pathlib.Path())
  colours = {
    name: [line.get_color() for line in area.lines]
    for name, area in saved.items()
  }
  assert len(set(colours['cartpole_swingup'])) == 3
  assert colours['walker_walk'] == colours['cartpole_swingup'][2:]
  assert colours['aggregate'] == colours['walker_walk']


def test_files_of_different_tasks_have_different_names(variants, monkeypatch):
  monkeypatch.setattr(figures, '_save', lambda *_: None)
  tasks = ('reach.Reach', 'lab/Reach-v0', 'lab.Reach-v0', 'cartpole swingup')
  items = [dataclasses.replace(variants, task=task) for task in tasks]
  paths = figures.write(items, None, pathlib.Path('out'))
  names = ('reach_Reach', 'lab_Reach-v0', 'lab_Reach-v0_', 'cartpole_swingup')
  assert [paths[task] for task in tasks] == [
    pathlib.Path('out', name) for name in names
  ]


def test_twenty_variants_can_be_told_apart():
  selection = comparison.select([made_up.trial({0: 1.0, 1: 2.0}, None)], None)
  many = {f'a = {n}': selection for n in range(20)}
  area = draw(comparison.Comparison('walker walk', [2], None, many))
  looks = {(line.get_color(), line.get_linestyle()) for line in area.lines}
  assert len(looks) == 20


def test_a_long_legend_hides_no_curve(tmp_path):
  selection = comparison.select([made_up.run({0: 1.0, 1: 2.0})], None)
  for number, is_inside in (6, True), (7, False):
    many = {f'a = {n}': selection for n in range(number)}
    item = comparison.Comparison('walker walk', [2], None, many)
    paths = figures.write([item], None, tmp_path)
    with Image.open(paths['all'].with_suffix('.png')) as image:
      assert (image.size == (750, 540)) == is_inside
    area = draw(item)
    area.figure.canvas.draw()
    legend = area.get_legend().get_window_extent()
    axes = area.get_window_extent()
    assert (legend.y1 > axes.y0) == is_inside


def test_the_curves_over_tasks_say_what_0_and_1_are(variants, tmp_path):
  gym = comparison.Comparison('Hopper-v4', [2], None, variants.ours)
  over_tasks = aggregate.over_tasks([variants, gym])
  area = figure.Figure().subplots()
  styles = figures._styles([variants, gym])
  figures.draw_aggregate(area, over_tasks, styles)
  # 0 and 10 of 1000; the least return of the other task's is 0, the best 20:
  # of 0, 0, 0.01 and 0.5 the two in the middle count.
  first, second = (line.get_ydata().tolist() for line in area.lines)
  np.testing.assert_allclose(first, [0.005, 0.01])
  np.testing.assert_allclose(second, [(0.003 + 0.15) / 2, (0.006 + 0.3) / 2])
  assert area.get_ylim() == (0, 1) and area.get_xlim() == (0, 10)
  text = area.get_ylabel().replace('\n', ' ')
  assert text == (
    'normalised return, IQM and 95 % interval DeepMind Control: return / 1000; '
    'Hopper-v4: 0 is the least return of any curve here, 1 the best'
  )
  paths = figures.write([variants, gym], over_tasks, tmp_path)
  assert paths['aggregate'] == tmp_path / 'aggregate'
  before = (tmp_path / 'aggregate.svg').read_bytes()
  figures.write([variants, gym], over_tasks, tmp_path)
  assert (tmp_path / 'aggregate.svg').read_bytes() == before


def test_no_trial_leaves_the_figure(item):
  assert draw(item).get_ylim() == (0, 1000)
  of_gym = comparison.select(
    [
      made_up.trial({0: -30.0, 10: 4.0}),
      made_up.trial({0: 5.0, 10: 2500.0}),
    ],
    None,
  )
  alone = comparison.Comparison('Hopper-v4', [2], None, {'': of_gym})
  assert draw(alone).get_ylim() == (-30, 2500)


def test_the_axes_reach_a_little_beyond_ours(item):
  assert draw(item).get_xlim() == (0, 100_000)
  longer = comparison.select([made_up.trial({0: 5.0, 400_000: 7.0})], None)
  far = comparison.Comparison(item.task, [4], item.published, {'': longer})
  assert draw(far).get_xlim() == (0, 500_000)
  alone = comparison.Comparison(item.task, [4], item.published, {})
  assert draw(alone).get_xlim() == (0, 1_000_000)
  # Without published ones there is nothing beyond.
  mine = comparison.Comparison(item.task, [4], None, {'': longer})
  assert draw(mine).get_xlim() == (0, 400_000)


def test_runs_without_an_evaluation_draw_nothing(item):
  nothing = comparison.select([made_up.trial({})], None)
  area = draw(comparison.Comparison(item.task, [4], None, {'': nothing}))
  assert not area.lines and area.get_legend() is None


def test_files(item, tmp_path):
  paths = figures.write([item], None, tmp_path)
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
