"""Appends to files on a disk that may be full for a while, and knows them."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
from typing import Any

from slac import console, errors
from slac.storage import disk, files

_BLOCK = 1 << 20  # Bytes that are read at a time.


@dataclasses.dataclass(frozen=True)
class Mark:
  """What is known of a file: its size, lines and sha256, to find damage by.

  Runs of version 0.1 have noted the size alone: then the others are None.
  """

  num_bytes: int
  lines: int | None = None
  sha256: str | None = None

  @classmethod
  def of(cls, value: Any) -> Mark:
    """Returns the mark that a checkpoint holds as a list, or as a size."""
    mark = cls(*value) if isinstance(value, (list, tuple)) else cls(value)
    for number in (mark.num_bytes, mark.lines or 0):
      if type(number) is not int or number < 0:
        raise ValueError(f'{value!r} is no mark of a file')
    return mark


class Appender:
  """Appends to files, and keeps in memory what the disk does not take.

  So the files have no gaps. What is kept does not grow without bound as long as
  `sync` is called now and then: it raises an error unless all can be written.
  """

  def __init__(self, folder: pathlib.Path):
    """Appends to nothing yet.

    Args:
      folder: the run's, which has to be there; one within it is made anew where
        it is gone, as users delete films to make room.
    """
    self._folder = folder
    self._kept = {}  # Bytes that are not yet written, by path.
    self._contents = {}  # The `_Content` of each file, by path.
    self._unsynced = set()
    self._has_warned = False

  def adopt(self, path: pathlib.Path, mark: Mark) -> bool:
    """Takes a file back to its mark, to append to it from there on.

    Returns:
      Whether it was what the mark says; if not, it is left as it is.
    """
    content = _Content()
    try:
      with open(path, 'rb') as file:
        while rest := mark.num_bytes - content.num_bytes:
          if not (data := file.read(min(_BLOCK, rest))):
            return False
          content.add(data)
    except FileNotFoundError:
      return False
    if mark.sha256 not in (None, content.mark().sha256):
      return False
    os.truncate(path, mark.num_bytes)
    self._contents[path] = content
    return True

  def append(self, path: pathlib.Path, data: bytes) -> None:
    """Appends `data` to a file, or keeps it for later and warns."""
    self._unsynced.add(path)
    self._contents.setdefault(path, _Content()).add(data)
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

  def sync(self) -> dict[pathlib.Path, Mark]:
    """Writes all that has been kept, and forces the files to the disk.

    Returns:
      The mark of each file that was adopted or appended to.

    Raises:
      UserError: (74) if that fails.
    """
    for path in sorted(self._unsynced):
      try:
        self._write(path)
        for place in (path, path.parent):
          if place == self._folder or place.exists():
            files.fsync(place)
      except OSError as error:
        raise errors.UserError(
          f'{_sentence(path, error)}, and the same command continues from the '
          'last checkpoint.',
          os.EX_IOERR,
        ) from error
    self._unsynced.clear()
    self._has_warned = False
    return {path: content.mark() for path, content in self._contents.items()}

  def _write(self, path):
    """Appends what is kept for a file; the disk may take a part of it."""
    if kept := self._kept.get(path):
      if path.parent != self._folder:
        path.parent.mkdir(exist_ok=True)
      with open(path, 'ab', buffering=0) as file:
        while kept:
          del kept[: file.write(kept)]
    self._kept.pop(path, None)


class _Content:
  """Counts and hashes what a file holds, as it grows."""

  def __init__(self):
    self.num_bytes = 0
    self._lines = 0
    self._sha256 = hashlib.sha256()

  def add(self, data: bytes) -> None:
    self.num_bytes += len(data)
    self._lines += data.count(b'\n')
    self._sha256.update(data)

  def mark(self) -> Mark:
    return Mark(self.num_bytes, self._lines, self._sha256.hexdigest())


def _sentence(path, error):
  remedy = disk.remedy(path.parent, error)
  return f'Cannot write {path}: {error.strerror}; {remedy}'
