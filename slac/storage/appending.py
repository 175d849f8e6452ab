"""Appends to files on a disk that may be full for a while."""

import os
import pathlib

from slac import console, errors
from slac.storage import disk, files


class Appender:
  """Appends to files, and keeps in memory what the disk does not take.

  So the files have no gaps. What is kept does not grow without bound as long as
  `sync` is called now and then: it raises an error unless all can be written.
  """

  def __init__(self):
    self._kept = {}  # Bytes that are not yet written, by path.
    self._unsynced = set()
    self._has_warned = False

  def append(self, path: pathlib.Path, data: bytes) -> None:
    """Appends `data` to a file, or keeps it for later and warns."""
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
    """Writes all that has been kept, and forces the files to the disk.

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
    """Appends what is kept for a file; the disk may take a part of it."""
    if kept := self._kept.get(path):
      with open(path, 'ab', buffering=0) as file:
        while kept:
          del kept[: file.write(kept)]
    self._kept.pop(path, None)


def _sentence(path, error):
  remedy = disk.remedy(path.parent, error)
  return f'Cannot write {path}: {error.strerror}; {remedy}'
