"""The logs of a run: TensorBoard, pictures and CSV files.

Logs are only ever appended to, so a checkpoint knows them by size and checksum,
and a resumed run goes back to these sizes before it logs a step once more.
"""

import contextlib
import csv
import dataclasses
import fnmatch
import io
import os
import pathlib
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

from slac import console, errors
from slac.reporting import (
  appending,
  descriptions,
  encoding,
  events,
  mending,
)
from slac.storage import checkpoints

# The names of pictures that a run writes; others are somebody else's.
_PICTURE = re.compile(r'(evaluation|pretraining)-\w+-[0-9]{9,}\.(gif|png)')
# Where earlier versions kept the events, as TensorBoard shows it.
_FORMER_FOLDER = 'tensorboard'


class Logs:
  """Writes TensorBoard events, pictures and CSV files into a run's folder."""

  def __init__(
    self,
    folder: pathlib.Path,
    columns: Mapping[str, Sequence[str]],
    prefixes: Mapping[str, str],
  ):
    """Prepares logs, which are then to be opened.

    Args:
      folder: the run's folder.
      columns: the columns of each CSV file, by its name without '.csv'.
      prefixes: what precedes the names of its columns in TensorBoard.
    """
    self._folder = pathlib.Path(folder)
    self._columns = {name: tuple(names) for name, names in columns.items()}
    self._written = dict(self._columns)  # Those that the files have.
    self._prefixes = prefixes
    self._appender = appending.Appender(self._folder)
    self._described = set()  # The tags that TensorBoard has been told of.

  def open(self, state: Mapping[str, Any] | None) -> bool:
    """Takes the logs back to `get_state`, and begins to append to them.

    What is no longer as it was is mended as far as can be, with a warning.

    Args:
      state: what `get_state` returned; None forgets all that was logged. CSV
        files of other names than the columns' are left alone.

    Returns:
      Whether something was mended: then no mark fits before the next
      `get_state`, and what is appended until then could not be told from it.

    Raises:
      UserError: (78) if a CSV file is there and has other columns. One that
        an older version began may lack some, and goes on without. (65) if the
        state is none.
      OSError: If a file cannot be read or mended.
    """
    names = {
      name.removeprefix(f'{_FORMER_FOLDER}/'): value
      for name, value in (state or {}).items()
    }
    with checkpoints.restoring(self._folder):
      marks = {
        self._folder / name: appending.Mark.of(value)
        for name, value in names.items()
        if self._is_log(name)
      }
    self._move_events()
    for path in self._found():
      if path not in marks:
        path.unlink()
    (self._folder / 'videos').mkdir(parents=True, exist_ok=True)
    for name in self._columns:
      self._keep_columns(name)
    # Tables come last, as they are mended from events.
    paths = sorted(marks, key=lambda path: (path.suffix == '.csv', path))
    faults = [fault for x in paths if (fault := self._adopt(x, marks[x]))]
    if faults:
      console.warn(
        f'Logs are not what the checkpoint knows: {"; ".join(faults)}. What '
        f'was found is kept in {self._folder} as damaged-*.'
      )
    self._events = self._folder / events.file_name(os.listdir(self._folder))
    self._appender.append(self._events, events.header())
    for name in self._columns:
      self._begin_csv(name)
    return bool(faults)

  def scalars(self, step: int, values: Mapping[str, float]) -> None:
    """Writes scalars to TensorBoard at `step`, in environment steps."""
    new = {tag: descriptions.of(tag) for tag in values.keys() - self._described}
    self._described.update(new)
    self._appender.append(self._events, events.scalars(step, values, new))

  def text(self, name: str, text: str) -> None:
    """Writes a text, in Markdown, to TensorBoard."""
    self._appender.append(self._events, events.text(name, text))

  def hyperparameters(
    self,
    settings: Mapping[str, bool | float | str],
    main: Container[str],
    metrics: Mapping[str, str],
  ) -> None:
    """Writes what TensorBoard compares runs by, see `events`."""
    data = events.hyperparameters(self._folder.name, settings, main, metrics)
    self._appender.append(self._events, data)

  def picture(self, step: int, name: str, drawn: encoding.Encoded) -> None:
    """Writes a picture or a film to TensorBoard and to videos/."""
    path = self._folder / 'videos'
    path /= f'{name.replace("/", "-")}-{step:09d}.{drawn.suffix}'
    self._appender.append(path, drawn.data)
    event = events.image(step, name, drawn.data, drawn.width, drawn.height)
    self._appender.append(self._events, event)

  def row(self, name: str, values: Mapping[str, Any]) -> None:
    """Appends a row to `name`.csv; columns without a value stay empty.

    What belongs to a column that the file lacks is left out.

    Raises:
      KeyError: if a value belongs to no column.
    """
    unknown = sorted(set(values) - set(self._columns[name]))
    if unknown:
      raise KeyError(f'{name}.csv has no column {", ".join(unknown)}')
    cells = [values.get(column, '') for column in self._written[name]]
    line = io.StringIO()
    csv.writer(line, lineterminator='\n').writerow(cells)
    self._appender.append(self._csv(name), line.getvalue().encode())

  def get_state(self) -> dict[str, Sequence[Any]]:
    """Returns the mark of each file, by its path in the folder.

    All that was written before is on the disk then.

    Raises:
      UserError: (74) if the disk does not take it.
    """
    return {
      self._name(path): dataclasses.astuple(mark)
      for path, mark in self._appender.sync().items()
    }

  def close(self) -> None:
    """Writes what has been kept back; UserError (74) if that fails."""
    self._appender.sync()

  def _adopt(self, path: pathlib.Path, mark: appending.Mark) -> str:
    """Goes on with a file, mended if need be; returns what was wrong, or ''."""
    if self._appender.adopt(path, mark):
      return ''
    is_there = path.exists()
    clause = 'gone'
    if is_there:
      mending.set_aside(path, self._folder)
      clause = 'another one'
    if path.suffix == '.csv':
      clause = mending.table(
        path,
        mark,
        self._written[path.stem],
        self._folder,
        self._prefixes[path.stem],
      )
    elif is_there and path.parent == self._folder:
      clause = mending.events(path, mark)
    if path.exists():
      self._appender.adopt(path, appending.Mark(path.stat().st_size))
    return f'{self._name(path)} ({clause})'

  def _found(self) -> list[pathlib.Path]:
    """Returns the files in the folder that are logs."""
    paths = [*self._folder.glob('*'), *(self._folder / 'videos').glob('*')]
    return [path for path in paths if self._is_log(self._name(path))]

  def _is_log(self, name: str) -> bool:
    """Whether a path in the folder is that of a log."""
    parent, base = os.path.split(name)
    if parent == 'videos':
      return bool(_PICTURE.fullmatch(base))
    if name in {f'{table}.csv' for table in self._columns}:
      return True
    return not parent and fnmatch.fnmatchcase(base, events.PATTERN)

  def _move_events(self) -> None:
    """Takes events to where they lie now; see `_FORMER_FOLDER`."""
    former = self._folder / _FORMER_FOLDER
    for path in former.glob(events.PATTERN):
      path.rename(self._folder / path.name)
    with contextlib.suppress(OSError):  # It is not there, or holds others.
      former.rmdir()

  def _name(self, path: pathlib.Path) -> str:
    """Returns a log's path in the folder."""
    return path.relative_to(self._folder).as_posix()

  def _csv(self, name: str) -> pathlib.Path:
    return self._folder / f'{name}.csv'

  def _keep_columns(self, name: str) -> None:
    """Takes those columns of a CSV file that it has, if it lacks some."""
    path = self._csv(name)
    found = path.read_bytes() if path.exists() else b''
    header, is_whole, _ = found.decode(errors='replace').partition('\n')
    cells = header.split(',')
    kept = [column for column in self._columns[name] if column in cells]
    if is_whole and cells == kept and kept[0] == self._columns[name][0]:
      self._written[name] = tuple(kept)

  def _begin_csv(self, name: str) -> None:
    """Writes a CSV file's header, or checks the one that is there."""
    path, header = self._csv(name), ','.join(self._written[name]) + '\n'
    found = path.read_bytes() if path.exists() else b''
    if not found:
      self._appender.append(path, header.encode())
    elif not found.startswith(header.encode()):
      raise errors.UserError(
        f'{path} has other columns than this version of the code writes; '
        'continue the run with the version that began it, or start a new one '
        'with --fresh.'
      )
