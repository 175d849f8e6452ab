"""How long a call may take: by a clock that is set by hand, and by an alarm."""

import signal
import time

import pytest

from slac.environments import limits


@pytest.fixture
def clock(monkeypatch):
  """The monotonic clock's seconds, in a list of one."""
  now = [50.0]
  monkeypatch.setattr(limits.time, 'monotonic', lambda: now[0])
  return now


def test_time_is_up_after_the_seconds(clock):
  is_up = limits.Limit(1.0).start()
  answers = []
  for _ in range(4):
    clock[0] += 0.3
    answers.append(is_up())
  assert answers == [False, False, False, True]


def test_time_in_which_the_process_stood_still_does_not_count(clock):
  is_up = limits.Limit(1.0).start()
  clock[0] += 10_000
  assert not is_up()  # Twice a tick of 0.2 s counts.
  clock[0] += 0.35
  assert not is_up()
  clock[0] += 0.35
  assert is_up()


def test_a_run_that_is_to_stop_waits_for_ten_seconds(clock):
  is_told = []
  limit = limits.Limit(1000.0, lambda: bool(is_told))
  is_up = limit.start()
  clock[0] += 0.3
  assert not is_up()
  is_told.append(True)
  answers = []
  for _ in range(41):
    clock[0] += 0.25
    answers.append(is_up())
  assert answers == 40 * [False] + [True]  # From the first of these answers on.


def test_an_alarm_ends_what_waits_for_ever():
  before = signal.getsignal(signal.SIGALRM)
  with (
    pytest.raises(TimeoutError, match='no end within'),
    limits.Limit(0.5).alarm(),
  ):
    time.sleep(1000)
  assert signal.getsignal(signal.SIGALRM) is before
  assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_alarm_leaves_alone_what_ends():
  with limits.Limit(1000.0).alarm():
    time.sleep(0.5)  # Two ticks.
  assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
