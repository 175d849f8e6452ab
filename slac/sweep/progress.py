"""Reads how far a run has come from its folder, while it is at work."""

import csv
import io
import math
import pathlib
from collections.abc import Mapping
from typing import Any

TRAINED_RETURN = 'trained_return'
_TAIL = 1 << 16  # Bytes in which the last line of a log is.


def read(folder: pathlib.Path) -> dict[str, Any]:
  """Returns the phase, the steps, the last return and the seconds of a run.

  What is not known yet is left out; of a row that was mended, see
  `reporting.mending`, the step alone is known. `TRAINED_RETURN` is the last
  return of an actor that has learned.
  """
  trained = last_row(folder / 'train.csv')
  evaluated = last_row(folder / 'eval.csv')
  row = trained or evaluated
  found: dict[str, Any] = {'env_steps': int(row['env_steps'])} if row else {}
  if not row:
    found['phase'] = 'random data'
  elif row['wall_seconds']:
    found['phase'] = _phase(row)
    found['wall_seconds'] = float(row['wall_seconds'])
  if evaluated:
    found['average_return'] = float(evaluated['average_return'])
    if int(evaluated['gradient_steps'] or 0):
      found[TRAINED_RETURN] = found['average_return']
  if is_finished(folder):
    found['phase'] = 'finished'
  return found


def is_finished(folder: pathlib.Path) -> bool:
  """Whether the run has exported its policy, which it does in the end."""
  return (folder / 'policy').is_dir()


def last_row(path: pathlib.Path) -> Mapping[str, str] | None:
  """Returns the last whole line of a CSV file, by its columns; or None."""
  try:
    with open(path, 'rb') as file:
      header = file.readline()
      file.seek(max(len(header), file.seek(0, io.SEEK_END) - _TAIL))
      tail = file.read()
  except FileNotFoundError:
    return None
  lines = tail.decode('utf-8', 'replace').split('\n')
  if len(lines) < 2:  # The last is not ended yet, or empty.
    return None
  names = next(csv.reader([header.decode().rstrip('\n')]))
  cells = next(csv.reader([lines[-2]]), [])
  return (
    dict(zip(names, cells, strict=True)) if len(cells) == len(names) else None
  )


def _phase(row) -> str:
  if int(row['gradient_steps']):
    return 'training'
  return 'pretraining' if int(row['model_updates']) else 'random data'


class TimeLeft:
  """Says how long a run still takes, by the steps that it was seen to take."""

  def __init__(self, env_steps: int):
    """Takes the run's budget of environment steps."""
    self._budget = env_steps
    self._first: tuple[int, float] | None = None

  def seconds(self, progress: Mapping[str, Any]) -> float:
    """Returns them, or NaN before two log entries of training were seen."""
    if progress.get('phase') == 'finished':
      return 0.0
    if progress.get('phase') != 'training':
      return math.nan
    now = progress['env_steps'], progress['wall_seconds']
    self._first = self._first or now
    steps, seconds = now[0] - self._first[0], now[1] - self._first[1]
    if steps <= 0:
      return math.nan
    return (self._budget - now[0]) * seconds / steps
