"""Tests of slac/sweep/hours.py: what an estimate rests on."""

import gin
import pytest

from slac.benchmark import run_time
from slac.sweep import checking, hours, plan
from tests.sweep import runs

TINY = 'tests/tiny.gin'


@pytest.fixture(autouse=True)
def _unbound():
  yield
  gin.clear_config()


@pytest.fixture
def measured(monkeypatch):
  """Has each measurement say 1 s an update; lists what was measured."""
  names = []

  def measure(command):
    names.append(command.name)
    if 'broken' in command.name:
      return None, f'measuring {command.name} failed (no luck)'
    parts = ('environment', 'acting', 'sampling', *run_time.UPDATES.values())
    seconds = dict.fromkeys(parts, 0.0) | {run_time.FULL: 1.0}
    return seconds, f'a measurement of {command.name}'

  monkeypatch.setattr(hours, '_measure', measure)
  return names


def estimate(
  root,
  settings,
  tasks=('cartpole',),
  seeds=1,
  gin_files=(TINY,),
  may_measure=True,
):
  """Returns the lines; a run trains on (1600 - 1000) / 4 = 150 agent steps."""
  variants = plan.varied(settings, gin_files)
  sweep = plan.Sweep('name', 'title', tasks, variants, seeds)
  commands = plan.commands(sweep, str(root))
  experiments = checking.experiments(commands)
  return list(hours.lines(commands, experiments, root, may_measure))


def test_nothing_is_measured_unless_it_may_be(tmp_path, measured):
  lines = estimate(tmp_path, {}, seeds=3, may_measure=False)
  assert lines == [
    f'The hours of 3 runs are unknown: no run in {tmp_path} has the same '
    'settings.'
  ]
  assert measured == []


def test_without_runs_each_size_is_measured_once(tmp_path, measured):
  lines = estimate(
    tmp_path,
    {
      'Schedule.gradient_steps': ['1', '23'],
      'SlacAgent.model_learning_rate': ['1e-4', '3e-4'],
      'LatentModel.base_depth': ['2', '3'],
    },
    ('cartpole', 'reacher'),
    seeds=2,
  )
  first, second = measured
  assert 'base_depth=2' in first and 'base_depth=3' in second
  # Two tasks, two seeds and two rates of either size: 8 runs of 150 s, and 8
  # of 23 as many.
  assert lines == [
    f'Measuring for a minute how long {first} takes ...',
    f'Measuring for a minute how long {second} takes ...',
    '32 runs: 16.0 hours on this machine, one after another, of which 16.0 '
    'are left.',
    f'For 16 runs this rests on a measurement of {first}.',
    f'For 16 runs this rests on a measurement of {second}.',
  ]


def test_the_batch_size_is_a_size(tmp_path, measured):
  estimate(tmp_path, {'Schedule.batch_size': ['4', '5']})
  assert len(measured) == 2


def test_the_size_of_images_is_a_size(tmp_path, measured):
  sizes = {'DmControlEnvironment.image_size': ['(64, 64)', '(128, 128)']}
  estimate(tmp_path, sizes, ('cartpole', 'reacher'))
  assert len(measured) == 2


def test_runs_with_the_same_settings_tell_it(tmp_path, measured):
  settings = {'SlacAgent.model_learning_rate': ['1e-4', '3e-4']}
  variants = plan.varied(settings, [TINY])
  sweep = plan.Sweep('name', 'title', ('cartpole',), variants, 1)
  commands = plan.commands(sweep, str(tmp_path))
  item = checking.experiments(commands)[0]
  # Another seed, at 1440 s a random step, a pretraining update, and a step
  # that is trained on: 250, 20 and 150.
  rows = ('0,0,0,0,', '1,0,0,1440,', '1,1,0,2880,', '2,1,1,4320,')
  runs.write(tmp_path / 'a', item.settings, rows)
  lines = estimate(tmp_path, settings, seeds=2)
  (other,) = measured
  assert other.startswith('cartpole-tiny-model_learning_rate=3e-4-seed0')
  total = 2 * (420 * 1440 / 3600) + 2 * 150 / 3600
  assert lines[1:] == [
    f'4 runs: {total:.1f} hours on this machine, one after another, of '
    f'which {total:.1f} are left.',
    f'For 2 runs this rests on the pace of runs in {tmp_path} with the same '
    'settings.',
    f'For 2 runs this rests on a measurement of {other}.',
  ]


def test_a_damaged_run_leaves_the_hours_to_the_others(tmp_path, measured):
  for name, rows in (('a', ['1,2']), ('b', runs.ROWS)):
    runs.write(tmp_path / name, {}, rows)
  first, *others = estimate(tmp_path, {})
  assert first.startswith(f'1 run passed over: {tmp_path / "a"}/train.csv, ')
  assert others[1].startswith('1 run: ')


def test_what_runs_have_taken_is_not_left(tmp_path, measured):
  # Each run takes 24 * 150 s = 1 hour. The first is at its end, 400 agent steps
  # and 20 updates with a row for every 25, though it took less; half of the
  # second is there; the third has taken longer; the fourth was at the end of a
  # smaller budget.
  settings = {'Schedule.gradient_steps': ['24']}
  for seed, agent_steps, wall in (
    *((0, 380, 900), (1, 10, 1800), (2, 10, 7200), (3, 300, 900)),
  ):
    folder = runs.write(
      tmp_path / f'cartpole-tiny-gradient_steps=24-seed{seed}',
      {},
      [f'{max(0, agent_steps - 25)},20,0,0,', f'{agent_steps},20,0,{wall},'],
    )
    if seed in (0, 3):
      (folder / 'policy').mkdir()
  # 0, 0.5, 0, 0.75 and 1 are left.
  assert estimate(tmp_path, settings, seeds=5)[1].startswith(
    '5 runs: 5.0 hours on this machine, one after another, of which 2.2 '
  )


def test_what_cannot_be_measured_is_said(tmp_path, measured):
  broken = tmp_path / 'broken.gin'
  broken.write_text('LatentModel.base_depth = 5\n')
  lines = estimate(tmp_path, {}, gin_files=(TINY, str(broken)), seeds=3)
  name = measured[0]
  assert measured == [name]
  assert lines[1:] == [
    f'The hours of 3 runs are unknown: measuring {name} failed (no luck).'
  ]


@pytest.mark.slow
@pytest.mark.long
def test_a_measurement_is_one_of_what_the_command_trains(tmp_path):
  command = plan.Command(('gin/cartpole.gin', TINY), (), 0, str(tmp_path))
  seconds, text = hours._measure(command)
  assert seconds.keys() == {
    *('environment', 'acting', 'sampling'),
    *run_time.UPDATES.values(),
  }
  assert all(0 <= value < 60 for value in seconds.values())
  assert min(seconds[run_time.FULL], seconds[run_time.MODEL_ONLY]) > 0
  assert text.startswith('a few steps and updates of cartpole-tiny-seed0')


def test_a_measurement_that_fails_says_why(tmp_path, monkeypatch):
  monkeypatch.setattr(hours.processes, 'run_script', lambda *_: ('', 'no luck'))
  command = plan.Command(('gin/cartpole.gin', TINY), (), 0, str(tmp_path))
  assert hours._measure(command) == (
    *(None, 'measuring cartpole-tiny-seed0 failed (no luck)'),
  )
