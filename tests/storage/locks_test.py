"""Tests of slac/storage/locks.py: one process at a time in a folder."""

import fcntl
import os
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

  def start():
    process = subprocess.Popen(
      [sys.executable, '-c', SCRIPT, str(tmp_path)],
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
