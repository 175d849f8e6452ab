"""Tests of slac/console.py: rates by phase, lines instead of a bar."""

import io

import pytest

from slac import console


class Terminal(io.StringIO):
  def isatty(self):
    return True


@pytest.fixture
def clock(monkeypatch):
  """Returns a list whose only item is the time in seconds."""
  now = [1000.0]
  monkeypatch.setattr(console.time, 'monotonic', lambda: now[0])
  return now


def last_frame(file):
  return file.getvalue().replace('\r', '\n').strip().splitlines()[-1]


def test_the_time_left_uses_the_rate_of_the_present_phase(clock):
  file = io.StringIO()
  bar = console.Progress(1000, 0, file, line_seconds=0)
  bar.phase('random data')
  clock[0] += 1
  bar.advance(100)  # 100 a second.
  assert '<00:09' in last_frame(file)
  bar.phase('training')
  clock[0] += 10
  bar.advance(10)  # 1 a second, with 890 left.
  assert last_frame(file).startswith('training: 11.0%')
  assert '<14:50' in last_frame(file)
  bar.close()


def test_a_resumed_run_counts_only_its_own_iterations_as_its_rate(clock):
  file = io.StringIO()
  bar = console.Progress(100, 90, file, line_seconds=0)
  bar.phase('training')
  clock[0] += 4
  bar.advance(2)
  assert last_frame(file).startswith('training: 92.0%')
  assert '<00:16' in last_frame(file)
  bar.close()


@pytest.mark.parametrize('done', [8, 10, 12])
def test_more_iterations_than_expected_are_all_of_them(done):
  file = io.StringIO()
  bar = console.Progress(10, done, file, line_seconds=0)
  bar.phase('training')
  bar.advance(4)
  bar.close()
  assert last_frame(file).startswith('training: 100.0%')


def test_values_are_shown_and_stay():
  file = io.StringIO()
  bar = console.Progress(10, 0, file, line_seconds=0)
  bar.phase('training')
  bar.show(env_steps=12000, episode_return=512.34)
  bar.show(updates_per_second=0.123456)
  bar.advance()
  expected = 'env steps 12,000, episode return 512.3, updates per second 0.123'
  assert expected in last_frame(file)
  bar.close()


def test_off_a_terminal_there_are_few_lines_and_no_control_characters():
  file = io.StringIO()
  bar = console.Progress(10000, 0, file)
  bar.phase('training')
  for _ in range(10000):
    bar.show(env_steps=1)
    bar.advance()
  bar.close()
  text = file.getvalue()
  assert '\r' not in text and '\x1b' not in text and '|' not in text
  assert len(text.splitlines()) <= 4
  assert all(text.splitlines())
  assert '100.0%' in text


def test_on_a_terminal_there_is_one_line_that_is_rewritten():
  file = Terminal()
  bar = console.Progress(100, 0, file)
  bar.phase('training')
  bar.advance(50)
  bar.close()
  text = file.getvalue()
  assert text.count('\n') == 1
  assert 'training:  50%|' in text


def test_an_abandoned_bar_does_not_displace_the_next():
  abandoned = console.Progress(100, 0, Terminal())
  file = Terminal()
  bar = console.Progress(100, 0, file)
  bar.close()
  assert '\x1b' not in file.getvalue()
  abandoned.close()


def test_messages_are_printed(capsys):
  bar = console.Progress(100, 0, io.StringIO())
  bar.message('evaluation: 12.0')
  bar.close()
  assert capsys.readouterr().out == 'evaluation: 12.0\n'


def test_what_holds_the_bar_up_is_named_while_it_does(clock):
  file = io.StringIO()
  bar = console.Progress(10, 0, file, line_seconds=0)
  bar.phase('training')
  with bar.held_up('evaluation'):
    assert last_frame(file).startswith('evaluation: 0.0%')
  bar.advance()
  assert last_frame(file).startswith('training: 10.0%')
  bar.close()


def test_a_phase_may_have_ended_early(clock):
  file = io.StringIO()
  bar = console.Progress(20, 0, file, line_seconds=0)
  bar.expect(10)
  bar.phase('training')
  bar.advance()
  assert last_frame(file).startswith('training: 10.0%')
  bar.close()


def test_a_first_step_is_left_out_of_the_time_that_is_left(clock):
  file = io.StringIO()
  bar = console.Progress(100, 0, file, line_seconds=0)
  bar.phase('training')
  clock[0] += 50  # The first step, which is compiled.
  bar.advance()
  bar.restart_rate()
  clock[0] += 10
  bar.advance(10)  # 1 a second, with 89 left.
  assert '<01:29' in last_frame(file)
  bar.close()
