"""Writes files that a crash leaves whole; reads what anybody may have written.

A run's folder may come from a stranger. To read it runs no code, and whatever
is not of the expected kind is refused here, before it is used.
"""

import contextlib
import json
import os
import pathlib
import shutil
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from slac import errors


def write_json(path: pathlib.Path, value: Any) -> None:
  """Replaces a JSON file; a crash leaves the old or the new one, whole."""
  write(path, (json.dumps(value, indent=2) + '\n').encode())


def read_json(path: pathlib.Path, schema: Any) -> Any:
  """Returns the value in a JSON file.

  Args:
    path: The file.
    schema: What the value must be, see `fits`.

  Raises:
    ValueError: It is no JSON, or does not fit; the message is a clause.
    OSError: It cannot be read.
  """
  try:
    value = json.loads(path.read_text(encoding='utf-8'))
  except RecursionError as error:
    raise ValueError('it is nested too deeply') from error
  if not fits(value, schema):
    raise ValueError('it does not hold what belongs there')
  return value


def fits(value: Any, schema: Any) -> bool:
  """Whether a JSON value is of a schema.

  Args:
    value: The value.
    schema: A type; or a list with the schema of all items; or a dict with those
      of some items by their keys, or of all items by the key `str`.
  """
  if isinstance(schema, dict) and isinstance(value, dict):
    all_items = dict.fromkeys(value, schema[str]) if str in schema else schema
    return all(k in value and fits(value[k], s) for k, s in all_items.items())
  if isinstance(schema, list) and isinstance(value, list):
    return all(fits(item, schema[0]) for item in value)
  return type(value) is schema


def write(path: pathlib.Path, content: bytes) -> None:
  """Replaces a file; a crash leaves the old or the new one, whole."""
  temporary = path.with_name(f'.{path.name}.tmp')
  temporary.write_bytes(content)
  fsync(temporary)
  os.replace(temporary, path)
  fsync(path.parent)


@contextlib.contextmanager
def new_folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """Gives a folder to fill, which then replaces `path` as a whole.

  What a killed process has left of such a folder is removed. If the body raises
  an error, `path` is as it was.
  """
  temporary, old = (path.with_name(f'.{path.name}.{x}') for x in ('tmp', 'old'))

  def tidy():
    if old.exists() and not path.exists():  # Between the two renames.
      os.rename(old, path)
    for leftover in (temporary, old):
      shutil.rmtree(leftover, ignore_errors=True)

  tidy()
  temporary.mkdir()
  try:
    yield temporary
    for file in sorted(temporary.rglob('*')):
      fsync(file)
    if path.exists():
      os.rename(path, old)
    os.rename(temporary, path)
    fsync(path.parent)
  finally:
    tidy()


def write_arrays(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
  """Writes an uncompressed .npz file; arrays of objects raise a ValueError."""
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as archive:
    for name, array in arrays.items():
      with archive.open(f'{name}.npy', 'w', force_zip64=True) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Returns what `write_arrays` was given.

  Raises:
    UserError: (65) if something else is in the file, such as a pickled object,
      which is not loaded since that could run any code, or more than its size.
  """
  try:
    with zipfile.ZipFile(path) as archive:
      num_bytes = sum(info.file_size for info in archive.infolist())
    if num_bytes > path.stat().st_size:
      raise ValueError('they are compressed')
    with np.load(path, allow_pickle=False) as archive:
      arrays = dict(archive)
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
      raise ValueError('some are none')
    return arrays
  except (EOFError, MemoryError, ValueError, zipfile.BadZipFile) as error:
    raise errors.UserError(
      f'{path} does not hold plain arrays ({error}), so this project has not '
      'written it: restore it, or start anew with --fresh.',
      65,
    ) from error


def fsync(path: pathlib.Path) -> None:
  """Forces a file's content, or a folder's list of names, to the disk."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
