"""Tests of slac/errors.py: what a user reads, and exit codes."""

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


def test_other_errors_are_not_reported():
  with pytest.raises(ValueError, match='a bug'), errors.reported_by('program'):
    raise ValueError('a bug')


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


def test_commands_of_commands_have_the_same_parser(capsys):
  parser = errors.ArgumentParser(prog='program')
  parser.add_subparsers(required=True).add_parser('go').add_argument('--n')
  with pytest.raises(SystemExit) as caught:
    parser.parse_args(['go', '--n'])
  assert caught.value.code == 64
  assert capsys.readouterr().err.count('\n') == 1
