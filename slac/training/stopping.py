"""Stops a run that is told to, and saves it from time to time."""

import math
import os
import time
from collections.abc import Callable

from slac import console, errors
from slac.environments import signals

_FAILURES = 3  # So many saves in a row may fail; the last ends the run.


class StopRequest:
  """Remembers the first signal to stop; a later one ends the process at once.

  Those within a second of the first count as the same. Before `defer` the run
  has done nothing, and after `release` all of it is saved: then the first
  signal ends the process as well.
  """

  def __init__(self):
    self._signal = None
    self._when = math.inf  # The first signal came, by the monotonic clock.
    self._deferred = False
    signals.handle(self._handle)

  def defer(self):
    """From here on, the first signal only sets `requested`."""
    self._deferred = True

  def release(self):
    """From here on, a signal ends the process again."""
    self._deferred = False

  @property
  def requested(self) -> bool:
    """Whether a signal has come."""
    return self._signal is not None

  @property
  def exit_code(self) -> int:
    """The shell's code for a process ended by that signal."""
    return 128 + self._signal

  def _handle(self, number, frame):
    del frame
    now = time.monotonic()
    if not self._deferred or now - self._when >= signals.SECONDS_AS_ONE:
      os._exit(128 + number)
    if not self.requested:
      self._signal, self._when = number, now


class Autosave:
  """Saves when it is due, and outlives a disk that is full for a while.

  A save that fails costs nothing yet, as the checkpoint before it is still
  there. So training goes on until the third failure in a row.
  """

  def __init__(self, save: Callable[[], None], seconds: float):
    """Takes a function that saves or raises a UserError.

    Args:
      save: what is to be called.
      seconds: between the end of a save, failed or not, and the next one.
    """
    self._save = save
    self._seconds = seconds
    self._failures = 0
    self._saved = time.monotonic()

  def if_due(self):
    """Saves if it is time to.

    Raises:
      errors.UserError: of `save`, if it is the third in a row or has nothing
        to do with the disk (74).
    """
    if time.monotonic() - self._saved <= self._seconds:
      return
    try:
      self._save()
      self._failures = 0
    except errors.UserError as fault:
      if fault.exit_code != os.EX_IOERR:
        raise
      self._failures += 1
      if self._failures == _FAILURES:
        raise
      console.warn(
        f'{fault} Training goes on, but stops at failure {_FAILURES}; this was '
        f'{self._failures}.'
      )
    self._saved = time.monotonic()
