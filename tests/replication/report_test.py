"""Tests of slac/replication/table.py and report.py."""

import dataclasses
import os

import pytest

from slac import errors
from slac.replication import aggregate, comparison, ours, report, table
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


def page(comparisons, tmp_path):
  over_tasks = aggregate.over_tasks(comparisons)
  names = [*(item.task for item in comparisons), 'all', 'aggregate']
  paths = {name: tmp_path / name for name in names}
  for path in paths.values():
    path.with_suffix('.svg').write_text('<svg>')
  return report.html_page(comparisons, over_tasks, paths, 'python <command>')


@pytest.fixture
def variants(tmp_path):
  """Two variants of two tasks, one of them with one seed."""
  returns = {
    **{('walker', 0, 0.1): {0: 100.0, 8: 200.0}},
    **{('walker', 1, 0.1): {0: 300.0}, ('walker', 0, 0.4): {0: 60.0, 8: 70.0}},
    **{('finger', 0, 0.1): {0: 100.0}, ('finger', 1, 0.1): {0: 100.0}},
    **{('finger', 0, 0.4): {0: 80.0}},
  }
  for number, ((task, seed, variance), values) in enumerate(returns.items()):
    made_up.write_run(
      tmp_path / 'runs' / f'{number}',
      values,
      Experiment_seed=str(seed),
      DmControlEnvironment_domain=repr(task),
      SlacModel_decoder_variance=str(variance),
    )
  return comparison.compare([], ours.read([tmp_path / 'runs']))


def test_the_table_tells_how_right_models_were(tmp_path):
  kl, error = 'model/kl', 'model/squared_error_per_pixel'
  for name, seed, values in (('a', 0, '50,0.004'), ('b', 1, '30,0.005')):
    folder = made_up.write_run(tmp_path / name, {}, Experiment_seed=str(seed))
    header = f'env_steps,agent_steps,average_return,{kl},{error}\n'
    (folder / 'eval.csv').write_text(f'{header}0,0,1.0,,\n8,2,2.0,{values}\n')
  (folder / 'train.csv').write_text(
    f'env_steps,{kl},{error}\n0,,\n4,9,0.1\n8,33,0.0007\n12,9,0.1\n'
  )
  comparisons = comparison.compare([], ours.read([tmp_path]))
  header, row = table.rows(comparisons)
  assert header[-2:] == ('KL', 'squared error per pixel')
  assert row[-2:] == ('40.0', '0.00450')  # One has no train.csv.
  assert table.ASSESSED_LEGEND in table.markdown(comparisons, None)
  comparisons = comparison.compare([], ours.read([folder]))
  assert table.rows(comparisons)[-1][-2:] == (
    '30.0 (33.0)',
    '0.00500 (0.00070)',
  )
  assert 'knows them by heart' in page(comparisons, tmp_path)
  (folder / 'train.csv').write_text(f'env_steps,{kl}\n')
  with pytest.raises(errors.UserError, match=f'has no column {error}'):
    ours.read([folder])


def test_the_table_of_variants_without_published_trials(variants):
  header, *rows = table.rows(variants)
  assert header == (
    *('task', 'variant', 'environment steps'),
    *('ours', 'trials', 'IQM [95% CI]'),
  )
  assert [row[:3] for row in rows] == [
    ('finger swingup', 'decoder_variance = 0.1', '0'),
    ('finger swingup', 'decoder_variance = 0.4', '0'),
    ('walker swingup', 'decoder_variance = 0.1', '8'),
    ('walker swingup', 'decoder_variance = 0.4', '8'),
  ]
  assert [row[3:] for row in rows] == [
    ('100 ± 0', '2', '100 [100, 100]'),
    ('80', '1', '80'),
    ('200', '1', '200'),
    ('70', '1', '70'),
  ]
  # At 0 all trials of both tasks are there. Of 0.1, 0.3, 0.1 and 0.1 the two
  # in the middle count; two of 0.3 are drawn with the probability 1/4.
  over_tasks = aggregate.over_tasks(variants)
  assert table.aggregate_rows(over_tasks)[1:] == [
    ('decoder_variance = 0.1', '0', '4', '0.100 [0.100, 0.200]'),
    ('decoder_variance = 0.4', '0', '2', '0.070'),
  ]
  text = table.markdown(variants, over_tasks)
  assert '| task | variant | environment steps | ours |' in text
  assert '| decoder_variance = 0.4 | 0 | 2 | 0.070 |' in text
  assert text.endswith(
    'finger swingup, walker swingup. DeepMind Control: return / 1000.\n\n'
    f'{aggregate.NO_INTERVAL}\n'
  )


