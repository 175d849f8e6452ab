"""A checkpoint's files, and the manifest that lists them with checksums."""

import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np

from slac import errors
from slac.storage import files

FORMAT = 1  # The version of the layout of a manifest and the files in it.
_MANIFEST = 'manifest.json'


class Damage(Exception):
  """A file of a checkpoint is missing, or is not what was written."""

  def __init__(self, path: pathlib.Path, fault: str):
    super().__init__(f'{path} is damaged ({fault})')


def write(folder: pathlib.Path, content: dict[str, Any]) -> None:
  """Writes the manifest of the checkpoint in `folder`, and forces it to disk.

  Args:
    folder: The checkpoint's folder.
    content: JSON values by their names, among them the lists `files` and
      `segments`, whose items are those that `seal` returned.
  """
  content = {'format': FORMAT, **content}
  path = folder / _MANIFEST
  path.write_text(json.dumps({**content, 'sha256': _content_hash(content)}))
  files.fsync(path)


def read(folder: pathlib.Path) -> dict[str, Any]:
  """Returns the manifest of the checkpoint in `folder`.

  Raises:
    Damage: It is missing or changed, or names a file outside its folder.
    UserError: It was written by another version of the project.
  """
  path = folder / _MANIFEST
  try:
    content = json.loads(path.read_bytes())
    sha256 = content.pop('sha256')
  except OSError as error:
    raise Damage(path, error.strerror) from error
  except (ValueError, AttributeError, KeyError, TypeError) as error:
    raise Damage(path, 'not a manifest') from error
  if sha256 != _content_hash(content):
    raise Damage(path, 'its checksum differs')
  if content['format'] != FORMAT:
    raise errors.UserError(
      f'{path} has format {content["format"]}, but this version of the code '
      f'reads format {FORMAT}: use the version that wrote it.'
    )
  for entry in [*content['files'], *content['segments']]:
    name = entry['name']
    if name in ('', '.', '..') or name != os.path.basename(name):
      raise Damage(path, f'it names {name!r}, which is not a plain file name')
  return content


def seal(path: pathlib.Path) -> dict[str, Any]:
  """Forces a file to the disk; returns its name, size in bytes and sha256."""
  files.fsync(path)
  return {
    'name': path.name,
    'bytes': path.stat().st_size,
    'sha256': _file_hash(path),
  }


def verify(folder: pathlib.Path, entries: list[dict[str, Any]]) -> None:
  """Raises Damage unless files in `folder` still are what `seal` returned."""
  for entry in entries:
    path = folder / entry['name']
    try:
      if path.is_symlink():
        raise Damage(path, 'it is a link')
      size = path.stat().st_size
      if size != entry['bytes']:
        raise Damage(path, f'{size} bytes instead of {entry["bytes"]}')
      if _file_hash(path) != entry['sha256']:
        raise Damage(path, 'its checksum differs')
    except OSError as error:
      raise Damage(path, error.strerror) from error


def write_state(folder: pathlib.Path, state: dict[str, Any]) -> None:
  """Writes nested dicts of arrays and JSON values to state.json, arrays.npz.

  The caller has to `seal` both files.
  """
  arrays = {}
  rest = _take_out_arrays(state, (), arrays)
  (folder / 'state.json').write_text(json.dumps(rest))
  files.write_arrays(folder / 'arrays.npz', arrays)


def read_state(folder: pathlib.Path) -> dict[str, Any]:
  """Returns the state that `write_state` wrote."""
  state = json.loads((folder / 'state.json').read_text())
  for name, array in files.read_arrays(folder / 'arrays.npz').items():
    *parents, key = [
      key.replace('~1', '/').replace('~0', '~') for key in name.split('/')
    ]
    inner = state
    for parent in parents:
      inner = inner[parent]
    inner[key] = array
  return state


def _take_out_arrays(state, path, arrays):
  """Returns `state` without its arrays, which are put into `arrays` by path.

  A path is a JSON pointer (RFC 6901), in which ~1 stands for a / within a key.
  """
  rest = {}
  for key, value in state.items():
    if not isinstance(key, str):
      raise ValueError(f'The key {key!r} of {path} is not a name.')
    here = (*path, key.replace('~', '~0').replace('/', '~1'))
    if isinstance(value, np.ndarray):
      arrays['/'.join(here)] = value
    elif isinstance(value, dict):
      rest[key] = _take_out_arrays(value, here, arrays)
    else:
      rest[key] = value
  return rest


def _content_hash(content) -> str:
  text = json.dumps(content, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def _file_hash(path) -> str:
  sha256 = hashlib.sha256()
  with open(path, 'rb', buffering=0) as file:
    while block := file.read(1 << 20):
      sha256.update(block)
  return sha256.hexdigest()
