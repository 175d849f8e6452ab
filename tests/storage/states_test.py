"""Tests of slac/storage/states.py: what an environment's state may be."""

import random

import numpy as np
import pytest

from slac import errors
from slac.storage import states

STATE = {
  'float': np.float32(0.1),
  'whole': np.int64(2**60),
  'truth': np.bool_(True),
  'list': [np.arange(3), [np.float64(2.5)], 'a', None],
  'tuple': (1, (2.0, np.ones([2, 2])), []),
  'plain': [1, 2.5, True, 'x'],
  'deep': {'a/b': [{'~': (np.zeros(0),)}]},
  'empty': ({}, (), []),
}


def equal(one, two):
  """Whether two nested values are of the same types and values."""
  if type(one) is not type(two):
    return False
  if isinstance(one, dict):
    return one.keys() == two.keys() and all(equal(one[k], two[k]) for k in one)
  if isinstance(one, (list, tuple)):
    return len(one) == len(two) and all(map(equal, one, two))
  if isinstance(one, np.ndarray):
    return one.dtype == two.dtype and np.array_equal(one, two)
  return one == two


@pytest.mark.parametrize('key', STATE)
def test_all_comes_back_with_its_type(tmp_path, key):
  states.write(tmp_path, {'collector': {key: STATE[key]}})
  assert equal(states.read(tmp_path), {'collector': {key: STATE[key]}})


def test_the_state_of_pythons_own_generator(tmp_path):
  """A tuple within a tuple, which `setstate` does not take as lists."""
  generator = random.Random(3)
  states.write(tmp_path, {'random': generator.getstate()})
  expected = generator.random()
  generator.setstate(states.read(tmp_path)['random'])
  assert generator.random() == expected


@pytest.mark.parametrize(
  ('value', 'what'),
  [
    (random.Random(0), r'environment/a holds a random\.Random'),
    ([1, {2}], r'environment/a/1 holds a builtins\.set'),
    ({3: 1}, 'environment/a holds the key 3, a int'),
    (np.array([None]), r'environment/a holds a numpy\.ndarray'),
    (b'x', r'environment/a holds a builtins\.bytes'),
  ],
)
def test_what_cannot_be_saved_is_named(tmp_path, value, what):
  with pytest.raises(errors.UserError, match=what) as caught:
    states.write(tmp_path, {'environment': {'a': value}})
  assert caught.value.exit_code == 78
  assert list(tmp_path.iterdir()) == []
