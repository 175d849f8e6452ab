"""Files that a crash leaves whole, and that hold nothing but data."""

import json
import os
import pathlib
import zipfile
from typing import Any

import numpy as np

from slac import errors


def write_json(path: pathlib.Path, value: Any) -> None:
  """Writes a JSON file that after a crash is whole: the old or the new one."""
  temporary = path.with_name(f'.{path.name}.tmp')
  with open(temporary, 'w', encoding='utf-8') as file:
    json.dump(value, file, indent=2)
    file.write('\n')
    file.flush()
    os.fsync(file.fileno())
  os.replace(temporary, path)
  fsync(path.parent)


def write_arrays(path: pathlib.Path, arrays: dict[str, np.ndarray]):
  """Writes an .npz file, uncompressed. (`np.savez` would pickle objects.)"""
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as archive:
    for name, array in arrays.items():
      with archive.open(f'{name}.npy', 'w', force_zip64=True) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Returns what `write_arrays` was given.

  Raises:
    errors.UserError: (65) there is something else in it, such as a pickled
      object, which is not loaded since that could execute anything.
  """
  try:
    with np.load(path, allow_pickle=False) as archive:
      return dict(archive)
  except (ValueError, zipfile.BadZipFile) as error:
    raise errors.UserError(
      f'{path} does not hold plain arrays ({error}), so this project has not '
      'written it: restore it, or start anew with --fresh.',
      65,
    ) from error


def fsync(path: pathlib.Path):
  """Forces a file's content, or a folder's list of names, to the disk."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
