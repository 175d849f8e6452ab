"""Tests of slac/storage/disk.py: whether there is room, and where it lacks."""

import errno
import os
import pathlib
import shutil
import types

import pytest

from slac import errors
from slac.storage import disk


def usage(free):
  return lambda _: types.SimpleNamespace(free=free)


def test_a_disk_that_is_too_small_is_refused(tmp_path, monkeypatch):
  (tmp_path / 'replay').mkdir()
  (tmp_path / 'replay' / 'rows').write_bytes(b'x' * 1000)
  monkeypatch.setattr(shutil, 'disk_usage', usage(4_999_999_000))
  disk.check(tmp_path, 5_000_000_000)  # 1,000 bytes are there already.
  monkeypatch.setattr(shutil, 'disk_usage', usage(3_000_000_000))
  with pytest.raises(errors.UserError) as fault:
    disk.check(tmp_path, 5_000_001_000)
  assert fault.value.exit_code == 74
  text = str(fault.value)
  assert '\n' not in text
  assert 'needs 5.00 GB' in text and '3.00 GB are free' in text
  assert '--root_dir' in text and 'Replay.capacity' in text


def test_the_remedy_names_the_file_system(tmp_path):
  full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
  assert disk.remedy(pathlib.Path('/proc/self'), full) == (
    'make room on the file system /proc'
  )
  # The words are all that TensorFlow passes on.
  assert disk.remedy(tmp_path, ValueError('x; No space left on device')) == (
    disk.remedy(tmp_path, full)
  )
  broken = OSError(errno.EIO, os.strerror(errno.EIO))
  assert disk.remedy(pathlib.Path('/proc'), broken) == (
    'see that the file system /proc can be written'
  )


def test_a_disk_that_takes_no_more_files_is_refused(tmp_path, monkeypatch):
  def files(total, free):
    found = types.SimpleNamespace(f_files=total, f_favail=free)
    monkeypatch.setattr(os, 'statvfs', lambda _: found)

  monkeypatch.setattr(shutil, 'disk_usage', usage(1))
  files(10_000, 2_000)
  disk.check(tmp_path, 0)
  files(0, 0)  # Some file systems have no such limit.
  disk.check(tmp_path, 0)
  files(10_000, 12)
  with pytest.raises(errors.UserError, match='takes 12 more') as fault:
    disk.check(tmp_path, 0)
  assert fault.value.exit_code == 74
