"""Tests of slac/reporting/appending.py: no gaps on a disk that fills up."""

import hashlib
import resource
import shutil

import pytest

from slac import errors
from slac.reporting import appending


@pytest.fixture
def limit():
  """Sets the size beyond which the system refuses to write, as on a full disk.

  Python ignores the signal that comes with it.
  """
  before = resource.getrlimit(resource.RLIMIT_FSIZE)

  def set_limit(size=None):
    soft = before[0] if size is None else size
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, before[1]))

  yield set_limit
  set_limit()


def test_what_a_full_disk_cuts_off_comes_later(tmp_path, limit, capsys):
  path, other = tmp_path / 'a.csv', tmp_path / 'b.csv'
  log = appending.Appender(tmp_path)
  log.append(path, b'1,2,3\n')
  limit(10)
  log.append(path, b'4,5,6\n')
  log.append(path, b'7,8,9\n')
  log.append(other, b'x')
  assert path.read_bytes() == b'1,2,3\n4,5,'
  assert other.read_bytes() == b'x'
  message = capsys.readouterr().err
  assert message.count('\n') == 1  # And not for each line.
  assert f'Cannot write {path}: File too large' in message
  assert 'make room on the file system /' in message
  with pytest.raises(errors.UserError, match='File too large') as fault:
    log.sync()
  assert fault.value.exit_code == 74
  assert '\n' not in str(fault.value)
  limit()
  log.append(path, b'10\n')
  assert path.read_bytes() == b'1,2,3\n4,5,6\n7,8,9\n10\n'
  log.sync()
  assert other.read_bytes() == b'x'


def test_a_file_that_cannot_be_opened_is_written_later(tmp_path, capsys):
  folder = tmp_path / 'run'
  log = appending.Appender(folder)
  for text in (b'a', b'b'):
    log.append(folder / 'x.gif', text)
  assert 'No such file' in capsys.readouterr().err
  with pytest.raises(errors.UserError, match=r'x\.gif'):
    log.sync()
  folder.mkdir()
  log.sync()
  assert (folder / 'x.gif').read_bytes() == b'ab'
  log.sync()
  assert (folder / 'x.gif').read_bytes() == b'ab'


def test_each_time_the_disk_fills_up_there_is_a_warning(
  tmp_path, limit, capsys
):
  log = appending.Appender(tmp_path)
  for _ in range(2):
    limit(0)
    log.append(tmp_path / 'a', b'1')
    limit()
    log.sync()
  assert capsys.readouterr().err.count('Cannot write') == 2
  assert (tmp_path / 'a').read_bytes() == b'11'


def test_a_mark_counts_and_hashes_what_was_appended(tmp_path):
  path = tmp_path / 'a.csv'
  log = appending.Appender(tmp_path)
  log.append(path, b'one\n')
  log.append(path, b'two\nthree')
  mark = log.sync()[path]
  sha256 = hashlib.sha256(b'one\ntwo\nthree').hexdigest()
  assert mark == appending.Mark(13, 2, sha256)
  other = appending.Appender(tmp_path)
  path.write_bytes(b'one\ntwo\nthree, and more')
  assert other.adopt(path, mark)
  assert path.read_bytes() == b'one\ntwo\nthree'
  other.append(path, b'\n')
  whole = hashlib.sha256(b'one\ntwo\nthree\n').hexdigest()
  assert other.sync()[path] == appending.Mark(14, 3, whole)
  for damaged in (b'one\ntwo\nthree', b'One\ntwo\nthree\n'):
    path.write_bytes(damaged)
    third = appending.Appender(tmp_path)
    assert not third.adopt(path, other.sync()[path])
    assert path.read_bytes() == damaged
    assert third.sync() == {}


def test_a_film_that_the_user_has_deleted_is_no_fault(tmp_path):
  film, table = tmp_path / 'films' / 'a.gif', tmp_path / 'b.csv'
  log = appending.Appender(tmp_path)
  log.append(film, b'GIF')
  log.append(table, b'1,2')
  film.unlink()
  marks = log.sync()
  assert marks[table].num_bytes == 3 and not film.exists()
  log.append(film, b'more')
  shutil.rmtree(film.parent)
  log.sync()
  assert not film.parent.exists()
  log.append(film, b'again')  # Its folder is made anew.
  log.sync()
  assert film.read_bytes() == b'again'


def test_a_folder_deleted_from_a_full_disk_is_made_anew(
  tmp_path, limit, capsys
):
  film = tmp_path / 'films' / 'a.gif'
  log = appending.Appender(tmp_path)
  limit(0)
  log.append(film, b'GIF')
  shutil.rmtree(film.parent)
  limit()
  log.sync()
  assert film.read_bytes() == b'GIF'
  assert 'File too large' in capsys.readouterr().err


def test_a_runs_folder_that_is_gone_is_a_fault(tmp_path):
  folder = tmp_path / 'run'
  folder.mkdir()
  log = appending.Appender(folder)
  log.append(folder / 'a.csv', b'1,2')
  shutil.rmtree(folder)
  with pytest.raises(errors.UserError, match='No such file'):
    log.sync()
  log.append(folder / 'films' / 'a.gif', b'GIF')
  assert not folder.exists()