def test_success_rates_have_a_column_if_there_are_any(variants, tmp_path):
  walker = variants[1].ours['decoder_variance = 0.1']
  # Of two trials one was evaluated at step 8.
  for run, rates in zip(
    walker.trials, ({0: 0.5, 8: 0.25}, {0: 1.0}), strict=True
  ):
    run.success_rates.update(rates)
  header, *rows = table.rows(variants)
  assert header[-1] == 'success rate'
  assert [row[-1] for row in rows] == ['-', '-', '25%', '-']
  assert '<th>success rate</th>' in page(variants, tmp_path)


def test_the_page_of_variants(variants, tmp_path):
  text = page(variants, tmp_path)
  assert (
    '<h1>SLAC: our curves</h1>' in text
    and 'published' not in (text.replace(table.LEGEND, '').split('<h2>')[0])
  )
  assert (
    'walker swingup (action repeat 4): decoder_variance = 0.1: 1-2 trials, '
    'variance 0.1; decoder_variance = 0.4: 1 trial, variance 0.4; a single '
    'trial has no interval: decoder_variance = 0.4</li>'
  ) in text
  assert f'<p>{aggregate.NO_INTERVAL}</p>' in text
  assert text.count('<h3>') == 6


def test_the_table(run):
  run = dataclasses.replace(run, returns={30_000: 60.0, 70_000: 80.0})
  header, first, second, our_last, third, *rest = table.rows(compare(run))
  assert header == (
    *('task', 'environment steps', 'published', 'trials', 'IQM [95% CI]'),
    *('ours', 'trials', 'IQM [95% CI]', 'ours lies'),
  )
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
  assert our_last[1:4] == ('70,000', 'no data', '0')
  assert our_last[5:] == ('80', '1', '80', '-')
  assert third[2:] == ('no data', '0', '-', 'no data', '0', '-', '-')
  assert [row[1] for row in rest] == [
    '200,000',
    '300,000',
    '500,000',
    '1,000,000',
  ]


def test_the_table_in_markdown():
  lines = table.markdown(compare(), None).splitlines()
  assert lines[1] == '| --- |' + ' ---: |' * 7 + ' --- |'
  assert lines[2].startswith('| cartpole swingup | 30,000 | 50 ± 10 | 3 | ')
  assert all(line.count('|') == 10 for line in lines[:9])


def test_the_page_shows_what_there_is_and_names_what_there_is_not(
  run, tmp_path
):
  text = page(compare(run), tmp_path)
  assert '<td>50 ± 10</td>' in text
  assert '<td class="within">within</td>' in text
  assert 'published: 1-4 trials, variance 0.1' in text
  assert 'tensorflow 2.15.1' in text and 'with changes' in text
  assert 'Experiment.seed = 0' in text
  assert 'Fig. 14: no data' in text
  assert 'ours: no data' in page(compare(), tmp_path)


def test_the_page_holds_all_it_shows_and_nothing_runs(run, tmp_path):
  text = page(compare(run), tmp_path)
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
  text = page(compare(ours.read([folder])[0]), tmp_path)
  assert '$ python' in text and '<b>' not in text


@pytest.mark.parametrize(
  ('model_updates', 'newest'),
  [
    ('0,0', 'pretraining-dream-000009000'),
    ('0,9000', 'evaluation-dream-000004000'),
    ('9000,', 'evaluation-dream-000004000'),  # Mended.
  ],
)
@pytest.mark.parametrize('sign', [1, 0, -1])
def test_the_newest_strip_is_told_by_its_name(run, model_updates, newest, sign):
  videos = run.folder / 'videos'
  assert report.newest_strip(run.folder) is None
  names = (
    *('evaluation-dream-000000000', 'pretraining-dream-000001000'),
    *('pretraining-dream-000009000', 'evaluation-dream-000004000'),
  )
  for order, name in enumerate(names):
    path = videos / f'{name}.png'
    path.write_bytes(made_up.PNG)
    os.utime(path, (9 + sign * order, 9 + sign * order))
  (videos / 'evaluation-dreams-000005000.gif').write_bytes(b'GIF')
  first, last = model_updates.split(',')
  (run.folder / 'eval.csv').write_text(
    f'env_steps,model_updates\n0,{first}\n4000,{last}\n'
  )
  assert report.newest_strip(run.folder) == videos / f'{newest}.png'


def test_the_newest_strip_is_shown(run, tmp_path):
  newest = run.folder / 'videos' / 'evaluation-dream-000000000.png'
  newest.write_bytes(made_up.PNG)
  text = page(compare(run), tmp_path)
  assert text.count('src="data:image/png;base64,') == 1
  newest.write_text('no picture')
  assert 'evaluation-dream-000000000.png is no PNG' in page(
    compare(run), tmp_path
  )
  newest.unlink()
  newest.mkdir()  # It cannot be read.
  assert 'Fig. 14: no data' in page(compare(run), tmp_path)
