"""Checkpoints: one consistent, atomic, verified state of a run.

A folder of checkpoints looks like this:

    checkpoint-0000001000/     variables.*, state.json, arrays.npz and
                               manifest.json with the sha256 of all it needs
    replay/                    steps of the replay by their numbers, shared by
                               the checkpoints: only new ones are written
    damaged-checkpoint-.../    set aside by `restore`, never deleted
    tmp-...                    left by a killed process, removed by `restore`
"""

import contextlib
import os
import pathlib
import re
import shutil
import sys
from typing import Any

import tensorflow as tf

from slac import errors
from slac.storage import disk, files, manifests
from slac.storage import variables as variable_files

# Bounds the memory that writing and reading take beside the replay.
_SEGMENT_ROWS = 4096
_NAME = re.compile(r'checkpoint-(\d+)(?:-(\d+))?')
_VARIABLES = 'variables'


class Checkpoints:
  """Saves and restores variables, a state and a replay, all or nothing.

  Call `restore` before the first `save`: it says what is there already.
  """

  def __init__(
    self,
    folder: str | os.PathLike,
    variables: tf.train.Checkpoint,
    replay: Any,
    keep: int = 2,
  ):
    """Creates `folder` where it does not exist.

    Args:
      folder: of the checkpoints, and of nothing else.
      variables: the TensorFlow objects to save.
      replay: a `replay.Replay` or what has its `size`, `num_added`, `rows`,
        `restore_rows`, `get_state` and `set_state`.
      keep: how many checkpoints to keep.
    """
    self._folder = pathlib.Path(folder)
    self._variables = variables
    self._replay = replay
    self._keep = keep
    self._segments = []  # Those of the newest checkpoint, oldest first.
    self._replay_folder.mkdir(parents=True, exist_ok=True)

  @property
  def _replay_folder(self) -> pathlib.Path:
    return self._folder / 'replay'

  def save(self, step: int, state: dict[str, Any]):
    """Writes a checkpoint, then removes the ones that are too old.

    A process that is killed at any moment leaves either the checkpoints that
    were there before or also the new one, whole. So does a save that fails, and
    it leaves nothing else.

    Args:
      step: where the run stands; part of the checkpoint's name.
      state: nested dicts of numpy arrays and JSON values.

    Raises:
      errors.UserError: the disk is full or not writable.
    """
    try:
      self._save(step, state)
    except (OSError, tf.errors.OpError) as error:
      # What is half written takes up the room that the next attempt needs.
      with contextlib.suppress(OSError):
        self._clear_temporary()
        self._prune()
      raise errors.UserError(
        f'Cannot save a checkpoint in {self._folder}: {_first_line(error)}; '
        f'{disk.remedy(self._folder, error)}, and the same command continues '
        'from the last good one.',
        exit_code=74,
      ) from error

  def _save(self, step, state):
    segments = self._write_new_rows()
    path = self._new_path(step)
    temporary = self._folder / f'tmp-{path.name}'
    self._clear_temporary()
    temporary.mkdir()
    self._variables.write(str(temporary / _VARIABLES))
    state = {'state': state, 'replay': self._replay.get_state()}
    manifests.write_state(temporary, state)
    manifest = {
      'step': step,
      'oldest_row': self._replay.num_added - self._replay.size,
      'files': [manifests.seal(file) for file in sorted(temporary.iterdir())],
      'segments': segments,
    }
    manifests.write(temporary, manifest)
    files.fsync(temporary)
    os.rename(temporary, path)
    self._segments = segments
    files.fsync(self._folder)
    self._prune()

  def restore(self) -> tuple[int, dict[str, Any]] | None:
    """Loads the newest whole checkpoint.

    Clears away what killed processes left behind. Damaged checkpoints are
    reported and set aside if there is a whole one.

    Returns:
      The `step` and `state` that were saved, None if the folder has no
      checkpoint.

    Raises:
      errors.UserError: all checkpoints are damaged, or the newest whole one
        is that of other variables or of another replay.
    """
    self._clear_temporary()
    whole, damaged = _examine(self._folder, self._replay_folder)
    if not whole:
      _refuse_damage(self._folder, damaged)
      self._prune()
      return None
    path, manifest = whole
    for other, fault in damaged:
      self._set_aside(other, fault, f'continuing from {path.name}')
    self._prune()
    variable_files.read(path / _VARIABLES, self._variables)
    state = manifests.read_state(path)
    self._restore_rows(manifest)
    self._replay.set_state(state['replay'])
    self._segments = manifest['segments']
    return manifest['step'], state['state']

  def _write_new_rows(self) -> list[dict[str, Any]]:
    """Writes the rows that no segment holds; returns the ones now needed."""
    replay = self._replay
    oldest = replay.num_added - replay.size
    segments = [s for s in self._segments if s['stop'] > oldest]
    # Later than the last segment's end if the ring has lost rows since.
    first = segments[-1]['stop'] if segments else oldest
    for start in range(first, replay.num_added, _SEGMENT_ROWS):
      stop = min(start + _SEGMENT_ROWS, replay.num_added)
      path = self._replay_folder / f'rows-{start:010d}-{stop:010d}.npz'
      files.write_arrays(path, replay.rows(start, stop))
      segments.append({**manifests.seal(path), 'start': start, 'stop': stop})
    files.fsync(self._replay_folder)
    return segments

  def _restore_rows(self, manifest):
    """Puts the rows of the checkpoint back into the replay."""
    for segment in manifest['segments']:
      arrays = files.read_arrays(self._replay_folder / segment['name'])
      start = max(segment['start'], manifest['oldest_row'])
      skipped = start - segment['start']
      arrays = {name: array[skipped:] for name, array in arrays.items()}
      self._replay.restore_rows(start, arrays)

  def _new_path(self, step) -> pathlib.Path:
    """A name that sorts behind all others of this step."""
    name = f'checkpoint-{step:010d}'
    numbers = [n for s, n, _ in _checkpoints(self._folder) if s == step]
    return self._folder / (f'{name}-{max(numbers) + 1}' if numbers else name)

  def _clear_temporary(self):
    for leftover in self._folder.glob('tmp-*'):
      _remove(leftover)

  def _prune(self):
    """Removes checkpoints that are too old and rows that none needs."""
    checkpoints = _checkpoints(self._folder)
    for _, _, path in checkpoints[self._keep :]:
      _remove(path)
    for _, _, path in checkpoints[: self._keep]:
      try:
        manifests.read(path)
      except manifests.Damage as fault:
        self._set_aside(path, fault, 'newer checkpoints are whole')
    needed = _needed_segments(self._folder)
    for segment in self._replay_folder.iterdir():
      if segment.name not in needed:
        _remove(segment)

  def _set_aside(self, path, fault, what_now):
    """Renames a damaged checkpoint and takes the rows only it needs along."""
    print(f'{fault}; {what_now}.', file=sys.stderr)
    aside = self._folder / f'damaged-{path.name}'
    number = 1
    while aside.exists():
      aside = self._folder / f'damaged-{path.name}-{number}'
      number += 1
    os.rename(path, aside)
    # Its manifest may be what is damaged: keep all that no other one names.
    needed = _needed_segments(self._folder)
    (aside / 'replay').mkdir()
    for segment in self._replay_folder.iterdir():
      if segment.name not in needed:
        os.rename(segment, aside / 'replay' / segment.name)
    files.fsync(self._folder)


