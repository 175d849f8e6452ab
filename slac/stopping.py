"""Ctrl-C and SIGTERM, heeded where the run is in a state worth saving."""

import os
import signal


class StopRequest:
  """Remembers the first signal; the second ends the process at once.

  Before `defer` nothing of the run has been done, and after `release` all of it
  is saved: there the first signal ends the process as well.
  """

  def __init__(self):
    self._signal = None
    self._deferred = False
    for number in (signal.SIGINT, signal.SIGTERM):
      signal.signal(number, self._handle)

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
    if self.requested or not self._deferred:
      os._exit(128 + number)
    self._signal = number
