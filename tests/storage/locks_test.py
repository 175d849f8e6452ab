"""Tests of slac/storage/locks.py: one process at a time in a folder."""

import fcntl
import os
import pathlib
import platform
import subprocess
import sys

import pytest

from slac import errors
from slac.storage import locks

# Cheap to import: neither of them needs TensorFlow.
SCRIPT = """
import pathlib, sys
from slac import errors
from slac.storage import locks
with errors.reported_by('test'):
  locks.hold(pathlib.Path(sys.argv[1]))
  print('held', flush=True)
  sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path):
  """Starts a process that holds the lock until it is told to end."""
  processes = []

  def start(name='.'):
    process = subprocess.Popen(
      [sys.executable, '-c', SCRIPT, str(tmp_path / name)],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    processes.append(process)
    return process, process.stdout.readline()

  yield start
  for process in processes:
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_the_second_process_is_refused_and_told_who_is_there(start, tmp_path):
  holder, line = start()
  assert line == 'held\n'
  second, line = start()
  out, err = second.communicate()
  assert (line, out, second.returncode) == ('', '', 75)
  assert err.count('\n') == 1
  assert f'{tmp_path} is in use by process {holder.pid} on ' in err
  assert platform.node() in err and '--fresh' in err
  with pytest.raises(errors.UserError, match=f'process {holder.pid} ') as fault:
    locks.hold(tmp_path)
  assert fault.value.exit_code == 75


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_taken_over(start, tmp_path):
  holder, _ = start()
  holder.kill()
  holder.wait()
  assert f'process {holder.pid} ' in (tmp_path / '.lock').read_text()
  successor, line = start()
  assert line == 'held\n'
  assert (tmp_path / '.lock').read_text() == (
    f'process {successor.pid} on {platform.node()}\n'
  )


def test_a_process_may_open_its_own_folder_again(tmp_path):
  locks.hold(tmp_path)
  locks.hold(tmp_path)
  assert (tmp_path / '.lock').read_text().startswith(f'process {os.getpid()} ')


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
  def unsupported(*_):
    raise OSError(95, 'Operation not supported')

  monkeypatch.setattr(fcntl, 'flock', unsupported)
  with pytest.raises(errors.UserError, match='not supported') as fault:
    locks.hold(tmp_path)
  assert fault.value.exit_code == 73


@pytest.mark.slow
def test_a_folder_that_was_moved_is_still_locked(start, tmp_path):
  folder = tmp_path / 'run'
  folder.mkdir()
  holder, line = start('run')
  assert line == 'held\n'
  folder.rename(tmp_path / 'moved')
  folder.mkdir()
  with pytest.raises(errors.UserError, match='in use by'):
    locks.hold(tmp_path / 'moved')
  locks.hold(folder)  # Another run, in the place of the one that was moved.
  holder.kill()


@pytest.mark.parametrize('elsewhere', [True, False])
def test_who_has_lost_the_folder_notices(tmp_path, elsewhere):
  folder = tmp_path / 'run'
  folder.mkdir()
  locks.hold(folder)
  locks.check(folder)
  folder.rename(tmp_path / 'moved')
  if elsewhere:
    folder.mkdir()
    (folder / '.lock').write_text('process 1 on another machine')
  with pytest.raises(errors.UserError, match='was moved away') as fault:
    locks.check(folder)
  assert fault.value.exit_code == 75


def test_a_lock_that_is_removed_is_made_anew(tmp_path):
  locks.hold(tmp_path)
  (tmp_path / '.lock').unlink()
  locks.check(tmp_path)
  with open(tmp_path / '.lock') as file, pytest.raises(BlockingIOError):
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_what_is_above_the_folder_may_be_renamed(tmp_path, monkeypatch):
  work = tmp_path / 'work'
  folder = pathlib.Path('runs/run')
  (work / folder).mkdir(parents=True)
  monkeypatch.chdir(work)
  locks.hold(folder)
  work.rename(tmp_path / 'renamed')
  locks.check(folder)
  # Not so if the name leads elsewhere.
  (tmp_path / 'renamed' / 'runs').rename(tmp_path / 'elsewhere')
  with pytest.raises(errors.UserError, match='was moved away'):
    locks.check(folder)
