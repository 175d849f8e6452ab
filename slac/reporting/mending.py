"""Mends logs that are not what a checkpoint has noted, as far as can be.

What was found is never lost: it stays in the run's folder as damaged-NAME. Of a
file of events all is kept up to the first that is broken. Of a CSV file each
whole row is kept; what is missing or different is taken from the events. They
hold neither wall time nor counters but the step, so a row that is made of them
lacks these. No row of pretraining is, as its events do not say at which
environment step they were.
"""

import contextlib
import csv
import io
import itertools
import math
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto import event_pb2
from tensorboard.util import tensor_util

from slac.reporting import appending
from slac.reporting import events as events_file
from slac.storage import files

_STEP = 'env_steps'  # The column with the step of a row's events.
_FRAME = 16  # Bytes of an event's length and checksums.


def events(path: pathlib.Path, mark: appending.Mark) -> str:
  """Mends a file of events; returns what became of it, as a clause."""
  num_bytes = sum(_FRAME + len(record) for record in _records(path))
  files.write(path, path.read_bytes()[:num_bytes])
  return f'the first {num_bytes:,} of {mark.num_bytes:,} bytes are kept'


def table(
  path: pathlib.Path,
  mark: appending.Mark,
  columns: Sequence[str],
  events: pathlib.Path,
  prefix: str,
) -> str:
  """Mends a CSV file; returns what became of it, as a clause.

  Args:
    path: The file.
    mark: What is known of it.
    columns: Its columns, of which one is the step of its events.
    events: The folder with the files of events, mended already.
    prefix: What the names of the columns' events begin with.
  """
  found = path.read_bytes()[: mark.num_bytes] if path.exists() else b''
  rows = [_row(line, columns) for line in found.split(b'\n')[1:-1]]
  rows = [row for row in rows if row]
  kept, mended = len(rows), set()
  by_step = {
    float(row[_STEP]): row
    for row in reversed(rows)
    if not _is_of_pretraining(row)
  }
  for step, name, value in _scalars(events):
    column = name.removeprefix(prefix)
    if not name.startswith(prefix) or column not in columns:
      continue
    if step not in by_step:
      by_step[step] = {_STEP: step}
      rows.append(by_step[step])
    # Events hold floats of 32 bits.
    cell = np.float32(by_step[step].get(column) or np.nan)
    if not np.array_equal(cell, value, equal_nan=True):
      by_step[step][column] = value
      mended.add(step)
  # Pretraining comes after the last random data, at the same step.
  rows.sort(key=lambda row: (float(row[_STEP]), _is_of_pretraining(row)))
  text = io.StringIO()
  writer = csv.DictWriter(text, columns, lineterminator='\n')
  writer.writeheader()
  writer.writerows(rows)
  files.write(path, text.getvalue().encode())
  of = '' if mark.lines is None else f' of {mark.lines - 1}'
  clause = f'{kept}{of} rows are kept'
  return f'{clause}, {len(mended)} are mended from events' if mended else clause


def set_aside(path: pathlib.Path, folder: pathlib.Path) -> None:
  """Keeps a copy of a file in `folder`, under another name."""
  # TensorBoard would read a file with the name of one of events.
  name = f'damaged-{path.name.replace("tfevents", "events")}'
  for number in itertools.count(1):
    aside = folder / (name if number == 1 else f'{name}-{number}')
    if not aside.exists():
      shutil.copyfile(path, aside)
      return


def _records(path: pathlib.Path) -> Iterator[bytes]:
  """Yields the records of a file of events up to the first broken one."""
  with contextlib.suppress(tf.errors.DataLossError):
    for record in tf.data.TFRecordDataset(str(path)):
      yield record.numpy()


def _scalars(folder: pathlib.Path) -> Iterator[tuple[int, str, np.float32]]:
  """Yields step, name and value of each scalar in a folder of events."""
  for path in sorted(folder.glob(events_file.PATTERN)):
    for record in _records(path):
      event = event_pb2.Event.FromString(record)
      for value in event.summary.value:
        array = tensor_util.make_ndarray(value.tensor)
        if array.dtype == np.float32:
          yield event.step, value.tag, array[()]


def _is_of_pretraining(row: Mapping[str, Any]) -> bool:
  """Whether a row stands beside events over model updates, not over steps."""
  updates, gradient_steps = (
    float(row.get(name) or math.nan)
    for name in ('model_updates', 'gradient_steps')
  )
  return updates > 0 and gradient_steps == 0


def _row(line: bytes, columns: Sequence[str]) -> dict[str, str] | None:
  """Returns the cells of a line by their columns; None if it is no row."""
  cells = line.decode(errors='replace').split(',')
  if len(cells) != len(columns):
    return None
  row = dict(zip(columns, cells, strict=True))
  try:
    numbers = [float(cell) for cell in cells if cell]
  except ValueError:
    return None
  return row if numbers and row[_STEP] else None
