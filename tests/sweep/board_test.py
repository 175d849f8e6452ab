"""Tests of slac/sweep/board.py, and of what tuning.py makes of trials."""

import os
import signal
import types

import pytest

from slac import errors
from slac.sweep import plan, tuning

pytest.importorskip('ray', reason='There is no Ray; see docs/scale.md.')
from slac.sweep import board


def trial(status='RUNNING', last=None, params=(), seed=0, task='walker'):
  run = {
    'task': task,
    'variant': ', '.join(params) or '-',
    'params': list(params),
    'seed': seed,
    'name': f'{task}-seed{seed}',
  }
  return types.SimpleNamespace(
    config={'run': run}, status=status, last_result=last, max_failures=1
  )


def finished(value):
  return {'average_return': value, 'phase': 'finished'}


@pytest.fixture
def shown(monkeypatch):
  """A board without a cluster, and the signals that it sends to itself."""
  made = object.__new__(board.Board)
  made._told, made._printed, made.signal = False, 0.0, None
  told = []
  made._flag = types.SimpleNamespace(
    set=types.SimpleNamespace(remote=lambda: told.append('set'))
  )
  monkeypatch.setattr(os, 'kill', lambda pid, number: told.append(number))
  return made, told


def test_a_line_for_each_trial():
  last = {'phase': 'training', 'env_steps': 12_000, 'average_return': 3.14}
  table = board.table(
    [
      trial('RUNNING', {**last, 'seconds_left': 3 * 3600 + 120}),
      trial('RUNNING', {'env_steps': 400}),  # Of a row that was mended.
      trial('PENDING', seed=1),
      trial('TERMINATED', last, ('A.x = 1',), seed=2),
      trial('TERMINATED', {**last, 'phase': 'finished', 'seconds_left': 0.0}),
      trial('TERMINATED', {'phase': 'pretraining', 'stopped': True}),
      trial('ERROR', {'fault': 'no'}),
    ]
  )
  assert [' '.join(line.split()) for line in table.splitlines()] == [
    'task variant seed phase steps return time left',
    'walker - 0 training 12,000 3.1 3:02 h',
    'walker - 0 running 400',
    'walker - 1 waiting 0',
    'walker A.x = 1 2 stopped early 12,000 3.1',
    'walker - 0 finished 12,000 3.1 0:00 h',
    'walker - 0 saved 0',
    'walker - 0 failed 0',
  ]


def test_the_sweep_ends_when_all_that_run_have_saved(shown):
  made, told = shown
  saved = {'stopped': True, 'should_checkpoint': False}
  trials = [trial(last=dict(saved)), trial('PENDING'), trial(last={})]
  made.on_step_end(0, trials)
  assert told == []
  made.heed(signal.SIGTERM, None)
  made.on_step_end(1, trials)
  trials[2].last_result = {'stopped': True, 'should_checkpoint': True}
  made.on_step_end(2, trials)
  assert told == ['set'] and made.signal == signal.SIGTERM
  trials[2].last_result = dict(saved)
  made.on_step_end(3, trials)
  assert told == ['set', signal.SIGUSR1]


def test_a_second_signal_waits_for_nothing(shown, monkeypatch):
  made, told = shown
  now = [7.0]
  monkeypatch.setattr(board.time, 'monotonic', lambda: now[0])
  for now[0], number in ((7.0, 1), (7.9, 15), (8.0, 2)):
    assert not told  # Those within a second are one.
    made.heed(number, None)
  assert told == [signal.SIGUSR1] and made.signal == signal.SIGHUP


def test_what_a_run_says_of_itself_is_not_tried_elsewhere(shown):
  made, _ = shown
  own = trial()
  made.on_trial_start(0, [own], own)
  assert own.max_failures > 10
  made.on_trial_result(0, [own], own, {'env_steps': 3})
  assert own.max_failures > 10
  made.on_trial_result(0, [own], own, {'fault': 'Wrong.', 'exit_code': 78})
  assert own.max_failures == 0


def test_a_run_that_was_lost_is_said(shown, capsys):
  shown[0].on_trial_recover(0, [], trial(seed=4))
  assert capsys.readouterr().out.startswith('walker-seed4 was lost with its')


def test_the_best_settings_are_those_with_the_highest_mean():
  trials = [
    trial(last=finished(value), params=(f'A.x = {x}',), seed=seed)
    for x, values in (('1', (5, 1)), ('2', (4, 4)), ('3', (0, 3)))
    for seed, value in enumerate(values)
  ]
  assert list(tuning.best(trials)) == [
    '# The best of 3 settings of walker: a last return of',
    '# 4.0, the mean of 2.',
    'A.x = 2',
  ]


def test_the_best_settings_are_those_of_runs_that_have_finished():
  early = {'average_return': 60.0, 'phase': 'training'}
  trials = [
    *(trial(last=finished(900.0), params=('A.x = 1',)) for _ in 'ab'),
    trial(last=early, params=('A.x = 1',)),
    *(trial(last=finished(640.0), params=('A.x = 2',)) for _ in 'abc'),
  ]
  assert list(tuning.best(trials)) == [
    '# The best of 2 settings of walker: a last return of',
    '# 900.0, the mean of 2.',
    '# Of 6 runs 5 finished, and are compared.',
    'A.x = 1',
  ]
  # Where all others were stopped it is the best as well.
  assert list(tuning.best([*trials[2:3], trials[3]]))[-1] == 'A.x = 2'
  assert not list(tuning.best(trials[2:3] * 2))


def test_one_setting_is_no_best_one():
  assert not list(tuning.best([trial(last=finished(1.0))]))


def test_a_failed_run_is_named_with_its_code_and_sentence():
  failed = trial('ERROR', {'fault': 'x: No GL.', 'exit_code': 69}, seed=3)
  with pytest.raises(errors.UserError, match='1 of 2 runs') as caught:
    tuning._refuse_failed([trial('TERMINATED'), failed])
  assert 'walker-seed3: x: No GL. ' in str(caught.value)
  assert caught.value.exit_code == 69


def test_runs_of_another_command_are_not_overwritten(tmp_path):
  commands = [
    plan.Command(('gin/walker.gin',), (), seed, str(tmp_path))
    for seed in (0, 1)
  ]
  tuning._refuse_what_is_there(tmp_path, commands)
  (tmp_path / 'walker-seed1').mkdir()
  with pytest.raises(errors.UserError, match=r'\(walker-seed1\)') as caught:
    tuning._refuse_what_is_there(tmp_path, commands)
  assert caught.value.exit_code == 73