def restore_variables(
  folder: str | os.PathLike, variables: tf.train.Checkpoint
) -> tuple[int, dict[str, Any]]:
  """Loads `variables` from the newest whole checkpoint, changing no file.

  Args:
    folder: of the checkpoints.
    variables: the objects wanted; the checkpoint may hold more.

  Returns:
    The `step` and `state` that were saved.

  Raises:
    errors.UserError: there is no whole checkpoint, or the variables differ.
  """
  folder = pathlib.Path(folder)
  whole, damaged = _examine(folder)
  if not whole:
    _refuse_damage(folder, damaged)
    raise errors.UserError(f'There is no checkpoint in {folder}.', 66)
  path, manifest = whole
  variable_files.read(path / _VARIABLES, variables, partial=True)
  return manifest['step'], manifests.read_state(path)['state']


def _checkpoints(folder) -> list[tuple[int, int, pathlib.Path]]:
  """Step, number within the step and path of each one, newest first."""
  found = []
  for path in folder.glob('checkpoint-*'):
    if match := _NAME.fullmatch(path.name):
      found.append((int(match[1]), int(match[2] or 0), path))
  return sorted(found, reverse=True)


def _examine(folder, replay_folder=None):
  """Looks for the newest whole checkpoint.

  Args:
    folder: of the checkpoints.
    replay_folder: where to verify the rows they need, None for nowhere.

  Returns:
    Its path and manifest, or None, and a list of the path and fault of each
    newer one.
  """
  damaged = []
  for _, _, path in _checkpoints(folder):
    try:
      manifest = manifests.read(path)
      manifests.verify(path, manifest['files'])
      if replay_folder:
        manifests.verify(replay_folder, manifest['segments'])
      return (path, manifest), damaged
    except manifests.Damage as fault:
      damaged.append((path, fault))
  return None, damaged


def _refuse_damage(folder, damaged):
  """Raises a UserError if there are checkpoints, all of them damaged."""
  faults = [str(fault) for _, fault in damaged]
  faults += [f'{path} is damaged' for path in folder.glob('damaged-*')]
  if faults:
    raise errors.UserError(
      f'{faults[0]} and no whole checkpoint is left in {folder}: put back a '
      'copy, or start anew in a new folder with --fresh.',
      exit_code=74,
    )


def _needed_segments(folder) -> set[str]:
  """The names of the segments that the checkpoints in `folder` need."""
  needed = set()
  for _, _, path in _checkpoints(folder):
    try:
      needed |= {s['name'] for s in manifests.read(path)['segments']}
    except manifests.Damage:
      continue
  return needed


def _first_line(error) -> str:
  return (str(error).splitlines() or [type(error).__name__])[0]


def _remove(path):
  if path.is_dir():
    shutil.rmtree(path)
  else:
    path.unlink()
