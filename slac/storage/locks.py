"""A lock that keeps a second process out of a run's folder."""

import fcntl
import os
import pathlib
import platform

from slac import errors

NAME = '.lock'
_held = []  # Open files; to close one is to unlock it.


def hold(folder: pathlib.Path) -> None:
  """Keeps other processes out of `folder` until this one ends.

  However a process ends, the kernel releases its lock: none is ever stale.
  Processes on several machines exclude one another if the file system passes
  locks on, as NFS does (`flock(2)`). The file stays; it names the process that
  holds the lock or held it last.

  Raises:
    UserError: (75) if another process holds it; (73) if the file system has no
      locks.
    OSError: If the folder cannot be written.
  """
  path = folder / NAME
  if _is_held(path):
    return
  file = open(path, 'a+', encoding='utf-8')  # noqa: SIM115
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    file.seek(0)
    holder = file.read().strip() or 'another process'
    file.close()
    raise errors.UserError(
      f'{folder} is in use by {holder}: wait for it or stop it, or choose '
      'another --name, or --fresh.',
      os.EX_TEMPFAIL,
    ) from None
  except OSError as error:
    file.close()
    raise errors.UserError(
      f'{folder} cannot be locked against a second process '
      f'({error.strerror}): choose a --root_dir on a file system with locks.',
      os.EX_CANTCREAT,
    ) from error
  file.truncate(0)
  file.write(f'process {os.getpid()} on {platform.node()}\n')
  file.flush()
  _held.append(file)


def check(folder: pathlib.Path) -> None:
  """Makes sure that a folder is still the one that `hold` has locked.

  Somebody may have moved it, or removed the lock's file, and begun another
  process there. A file that is merely gone is made anew.

  Raises:
    UserError: (75) if the folder is another one, or another process's.
  """
  path = folder / NAME
  if _is_held(path):
    return
  if folder.is_dir() and not path.exists():
    hold(folder)
    return
  raise errors.UserError(
    f'{folder} was moved away, or another process has taken it over, while '
    'this run was at work: this run ends, and what it has saved is where the '
    'folder is now.',
    os.EX_TEMPFAIL,
  )


def _is_held(path):
  """Whether this process has locked the file, by whatever name."""
  return path.exists() and any(
    os.path.samestat(os.stat(path), os.fstat(file.fileno())) for file in _held
  )
