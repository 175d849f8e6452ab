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


def test_no_message_is_longer_than_a_page(capsys):
  with pytest.raises(SystemExit), errors.reported_by('program'):
    raise errors.UserError('a' * 10**6 + 'z')
  line = capsys.readouterr().err
  assert len(line) < 5100 and line.endswith('az\n')
  with pytest.raises(SystemExit):
    errors.ArgumentParser(prog='program').parse_args(['a' * 10**6])
  assert len(capsys.readouterr().err) < 1100


def test_long_texts_lose_their_middle():
  assert errors.short('a' * 100) == 'a' * 100
  assert errors.short('a' * 60 + 'z' * 60) == 'a' * 48 + '...' + 'z' * 48
  assert errors.short('abcdefghijklm', 9) == 'abc...klm'


def test_lists_have_ten_items():
  items = [str(n) for n in range(12)]
  assert errors.listed([]) == 'none'
  assert errors.listed(items[:2]) == '0, 1'
  assert errors.listed(items[:10], '; ') == '0; 1; 2; 3; 4; 5; 6; 7; 8; 9'
  assert (
    errors.listed(items[8:] * 3, '-') == '8-9-10-11-8-9-10-11-8-9-and 2 more'
  )
  assert errors.listed(['a' * 900]) == 'a' * 248 + '...' + 'a' * 248


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


@pytest.mark.parametrize('value', ['-1', '4294967296', '1.5', '9' * 5000])
def test_a_seed_that_numpy_does_not_take(capsys, value):
  parser = errors.ArgumentParser(prog='program')
  parser.add_argument('--seed', type=errors.seed)
  with pytest.raises(SystemExit) as caught:
    parser.parse_args([f'--seed={value}'])
  assert caught.value.code == 64
  assert capsys.readouterr().err == (
    f'program: argument --seed: {errors.short(value)!r} is no whole number '
    'from 0 to 4294967295; --help lists the flags.\n'
  )
  assert parser.parse_args(['--seed=4294967295']).seed == 4294967295


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
    ('zzz', ['walk', 'run'], ' (there are run, walk)'),
    ('zzz', [], ' (there are none)'),
  ],
)
def test_where_none_is_near_all_are_listed(name, names, expected):
  assert errors.did_you_mean_or_all(name, iter(names)) == expected
