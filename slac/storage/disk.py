"""Whether the disk has room for a run, and what to do if a write fails."""

import errno
import os
import pathlib
import shutil

from slac import errors

# Pictures and steps of the replay are in files of their own.
_FILES = 1000
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check(folder: pathlib.Path, needed: int) -> None:
  """Checks that the disk has room for a run.

  Args:
    folder: The run's folder; the files in it count as room that is there.
    needed: The size that the folder will grow to, in bytes.

  Raises:
    UserError: (74) if there is less.
  """
  there = sum(p.stat().st_size for p in folder.rglob('*') if p.is_file())
  missing = needed - there
  free = shutil.disk_usage(folder).free
  files = os.statvfs(folder)
  if files.f_files and files.f_favail < _FILES:
    raise errors.UserError(
      f'The run in {folder} needs {_FILES:,} files, but {_mount_point(folder)} '
      f'takes {files.f_favail:,} more: remove some there, or choose '
      'another --root_dir.',
      os.EX_IOERR,
    )
  if free < missing:
    raise errors.UserError(
      f'The run in {folder} needs {missing / 1e9:.2f} GB of disk, but on '
      f'{_mount_point(folder)} {free / 1e9:.2f} GB are free: make room there, '
      'choose another --root_dir, or lower Replay.capacity.',
      os.EX_IOERR,
    )


def remedy(folder: pathlib.Path, error: Exception) -> str:
  """Returns a clause: what to do about a write to `folder` that failed."""
  # TensorFlow's errors lack the system's error number, but quote its words.
  full = {os.strerror(number) for number in _FULL}
  mount = _mount_point(folder)
  if any(text in str(error) for text in full):
    return f'make room on the file system {mount}'
  return f'see that the file system {mount} can be written'


def _mount_point(folder) -> pathlib.Path:
  folder = folder.resolve()
  return next(p for p in (folder, *folder.parents) if os.path.ismount(p))
