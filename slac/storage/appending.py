"""Files that are only appended to, on a disk that may be full for a while."""

import os
import pathlib

from slac import console, errors
from slac.storage import disk, files


class Appender:
  """Appends to files, and keeps for later what the disk does not take.

  So the files have no gaps, whatever has happened in between. What is kept is
  bounded by `sync`, which does not go on without it.
  """

  def __init__(self):
    self._kept = {}  # Not yet written, by path.
    self._unsynced = set()
    self._has_warned = False

  def append(self, path: pathlib.Path, data: bytes) -> None:
    """Writes `data` behind what is in a file; warns where that fails."""
    self._unsynced.add(path)
    self._kept.setdefault(path, bytearray()).extend(data)
    try:
      self._write(path)
    except OSError as error:
      if not self._has_warned:
        console.warn(
          f'{_sentence(path, error)}. What is logged meanwhile is kept in '
          'memory, and training goes on.'
        )
      self._has_warned = True

  def sync(self) -> None:
    """Writes all that has been kept and forces it to the disk.

    Raises:
      UserError: (74) if that fails.
    """
    for path in sorted(self._unsynced):
      try:
        self._write(path)
        files.fsync(path)
        files.fsync(path.parent)
      except OSError as error:
        raise errors.UserError(
          f'{_sentence(path, error)}, and the same command continues from the '
          'last checkpoint.',
          os.EX_IOERR,
        ) from error
    self._unsynced.clear()
    self._has_warned = False

  def _write(self, path):
    """Writes what is kept of a file, of which the disk may take a part."""
    if kept := self._kept.get(path):
      with open(path, 'ab', buffering=0) as file:
        while kept:
          del kept[: file.write(kept)]
    self._kept.pop(path, None)


def _sentence(path, error):
  remedy = disk.remedy(path.parent, error)
  return f'Cannot write {path}: {error.strerror}; {remedy}'
