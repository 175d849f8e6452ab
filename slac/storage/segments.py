"""The replay's rows in files, which all checkpoints share.

Each save writes only the rows that are new, and those whose file is lost.
"""

import pathlib
from collections.abc import Container
from typing import Any

from slac import console
from slac.storage import files, manifests

# Of a file at most, which bounds the memory that writing and reading take in
# addition to the replay.
ROWS = 4096


class Segments:
  """Writes a replay's rows to files rows-FIRST-END.npz, and reads them back.

  A segment is a dict of what `manifests.seal` returns about its file, and of
  the numbers of its first row, 'start', and of the one after its last, 'stop'.

  Attributes:
    folder: Where the files are.
    newest: The segments of the newest checkpoint, oldest first.
  """

  def __init__(self, folder: pathlib.Path, replay: Any):
    """Creates `folder` if it does not exist; see `Checkpoints` on `replay`."""
    self.folder = folder
    self.newest = []
    self._replay = replay
    self._to_check = []  # The names of segments whose content is next.
    folder.mkdir(parents=True, exist_ok=True)

  def write(self) -> list[dict[str, Any]]:
    """Writes what is not on the disk; returns all segments that are needed."""
    replay = self._replay
    oldest = replay.num_added - replay.size
    segments = self._whole_segments(oldest)
    # What no segment holds: rows that are new, and those of lost segments.
    starts = [*(s['start'] for s in segments), replay.num_added]
    stops = [oldest, *(s['stop'] for s in segments)]
    for begin, end in zip(stops, starts, strict=True):
      for start in range(begin, end, ROWS):
        stop = min(start + ROWS, end)
        path = self.folder / f'rows-{start:010d}-{stop:010d}.npz'
        files.write_arrays(path, replay.rows(start, stop))
        segments.append({**manifests.seal(path), 'start': start, 'stop': stop})
    files.fsync(self.folder)
    return sorted(segments, key=lambda segment: segment['start'])

  def restore(
    self,
    segments: list[dict[str, Any]],
    oldest: int,
    fields: Container[str] | None = None,
  ) -> None:
    """Puts rows from number `oldest` on back into the replay.

    Args:
      segments: of a checkpoint.
      oldest: the number of the first row that is wanted.
      fields: those to be put back; by default all that are stored.
    """
    for segment in segments:
      arrays = files.read_arrays(self.folder / segment['name'])
      start = max(segment['start'], oldest)
      skipped = start - segment['start']
      arrays = {
        name: array[skipped:]
        for name, array in arrays.items()
        if fields is None or name in fields
      }
      self._replay.restore_rows(start, arrays)
    self.newest = segments

  def _whole_segments(self, oldest: int) -> list[dict[str, Any]]:
    """Returns the segments with rows from `oldest` on that are still whole.

    All are there and have their size; the content of one of them, each time
    another, is what was written.
    """
    segments = [s for s in self.newest if s['stop'] > oldest]
    self._to_check = self._to_check or [s['name'] for s in segments]
    in_turn = self._to_check.pop() if self._to_check else None
    whole = []
    for segment in segments:
      content = segment['name'] == in_turn
      try:
        manifests.verify(self.folder, [segment], content)
        whole.append(segment)
      except manifests.Damage as fault:
        console.warn(f'{fault}; what is in memory of it is written again.')
    return whole
