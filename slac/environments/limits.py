"""Limits how long a call of an environment may take."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator

TICK = 0.2  # Seconds between two looks at the clock.
_GRACE = 10.0  # Seconds that a call may still take once the run is to stop.


class Limit:
  """Seconds that a call may take, and fewer once the run is told to stop.

  Only time in which this process runs counts: it may be stopped and continued,
  or sleep with its machine.
  """

  def __init__(
    self, seconds: float, should_stop: Callable[[], bool] = lambda: False
  ):
    """Takes the seconds, and what says whether the run is to stop."""
    self.should_stop = should_stop
    self._seconds = seconds

  def start(self, seconds: float | None = None) -> Callable[[], bool]:
    """Starts the clock; returns a function that says whether time is up.

    It is to be called every `TICK` seconds.

    Args:
      seconds: in place of the limit's own.
    """
    left = self._seconds if seconds is None else seconds
    last = time.monotonic()

    def is_up():
      nonlocal left, last
      now = time.monotonic()
      left -= min(now - last, 2 * TICK)
      last = now
      if self.should_stop():
        left = min(left, _GRACE)
      return left <= 0

    return is_up

  @contextlib.contextmanager
  def alarm(self) -> Iterator[None]:
    """Raises a TimeoutError in a with statement of the main thread.

    It comes as a signal, which ends what waits in Python, but nothing that
    never returns to it from C.
    """
    is_up, began = self.start(), time.monotonic()

    def look(number, frame):
      del number, frame
      if is_up():
        raise TimeoutError(f'no end within {time.monotonic() - began:.0f} s')

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
    try:
      try:
        yield
      finally:  # The alarm may strike in here,
        signal.setitimer(signal.ITIMER_REAL, 0)
    finally:  # so it is stopped again.
      signal.setitimer(signal.ITIMER_REAL, 0)
      signal.signal(signal.SIGALRM, before)
