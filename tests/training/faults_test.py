"""Tests of slac/training/faults.py: a run that ends, and one that goes on."""

import math

import numpy as np
import pytest
import tensorflow as tf

from slac import errors
from slac.environments import checked
from slac.training import faults, schedule
from tests import tiny
from tests.agents import optimizers_test


def make_counters():
  return schedule.Counters(
    action_repeat=4, agent_steps=500, model_updates=20, gradient_steps=150
  )


def test_finite_metrics_pass(tmp_path):
  watch = faults.FiniteCheck(tmp_path)
  watch.check()
  watch.add(make_counters(), tiny.experience(1), ('a',), tf.constant([3e38]))
  watch.check()
  assert list(tmp_path.iterdir()) == []


def test_the_run_ends_and_leaves_the_batch(tmp_path):
  watch, counters = faults.FiniteCheck(tmp_path), make_counters()
  experience = optimizers_test.with_reward((2, -2), math.nan)
  values = tiny.agent().train(experience).extra
  watch.add(counters, experience, tuple(values), tf.stack([*values.values()]))
  counters.gradient_steps += 1  # Of the loop, which goes on counting.
  with pytest.raises(errors.UserError) as caught:
    watch.check()
  assert caught.value.exit_code == 70
  message = str(caught.value)
  assert len(message.splitlines()) == 1
  for part in (
    'After 2,000 environment steps, 20 model updates and 150 gradient steps',
    'critic/loss = nan, ',
    'critic/gradient_norm = nan',
    'it was not applied',
    'not-finite-0000000520.npz',
    '--fresh',
  ):
    assert part in message, part
  assert 'model' not in message.split('had')[1]
  watch.check()  # It is told once.

  with np.load(
    tmp_path / 'not-finite-0000000520.npz', allow_pickle=False
  ) as file:
    saved = dict(file)
  np.testing.assert_array_equal(saved['batch/reward'], experience.reward)
  np.testing.assert_array_equal(
    saved['batch/observation/pixels'], experience.observation['pixels']
  )
  assert np.isnan(saved['metrics/critic/loss'])
  assert np.isfinite(saved['metrics/actor/loss'])
  assert saved['counters/gradient_steps'] == 150
  assert saved['counters/agent_steps'] == 500


def test_a_full_disk_does_not_hide_the_reason(tmp_path):
  watch = faults.FiniteCheck(tmp_path / 'missing')
  watch.add(
    make_counters(), tiny.experience(1), ('a',), tf.constant([math.inf])
  )
  with pytest.raises(errors.UserError, match=r'a = inf: .* could not be') as e:
    watch.check()
  assert e.value.exit_code == 70


@pytest.mark.parametrize(
  ('num_failures', 'result', 'endings'),
  [
    (0, 'done', []),
    (1, 'done', ['is tried once more']),
    (2, None, ['is tried once more', 'is left out']),
  ],
)
def test_what_fails_is_tried_twice(num_failures, result, endings, capsys):
  errors_left = [ValueError('no luck')] * num_failures

  def call():
    if errors_left:
      raise errors_left.pop()
    return 'done'

  assert faults.attempt('picture', make_counters(), call) == result
  warnings = capsys.readouterr().err.splitlines()
  for warning, ending in zip(warnings, endings, strict=True):
    assert warning.startswith(
      'The picture after 2,000 environment steps and 20 model updates '
      f'{ending}: ValueError: no luck ('
    )


def test_ctrl_c_is_not_tried_again(capsys):
  def call():
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    faults.attempt('picture', make_counters(), call)
  assert capsys.readouterr().err == ''


def test_the_third_failure_in_a_row_saves_and_ends_the_run(capsys):
  counters, saves = make_counters(), []
  failure = checked.Failure('the simulation is unstable')
  for i in (1, 2):
    faults.count([failure], counters, lambda: saves.append(None))
    assert (counters.failed_episodes, counters.failures_in_a_row) == (i, i)
  counters.finish_episode()
  for i in (3, 4):
    faults.count([failure], counters, lambda: saves.append(None))
    assert (counters.failed_episodes, counters.failures_in_a_row) == (i, i - 2)
  assert not saves
  with pytest.raises(errors.UserError, match='3 episodes in a row') as caught:
    faults.count([failure], counters, lambda: saves.append(None))
  assert caught.value.exit_code == 69 and len(saves) == 1
  warnings = capsys.readouterr().err.splitlines()
  assert (
    warnings
    == [
      'After 2,000 environment steps an episode ends, as the simulation is '
      'unstable.'
    ]
    * 5
  )


def test_failures_at_the_same_time_are_one_in_a_row(capsys):
  counters, saves = make_counters(), []
  stalled = [checked.Failure(f'camera {i} has stalled') for i in range(4)]
  for i in (1, 2):
    faults.count(stalled, counters, lambda: saves.append(None))
    assert counters.failed_episodes == 4 * i
    assert counters.failures_in_a_row == i
    faults.count([], counters, lambda: saves.append(None))
  assert not saves
  with pytest.raises(errors.UserError, match='camera 3 has stalled; all is'):
    faults.count(stalled, counters, lambda: saves.append(None))
  assert len(saves) == 1
  assert len(capsys.readouterr().err.splitlines()) == 12
