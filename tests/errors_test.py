"""Tests of slac/errors.py: what a user reads, and exit codes."""

import argparse

import pytest

from slac import errors


def test_a_message_is_one_line(capsys):
  with pytest.raises(SystemExit) as caught, errors.reported_by('program'):
    raise errors.UserError('--gin_param="A.x = 1\n  B.y = 2" is  wrong.', 78)
  assert caught.value.code == 78
  assert capsys.readouterr() == (
    '',
    'program: --gin_param="A.x = 1 B.y = 2" is  wrong.\n',
  )


@pytest.mark.parametrize('error', [ValueError('a bug'), OSError(9, 'a bug')])
def test_other_errors_are_not_reported(error):
  with (
    pytest.raises(type(error), match='a bug'),
    errors.reported_by('program'),
  ):
    raise error


def test_a_file_that_cannot_be_used_is_named(capsys, tmp_path):
  with pytest.raises(SystemExit) as caught, errors.reported_by('program'):
    (tmp_path / 'nowhere' / 'a.csv').read_bytes()
  assert caught.value.code == 74
  assert capsys.readouterr().err == (
    f'program: {tmp_path}/nowhere/a.csv cannot be used (No such file or '
    'directory): make it readable and writable, and start the same command '
    'again.\n'
  )


@pytest.mark.parametrize(
  ('words', 'message'),
  [
    (['--n=1', '--m=1'], 'unrecognized arguments: --m=1'),
    (['--n=0'], "argument --n: '0' is no whole number of at least 1"),
    (['--n=1.5'], "argument --n: '1.5' is no whole number of at least 1"),
    ([], 'the following arguments are required: --n'),
  ],
)
def test_a_wrong_command_line_is_one_line_too(capsys, words, message):
  parser = errors.ArgumentParser(prog='program')
  parser.add_argument('--n', type=errors.count, required=True)
  with pytest.raises(SystemExit) as caught:
    parser.parse_args(words)
  assert caught.value.code == 64
  assert capsys.readouterr().err == (
    f'program: {message}; --help lists the flags.\n'
  )
  assert parser.parse_args(['--n=1']).n == 1


def test_a_whole_number_may_be_none():
  assert errors.whole_number('0') == 0 and errors.whole_number('3') == 3
  with pytest.raises(argparse.ArgumentTypeError, match='at least 0'):
    errors.whole_number('-1')


def test_commands_of_commands_have_the_same_parser(capsys):
  parser = errors.ArgumentParser(prog='program')
  parser.add_subparsers(required=True).add_parser('go').add_argument('--n')
  with pytest.raises(SystemExit) as caught:
    parser.parse_args(['go', '--n'])
  assert caught.value.code == 64
  assert capsys.readouterr().err.count('\n') == 1


@pytest.mark.parametrize(
  ('name', 'own', 'others', 'expected'),
  [
    ('waker', ['walker', 'swimmer'], [], ' (did you mean walker?)'),
    ('WALKER', ['walker'], [], ' (did you mean walker?)'),
    ('walker', ['WALKER'], [], ' (did you mean WALKER?)'),
    # Equally near: one letter of six differs.
    ('ant-v2', ['ant-v5', 'ant-v4'], [], ' (did you mean ant-v4 or ant-v5?)'),
    # Two thirds of 'abc' and 'abd' agree, so 'abc' of the others is not asked.
    ('abc', ['abd'], ['abc'], ' (did you mean abd?)'),
    ('abc', ['xyz'], ['abd'], ' (did you mean abd?)'),
    ('abc', ['xyz'], [], ''),
    ('abc', [], [], ''),
  ],
)
def test_the_nearest_names_are_suggested(name, own, others, expected):
  assert errors.did_you_mean(name, own, others) == expected


def test_at_most_three_are_suggested():
  names = ['abc4', 'abc2', 'abc1', 'abc3']
  hint = errors.did_you_mean('abc0', names)
  assert hint == ' (did you mean abc1 or abc2 or abc3?)'


def test_the_cutoff_counts_as_near():
  # Three of four letters agree: a similarity of 0.75.
  assert errors.did_you_mean('abcd', ['abcx'], cutoff=0.75)
  assert not errors.did_you_mean('abcd', ['abcx'], cutoff=0.76)


@pytest.mark.parametrize(
  ('name', 'names', 'expected'),
  [
    ('wlak', ['walk', 'run'], ' (did you mean walk?)'),
    ('zzz', ['walk', 'run'], ' (it has run, walk)'),
    ('zzz', [], ' (it has none)'),
  ],
)
def test_where_none_is_near_all_are_listed(name, names, expected):
  assert errors.did_you_mean_or_all(name, iter(names)) == expected
