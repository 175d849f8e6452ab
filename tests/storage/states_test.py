"""Tests of slac/storage/states.py: what an environment's state may be."""

import random

import ml_dtypes
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
  'record': np.array([(1, 2.0)], [('a', '<i4'), ('b', '>f8')]),
  'like one': {'a~kind': np.zeros(1), '~kinds': 1, 'npy': 2, '.npy/x': 3},
}


class List(list):
  """A list of one's own."""


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
    (np.array([None]), r'environment/a holds a numpy\.ndarray of object'),
    (b'x', r'environment/a holds a builtins\.bytes'),
    # What would come back as something else.
    (np.zeros(1, ml_dtypes.bfloat16), r'/a holds a numpy\.ndarray of bfloat16'),
    (ml_dtypes.bfloat16(1.5), r'environment/a holds a ml_dtypes\.bfloat16'),
    (np.ma.masked_array([1, 2], [0, 1]), r'/a holds a numpy\.ma\.Masked'),
    ([List([1])], r'environment/a/0 holds a .*\.List'),
    (List([np.zeros(1)]), r'environment/a holds a .*\.List'),
    ({'x': np.zeros(1), 'x.npy': np.zeros(1)}, r"holds the key 'x\.npy'"),
    ({'x\0y': np.zeros(1)}, r"holds the key 'x\\x00y'"),
    ({'x\udcff': np.zeros(1)}, r"holds the key 'x\\udcff'"),
    ({'~kind': 'list'}, "environment/a holds the key '~kind'"),
  ],
)
def test_what_cannot_be_saved_is_named(tmp_path, value, what):
  with pytest.raises(errors.UserError, match=what) as caught:
    states.write(tmp_path, {'environment': {'a': value}})
  assert caught.value.exit_code == 78
  assert list(tmp_path.iterdir()) == []
