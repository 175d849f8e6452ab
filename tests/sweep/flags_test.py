"""Tests of slac/sweep/flags.py: how settings are read that are varied."""

import argparse

import pytest

from slac.sweep import flags


@pytest.mark.parametrize(
  ('text', 'values'),
  [
    ('[1e-4, 3e-4]', ['1e-4', '3e-4']),
    ('[1]', ['1']),
    ('[ 1 ,2, ]', ['1', '2']),
    ('[\'a, b\', "]", None]', ["'a, b'", '"]"', 'None']),
    ('[[1, 2], (3, 4), {5: [6]}]', ['[1, 2]', '(3, 4)', '{5: [6]}']),
    (
      '[@SlacModel, @a/b.Planet(), %MACRO]',
      ['@SlacModel', '@a/b.Planet()', '%MACRO'],
    ),
    ('[-1.5,\n True]', ['-1.5', 'True']),
  ],
)
def test_the_values_of_a_list_are_texts_as_they_were_written(text, values):
  assert flags.setting(f'A.x = {text}') == ('A.x', values)


def test_a_name_is_what_precedes_the_first_equals_sign():
  assert flags.setting('X=["a = b"]') == ('X', ['"a = b"'])


@pytest.mark.parametrize('text', ['A.x [1]', 'A.x', '', '= [1]', ' = [1]'])
def test_no_name_or_no_equals_sign(text):
  with pytest.raises(argparse.ArgumentTypeError) as fault:
    flags.setting(text)
  assert str(fault.value).startswith(f"{text!r} is no 'NAME = [VALUE, ...]'")


@pytest.mark.parametrize(
  'text',
  [
    *('1', '1, 2', '(1, 2)', '', '[]', '[,]', '[1,,2]', '[1', '1]', '[1)'),
    *('[1] + [2]', '[1], [2]', "['a]", '[[1]'),
  ],
)
def test_what_is_no_list_of_values(text):
  with pytest.raises(argparse.ArgumentTypeError) as fault:
    flags.setting(f'A.x = {text}')
  assert 'does not give A.x a list of values: write it such as' in str(
    fault.value
  )


def test_a_value_is_not_given_twice():
  with pytest.raises(argparse.ArgumentTypeError, match='has 2 twice'):
    flags.setting('A.x = [1, 2, 3, 2]')


def test_the_first_duplicate_is_found():
  assert flags.duplicate('abcba') == 'b'
  assert flags.duplicate('abc') is None


@pytest.mark.parametrize('text', ['local', 'head:6379', '10.0.0.1:6379'])
def test_an_address(text):
  assert flags._address(text) == text


@pytest.mark.parametrize(
  'text', ['', 'head', 'ray://head:10001', 'a b:1', ':1']
)
def test_no_address(text):
  with pytest.raises(argparse.ArgumentTypeError, match='nor HOST:PORT'):
    flags._address(text)
