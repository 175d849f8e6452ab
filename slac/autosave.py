"""Saving from time to time, on a disk that may be full for a while."""

import os
import time
from collections.abc import Callable

from slac import errors, progress

_FAILURES = 3


class Autosave:
  """Saves when it is due, and has patience with the disk.

  A save that fails costs nothing yet, as the one before it is still there. So
  training goes on, until the third failure in a row.
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
      progress.warn(
        f'{fault} Training goes on, but stops at failure {_FAILURES}; this was '
        f'{self._failures}.'
      )
    self._saved = time.monotonic()
