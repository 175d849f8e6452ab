"""Which signals are heeded, and for how long."""

import signal

import pytest

from slac.environments import signals


@pytest.fixture
def heeded():
  """The signals that have come to handlers of before."""
  told = []
  before = {
    number: signal.signal(number, lambda number, frame: told.append(number))
    for number in signals.STOPPING
  }
  yield told
  for number, own in before.items():
    signal.signal(number, own)


def test_those_of_before_are_heeded_again(heeded):
  own = []
  with (
    pytest.raises(KeyError),
    signals.handled(lambda number, frame: own.append(number)),
  ):
    for number in signals.STOPPING:
      signal.raise_signal(number)
    raise KeyError
  assert set(own) == {2, 15, 1, 24, 10} and not heeded
  signal.raise_signal(signal.SIGTERM)
  assert heeded == [signal.SIGTERM]


def test_under_nohup_a_closed_terminal_is_ignored_all_along(heeded):
  signal.signal(signal.SIGHUP, signal.SIG_IGN)
  before = signals.handle(lambda number, frame: None)
  assert set(before) == {2, 15, 24, 10}
  assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
