"""Checkpoints: each is written whole or not at all, and verified when read.

A folder of checkpoints looks like this:

    checkpoint-0000001000/     variables.*, state.json, arrays.npz, and
                               manifest.json with the sha256 of each file
    replay/                    the replay's rows in segments, that is, files
                               rows-FIRST-END.npz; all checkpoints share them,
                               so each writes only the rows that are new
    damaged-checkpoint-.../    set aside by `restore`, never deleted
    tmp-...                    left by a killed process, removed by `restore`
"""

import contextlib
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from slac import errors
from slac.storage import disk, files, manifests, segments, states
from slac.storage import variables as variable_files

_KEPT = 2  # Checkpoints that `save` leaves in the folder.
_NAME = re.compile(r'checkpoint-(\d+)(?:-(\d+))?')
VARIABLES = 'variables'


class Checkpoints:
  """Saves and restores variables, a state and a replay, all or nothing.

  Call `restore` before the first `save`, which adds to what is there already.
  """

  def __init__(
    self,
    folder: str | os.PathLike,
    variables: tf.train.Checkpoint,
    replay: Any,
  ):
    """Creates `folder` if it does not exist.

    Args:
      folder: A folder for checkpoints and nothing else.
      variables: The TensorFlow objects to save.
      replay: A `replay.Replay`, or an object with its `size`, `num_added`,
        `rows`, `restore_rows`, `get_state` and `set_state`.
    """
    self._folder = pathlib.Path(folder)
    self._variables = variables
    self._replay = replay
    self._segments = segments.Segments(self._folder / 'replay', replay)

  def save(self, step: int, state: dict[str, Any]) -> None:
    """Writes a checkpoint, then removes those that are too old.

    If the process is killed, at whatever moment, the checkpoint before is still
    there or the new one is there already, whole. So it is if the save fails,
    which leaves no temporary files either.

    Args:
      step: The run's step, which becomes part of the checkpoint's name.
      state: Nested dicts of numpy arrays and JSON values.

    Raises:
      UserError: (74) if the disk is full or cannot be written.
    """
    try:
      self._save(step, state)
    except Exception as error:
      # Half-written files take up the room that the next attempt needs.
      with contextlib.suppress(OSError):
        self._clear_temporary()
        self._prune()
      if not isinstance(error, (OSError, tf.errors.OpError)):
        raise
      reason = str(error).partition('\n')[0] or type(error).__name__
      raise errors.UserError(
        f'Cannot save a checkpoint in {self._folder}: {reason}; '
        f'{disk.remedy(self._folder, error)}, and the same command continues '
        'from the last good one.',
        exit_code=74,
      ) from error

  def _save(self, step, state):
    written = self._segments.write()
    path = self._new_path(step)
    temporary = self._folder / f'tmp-{path.name}'
    self._clear_temporary()
    temporary.mkdir()
    self._variables.write(str(temporary / VARIABLES))
    state = {'state': state, 'replay': self._replay.get_state()}
    states.write(temporary, state)
    manifest = {
      'step': step,
      'oldest_row': self._replay.num_added - self._replay.size,
      'files': [manifests.seal(file) for file in sorted(temporary.iterdir())],
      'segments': written,
    }
    manifests.write(temporary, manifest)
    files.fsync(temporary)
    os.rename(temporary, path)
    self._segments.newest = written
    files.fsync(self._folder)
    self._prune()

  def restore(self) -> dict[str, Any] | None:
    """Loads the newest whole checkpoint.

    What killed processes left behind is removed. If newer checkpoints are
    damaged, this is reported and they are set aside.

    Returns:
      The `state` that was saved; None if there is no checkpoint.

    Raises:
      UserError: If all checkpoints are damaged, or the newest whole one holds
        other variables or another kind of replay.
    """
    self._clear_temporary()
    newest = _newest_whole(self._folder, self._segments.folder)
    if not newest:
      self._prune()
      return None
    path, manifest, damaged = newest
    for other, fault in damaged:
      self._set_aside(other, fault, f'continuing from {path.name}')
    self._prune()
    variable_files.read(path / VARIABLES, self._variables)
    with restoring(path):
      state = states.read(path)
      self._segments.restore(manifest['segments'], manifest['oldest_row'])
      self._replay.set_state(state['replay'])
      return state['state']

  def _new_path(self, step) -> pathlib.Path:
    """Returns a path behind those of all other checkpoints of this step."""
    name = f'checkpoint-{step:010d}'
    numbers = [n for s, n, _ in _checkpoints(self._folder) if s == step]
    return self._folder / (f'{name}-{max(numbers) + 1}' if numbers else name)

  def _clear_temporary(self):
    for leftover in self._folder.glob('tmp-*'):
      _remove(leftover)

  def _prune(self):
    """Removes checkpoints that are too old, and segments that none needs."""
    checkpoints = _checkpoints(self._folder)
    for _, _, path in checkpoints[_KEPT:]:
      _remove(path)
    for _, _, path in checkpoints[:_KEPT]:
      try:
        manifests.read(path)
      except manifests.Damage as fault:
        self._set_aside(path, fault, 'newer checkpoints are whole')
    for segment in self._unneeded_segments():
      _remove(segment)

  def _set_aside(self, path, fault, what_now):
    """Renames a damaged checkpoint, and moves segments that only it needs."""
    print(f'{fault}; {what_now}.', file=sys.stderr)
    aside = self._folder / f'damaged-{path.name}'
    number = 1
    while aside.exists():
      aside = self._folder / f'damaged-{path.name}-{number}'
      number += 1
    os.rename(path, aside)
    # As its manifest may be damaged, all that no other one names is moved.
    (aside / 'replay').mkdir()
    for segment in self._unneeded_segments():
      os.rename(segment, aside / 'replay' / segment.name)
    files.fsync(self._folder)

  def _unneeded_segments(self) -> list[pathlib.Path]:
    """Returns the segments that no checkpoint's manifest names."""
    needed = set()
    for _, _, path in _checkpoints(self._folder):
      with contextlib.suppress(manifests.Damage):
        needed |= {s['name'] for s in manifests.read(path)['segments']}
    return [s for s in self._segments.folder.iterdir() if s.name not in needed]


