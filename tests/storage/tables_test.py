"""Tests of slac/storage/tables.py: CSV files, and what is wrong in one."""

import pytest

from slac import errors
from slac.storage import tables


@pytest.fixture
def path(tmp_path):
  path = tmp_path / 'table.csv'
  path.write_text('a,b,c\n1.0,-2.5,x\n')
  return path


def fault(function, *arguments):
  with pytest.raises(errors.UserError) as caught:
    function(*arguments)
  return str(caught.value), caught.value.exit_code


def test_cells_are_read_as_what_they_are_asked_for(path):
  (row,) = tables.read_rows(path, ['a', 'b'])
  assert (row.whole('a'), row.real('b'), row['c']) == (1, -2.5, 'x')
  assert 'c' in row and 'd' not in row
  assert fault(row.whole, 'b') == (
    f"{path}, line 2: b is '-2.5', not a whole number; restore the file, or "
    'leave it out.',
    65,
  )
  assert "c is 'x', not a finite number" in fault(row.real, 'c')[0]


def test_a_table_that_cannot_be_read(path):
  assert fault(tables.read_rows, path, ['a', 'd', 'e']) == (
    f'{path} has no column d, e, so the units of its curves are unknown; name '
    'a file with these columns.',
    65,
  )
  path.write_text('a,b\n1\n')
  message, code = fault(tables.read_rows, path, ['a'])
  assert 'line 2: it has not as many cells as the header' in message
  path.unlink()
  message, code = fault(tables.read_rows, path, ['a'])
  assert 'cannot be read (No such file or directory)' in message and code == 66
