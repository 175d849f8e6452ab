"""Reads CSV files, and names the line of what is wrong in one."""

import csv
import math
import pathlib
from collections.abc import Mapping, Sequence

from slac import errors


class Row:
  """A line of a table; a cell that is no number is an error naming the line."""

  def __init__(self, path: pathlib.Path, line: int, cells: Mapping[str, str]):
    self._where = f'{path}, line {line}'
    self._cells = cells

  def __getitem__(self, column: str) -> str:
    return self._cells[column]

  def __contains__(self, column: str) -> bool:
    return column in self._cells

  def real(self, column: str) -> float:
    """Returns a finite number."""
    try:
      value = float(self[column])
    except ValueError:
      value = math.nan
    if not math.isfinite(value):
      raise self.fault(
        f'{column} is {errors.short(self[column])!r}, not a finite number'
      )
    return value

  def whole(self, column: str) -> int:
    """Returns a number that counts something, also of the form '4.0'."""
    value = self.real(column)
    if value < 0 or value != int(value):
      raise self.fault(
        f'{column} is {errors.short(self[column])!r}, not a whole number'
      )
    return int(value)

  def fault(self, text: str) -> errors.UserError:
    """Returns the error (65) that `text` is so in this line."""
    return errors.UserError(
      f'{self._where}: {text}; restore the file, or leave it out.', 65
    )


def read_rows(path: pathlib.Path, columns: Sequence[str]) -> list[Row]:
  """Returns the lines of a CSV file with a header.

  Raises:
    UserError: 66 if it cannot be read; 65 if it is damaged or lacks one of
      `columns`.
  """
  rows = []
  try:
    with open(path, encoding='utf-8', newline='') as file:
      reader = csv.DictReader(file, strict=True)
      missing = [
        name for name in columns if name not in (reader.fieldnames or ())
      ]
      if missing:
        raise errors.UserError(
          f'{path} has no column {", ".join(missing)}, so the units of its '
          'curves are unknown; name a file with these columns.',
          65,
        )
      for cells in reader:
        rows.append(Row(path, reader.line_num, cells))
        if None in cells or None in cells.values():
          raise rows[-1].fault('it has not as many cells as the header')
  except OSError as error:
    raise errors.UserError(
      f'{path} cannot be read ({error.strerror}); name another one.', 66
    ) from error
  except (csv.Error, UnicodeDecodeError) as error:
    raise errors.UserError(
      f'{path} is damaged ({error}); restore it, or leave it out.', 65
    ) from error
  return rows