def newest(
  folder: pathlib.Path, replay: bool = False
) -> tuple[pathlib.Path, dict[str, Any]]:
  """Returns the path and manifest of the newest checkpoint that is whole.

  Its rows of the replay are looked at only if `replay` is true.

  Raises:
    UserError: 66 if there is no checkpoint, 74 if all are damaged.
  """
  found = _newest_whole(folder, folder / 'replay' if replay else None)
  if not found:
    raise errors.UserError(f'There is no checkpoint in {folder}.', 66)
  return found[:2]


def restore_variables(
  folder: str | os.PathLike, variables: tf.train.Checkpoint
) -> dict[str, Any]:
  """Loads `variables` from the newest whole checkpoint, changing no file.

  Args:
    folder: The folder of the checkpoints.
    variables: The objects to load; the checkpoint may hold more.

  Returns:
    The `state` that was saved.

  Raises:
    UserError: If there is no whole checkpoint, or the variables differ.
  """
  path, _ = newest(pathlib.Path(folder))
  variable_files.read(path / VARIABLES, variables, partial=True)
  with restoring(path):
    return states.read(path)['state']


@contextlib.contextmanager
def restoring(folder: pathlib.Path) -> Iterator[None]:
  """Turns whatever a state's content leads to into a UserError (65).

  Its checksum is right, so it is another version's, or a forged one.
  """
  try:
    yield
  except errors.UserError:
    raise
  except Exception as error:
    raise errors.UserError(
      f'The state in {folder} cannot be restored ({type(error).__name__}: '
      f'{error}): use the version of the code and of the environment that '
      'wrote it, or start anew with --fresh.',
      os.EX_DATAERR,
    ) from error


def _checkpoints(folder) -> list[tuple[int, int, pathlib.Path]]:
  """Returns each one's step, number within the step, and path, newest first."""
  try:
    names = os.listdir(folder) if folder.exists() else []
  except OSError as error:
    raise errors.UserError(
      f'{folder} cannot be read ({error.strerror}), so nobody knows what is in '
      'it: make it readable, or start anew with --fresh.',
      74,
    ) from error
  matches = filter(None, map(_NAME.fullmatch, names))
  found = [(int(m[1]), int(m[2] or 0), folder / m[0]) for m in matches]
  return sorted(found, reverse=True)


def _newest_whole(folder, replay_folder):
  """Looks for the newest whole checkpoint.

  Args:
    folder: The folder of the checkpoints.
    replay_folder: The folder of the segments, to verify these too; or None.

  Returns:
    The checkpoint's path and manifest, and a list of the path and fault of each
    newer one, all of which are damaged. None if there are no checkpoints.

  Raises:
    UserError: (74) if there are checkpoints, but all are damaged.
  """
  damaged = []
  for _, _, path in _checkpoints(folder):
    try:
      manifest = manifests.read(path)
      manifests.verify(path, manifest['files'])
      if replay_folder:
        manifests.verify(replay_folder, manifest['segments'])
      return path, manifest, damaged
    except manifests.Damage as fault:
      damaged.append((path, fault))
  faults = [str(fault) for _, fault in damaged]
  faults += [f'{path} is damaged' for path in folder.glob('damaged-*')]
  if faults:
    raise errors.UserError(
      f'{faults[0]} and no whole checkpoint is left in {folder}: put back a '
      'copy, or start anew in a new folder with --fresh.',
      exit_code=74,
    )
  return None


def _remove(path: pathlib.Path) -> None:
  if path.is_dir():
    shutil.rmtree(path)
  else:
    path.unlink()
