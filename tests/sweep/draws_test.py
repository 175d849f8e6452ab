"""Tests of slac/sweep/draws.py."""

import argparse
import math

import numpy as np
import pytest

from slac import errors
from slac.sweep import draws


def values(range_, number):
  drawn = draws.draw({'A.x': range_}, number)
  assert all(text.startswith('A.x = ') for (text,) in drawn)
  return np.array([float(text.removeprefix('A.x = ')) for (text,) in drawn])


def test_draws_are_as_likely_everywhere_in_a_range():
  found = values(draws.parse('uniform(-1, 3)'), 400)
  assert found.min() >= -1 and found.max() <= 3
  assert abs(found.mean() - 1) < 4 * 4 / math.sqrt(12 * 400)


def test_draws_are_as_likely_in_each_power_of_ten():
  found = np.log10(values(draws.parse('loguniform(1e-5, 1e-3)'), 400))
  assert found.min() >= -5 - 1e-3 and found.max() <= -3 + 1e-3
  assert abs(found.mean() + 4) < 4 * 2 / math.sqrt(12 * 400)


@pytest.mark.parametrize(
  ('text', 'low', 'high'),
  [
    ('uniform(0.99, 0.999)', 0.99, 0.999),
    ('uniform(0.9999, 0.99999)', 0.9999, 0.99999),
    ('loguniform(0.12345, 0.12346)', 0.12345, 0.12346),
  ],
)
def test_there_are_as_many_in_a_narrow_range(text, low, high):
  found = values(draws.parse(text), 200)
  assert len(set(found)) == 200
  assert low <= found.min() and found.max() <= high


def test_numbers_are_short_in_a_wide_range():
  (text,) = draws.draw({'A.x': draws.parse('loguniform(1e-5, 1e-3)')}, 1)[0]
  assert len(text) <= len('A.x = 0.0001234')


class Low:
  """Draws the lowest of all numbers."""

  def uniform(self, low, high):
    del high
    return low


def test_no_digit_brings_a_number_out_of_its_range():
  # Four digits of 0.12342 are 0.1234, which is less.
  assert draws.parse('uniform(0.12342, 1)').draw(Low()) == '0.12342'
  assert draws.parse('uniform(0.12348, 1)').draw(Low()) == '0.1235'


def test_what_has_no_more_numbers_ends_in_a_sentence():
  # Between these two there is no number.
  settings = {'A.x': draws.parse('uniform(1, 1.0000000000000002)')}
  with pytest.raises(errors.UserError, match='random=5 finds') as e:
    draws.draw(settings, 5)
  assert e.value.exit_code == 64


def test_the_same_are_drawn_at_each_call_and_more_only_add_some():
  settings = {'A.x': draws.parse('uniform(0, 1)'), 'B.y': ['1', '2']}
  few, many = draws.draw(settings, 5), draws.draw(settings, 9)
  assert few == many[:5] and len(set(many)) == 9
  assert {pair[1] for pair in many} == {'B.y = 1', 'B.y = 2'}


def test_there_are_no_more_than_there_are_combinations():
  drawn = draws.draw({'A.x': ['1', '2'], 'B.y': ['3', '4', '5']}, 20)
  assert len(set(drawn)) == len(drawn) == 6


def test_a_list_is_no_range():
  assert draws.parse('[1, 2]') is None


@pytest.mark.parametrize(
  'text',
  [
    'uniform(2, 1)',
    'uniform(a, 1)',
    'loguniform(0, 1)',
    'uniform(0, inf)',
    'uniform(nan, 1)',
  ],
)
def test_a_range_of_nothing_is_refused(text):
  with pytest.raises(argparse.ArgumentTypeError, match='no two numbers'):
    draws.parse(text)
