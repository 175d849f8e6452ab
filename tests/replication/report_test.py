"""Tests of slac/replication/table.py and report.py."""

import os

import pytest

from slac.replication import comparison, ours, report, table
from tests.replication import made_up


@pytest.fixture
def run(tmp_path):
  """A run of ours whose folder says hostile things."""
  start = {
    'command': ['train_eval.py', "--gin_param=A.b = '<script>'"],
    'git': {'commit': '<b>abc', 'dirty': True},
    'packages': {'tensorflow': '2.15.1'},
  }
  folder = made_up.write_run(tmp_path / '<i>run', {30_000: 60.0}, [start])
  return ours.read([folder])[0]


def compare(run=None):
  published = [made_up.trial({30_000: value}) for value in (40.0, 60.0, 50.0)]
  published.append(made_up.trial({50_000: 70.4}))
  return comparison.compare(published, [run] if run else [])


def page(run, tmp_path):
  paths = {name: tmp_path / name for name in ('cartpole swingup', 'all')}
  for path in paths.values():
    path.with_suffix('.svg').write_text('<svg>')
  return report.html_page(compare(run), paths, 'python <command>')


def test_the_table(run):
  first, second, third, *rest = table.rows(compare(run))
  # Three times 40, or 60, is drawn with the probability 1/27: 3.7 % on a side.
  assert first == (
    'cartpole swingup',
    '30,000',
    '50 ± 10',
    '3',
    '50 [40, 60]',
    '60',
    '1',
    '60',
    'within',
  )
  assert second[2:] == ('70', '1', '70', 'no data', '0', '-', '-')
  assert third[2:] == ('no data', '0', '-', 'no data', '0', '-', '-')
  assert [row[1] for row in rest] == [
    '200,000',
    '300,000',
    '500,000',
    '1,000,000',
  ]


def test_the_table_in_markdown():
  lines = table.markdown(compare()).splitlines()
  assert lines[1] == '| --- |' + ' ---: |' * 7 + ' --- |'
  assert lines[2].startswith('| cartpole swingup | 30,000 | 50 ± 10 | 3 | ')
  assert all(line.count('|') == 10 for line in lines[:9])


def test_the_page_shows_what_there_is_and_names_what_there_is_not(
  run, tmp_path
):
  text = page(run, tmp_path)
  assert '<td>50 ± 10</td>' in text
  assert '<td class="within">within</td>' in text
  assert 'published: 1-4 trials, variance 0.1' in text
  assert 'tensorflow 2.15.1' in text and 'with changes' in text
  assert 'Experiment.seed = 0' in text
  assert 'Fig. 14: no data' in text
  assert 'ours: no data' in page(None, tmp_path)


def test_the_page_holds_all_it_shows_and_nothing_runs(run, tmp_path):
  text = page(run, tmp_path)
  assert text.count('src="data:image/svg+xml;base64,') == 2
  assert text.count('src=') == 2 and 'href=' not in text
  for hostile in ('<script', '<b>', '<i>', '<command>', '<svg>'):
    assert hostile not in text
  assert '&lt;script&gt;' in text and '&lt;i&gt;run' in text


@pytest.mark.parametrize(
  'start',
  [
    {},
    {'command': '<b>', 'git': None, 'packages': []},
    {'command': [1, None], 'git': 'x', 'packages': {'a': {}}},
  ],
)
def test_an_odd_version_file_does_no_harm(tmp_path, start):
  folder = made_up.write_run(tmp_path / 'run', {}, [start])
  text = page(ours.read([folder])[0], tmp_path)
  assert '$ python' in text and '<b>' not in text


def test_the_newest_strip_is_shown(run, tmp_path):
  videos = run.folder / 'videos'
  assert report.newest_strip(run.folder) is None
  names = ('evaluation-dream-000000000', 'pretraining-dream-000004000')
  for time, name in enumerate(names, 1):
    path = videos / f'{name}.png'
    path.write_bytes(made_up.PNG)
    os.utime(path, (time, time))
  (videos / 'evaluation-dreams-000005000.gif').write_bytes(b'GIF')
  newest = report.newest_strip(run.folder)
  assert newest == videos / 'pretraining-dream-000004000.png'
  os.utime(videos / 'evaluation-dream-000000000.png', (3, 3))
  newest = report.newest_strip(run.folder)
  assert newest == videos / 'evaluation-dream-000000000.png'
  text = page(run, tmp_path)
  assert text.count('src="data:image/png;base64,') == 1
  newest.write_text('no picture')
  assert 'evaluation-dream-000000000.png is no PNG' in page(run, tmp_path)
