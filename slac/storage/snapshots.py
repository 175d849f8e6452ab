"""Takes a run's folder as it is at one moment, while the run goes on in it."""

import os
import pathlib
import shutil

from slac.storage import locks


def names(folder: pathlib.Path) -> list[str]:
  """Returns the names of the checkpoints in a run's folder."""
  return sorted(p.name for p in (folder / 'checkpoints').glob('checkpoint-*'))


def take(folder: pathlib.Path, target: pathlib.Path) -> list[str]:
  """Fills `target` with links to the files of a run's folder; takes no room.

  A run only appends to its logs, and replaces or removes whole files else, so
  that what is linked goes on being whole. If a checkpoint comes meanwhile, the
  files that the one before has shared with it may be gone: all is done again.

  Args:
    folder: the run's folder.
    target: an empty folder on the same file system.

  Returns:
    The names of the checkpoints in it.
  """
  while True:
    before = names(folder)
    for parent, folders, files in os.walk(folder):
      folders[:] = [name for name in folders if not name.startswith('tmp-')]
      there = target / pathlib.Path(parent).relative_to(folder)
      there.mkdir(exist_ok=True)
      for name in files:
        if name == locks.NAME or name.endswith('.tmp'):
          continue
        try:
          os.link(pathlib.Path(parent, name), there / name)
        except FileNotFoundError:
          continue  # It was too old, and is removed.
    if before == names(folder):
      return before
    for path in target.iterdir():
      shutil.rmtree(path) if path.is_dir() else path.unlink()
