"""Tests of slac/sweep/pace.py: how fast runs were, by hand."""

import types

import numpy as np
import pytest

from slac.sweep import pace
from tests.sweep import runs

SHARED = {
  'A.x': '1',
  'Collection.environments': '1',
  'Collection.weight_interval': '100',
  'Collection.workers': '0',
  'Schedule.pretraining_patience': 'None',
}
CONFIG = {**SHARED, 'Experiment.seed': '0'}
KEY = frozenset(SHARED.items())


def plan(**settings):
  """1 random episode of 250 agent steps, and 750 that are trained on."""
  values = {
    **{'env_steps': 4000, 'action_repeat': 4, 'random_episodes': 1},
    **{'random_agent_steps': 0, 'model_updates': 100},
  }
  return types.SimpleNamespace(**(values | settings))


def test_each_phase_is_timed_between_its_rows(tmp_path):
  runs.write(tmp_path / 'a', CONFIG)
  found = pace.read(tmp_path)
  # Not the 31 s before the first row, nor what is of two phases.
  np.testing.assert_array_equal(found.paces[KEY].seconds, [1, 20, 40])
  np.testing.assert_array_equal(found.paces[KEY].counts, [10, 20, 20])
  assert found.spent == {'a': 110 / 3600}
  assert found.finished == {}


def test_rows_that_were_mended_are_passed_over(tmp_path):
  runs.write(tmp_path / 'a', CONFIG, [*runs.ROWS, ',,,,7'])
  found = pace.read(tmp_path)
  np.testing.assert_array_equal(found.paces[KEY].counts, [10, 20, 20])
  assert found.spent == {'a': 110 / 3600}


def test_seeds_are_put_together_and_other_settings_are_not(tmp_path):
  runs.write(tmp_path / 'a', CONFIG)
  runs.write(tmp_path / 'b', CONFIG | {'Experiment.seed': '1'}, runs.ROWS[:2])
  runs.write(tmp_path / 'c', CONFIG | {'A.x': '2'}, runs.ROWS[:1])
  (tmp_path / 'b' / 'policy').mkdir()
  found = pace.read(tmp_path)
  np.testing.assert_array_equal(found.paces[KEY].seconds, [2, 20, 40])
  np.testing.assert_array_equal(found.paces[KEY].counts, [20, 20, 20])
  other = found.paces[frozenset((SHARED | {'A.x': '2'}).items())]
  assert not other.counts.any()
  assert found.spent == {'a': 110 / 3600, 'b': 32 / 3600, 'c': 31 / 3600}
  assert found.finished == {'b': 30}  # 20, and 10 to the next row.


def test_hours_by_hand(tmp_path):
  runs.write(tmp_path / 'a', CONFIG)
  found = pace.read(tmp_path).paces[KEY]
  seconds = 250 * 0.1 + 100 * 1 + 750 * 2
  assert found.hours(plan(), SHARED) == pytest.approx(seconds / 3600)


def test_what_has_not_been_seen_is_not_made_up(tmp_path):
  runs.write(tmp_path / 'a', CONFIG, runs.ROWS[:4])  # Not trained yet.
  found = pace.read(tmp_path).paces[KEY]
  assert found.hours(plan(), SHARED) is None
  # All of it is random data and pretraining.
  short = plan(env_steps=800)
  assert found.hours(short, SHARED) == pytest.approx((200 * 0.1 + 100) / 3600)


def test_other_machines_tell_nothing_of_this_one(tmp_path):
  runs.write(tmp_path / 'a', CONFIG, host='elsewhere')
  found = pace.read(tmp_path)
  assert (found.paces, found.spent, found.finished) == ({}, {}, {})


def test_where_there_are_no_runs(tmp_path):
  (tmp_path / 'just_begun').mkdir()
  (tmp_path / 'just_begun' / 'config.json').write_text('{}')
  for folder in (tmp_path, tmp_path / 'missing'):
    assert pace.read(folder).paces == {}


def test_a_run_without_a_row(tmp_path):
  runs.write(tmp_path / 'a', CONFIG, [])
  found = pace.read(tmp_path)
  assert found.spent == {} and not found.paces[KEY].counts.any()


def test_damaged_runs_are_passed_over_and_named(tmp_path):
  runs.write(tmp_path / 'a', CONFIG, [*runs.ROWS, '1,2,3,many,'])
  runs.write(tmp_path / 'b', CONFIG, [*runs.ROWS, '60,30'])  # Torn.
  runs.write(tmp_path / 'c', CONFIG)
  folder = runs.write(tmp_path / 'd', CONFIG)
  (folder / 'config.json').write_text('{')
  found = pace.read(tmp_path)
  np.testing.assert_array_equal(found.paces[KEY].counts, [10, 20, 20])
  assert found.spent == {'c': 110 / 3600}
  many, torn, config = found.damaged
  assert "line 10: wall_seconds is 'many'" in many
  assert 'as many cells' in torn and 'config.json is damaged' in config
