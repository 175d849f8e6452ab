"""A checkpoint's files, and the manifest that lists them with checksums."""

import hashlib
import json
import os
import pathlib
from typing import Any

from slac import errors
from slac.storage import files

FORMAT = 1  # The version of the layout of a manifest and the files in it.
_MANIFEST = 'manifest.json'
_FILE = {'name': str, 'bytes': int, 'sha256': str}
_SCHEMA = {
  'step': int,
  'oldest_row': int,
  'files': [_FILE],
  'segments': [{**_FILE, 'start': int, 'stop': int}],
}


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
  path.write_text(json.dumps({**content, 'sha256': digest(content)}))
  files.fsync(path)


def read(folder: pathlib.Path) -> dict[str, Any]:
  """Returns the manifest of the checkpoint in `folder`.

  Raises:
    Damage: It is missing or changed, or names a file outside its folder.
    UserError: It was written by another version of the project.
  """
  path = folder / _MANIFEST
  try:
    content = files.read_json(path, {'format': int, 'sha256': str})
  except OSError as error:
    raise Damage(path, error.strerror) from error
  except ValueError as error:
    raise Damage(path, 'not a manifest') from error
  if content.pop('sha256') != digest(content):
    raise Damage(path, 'its checksum differs')
  if content['format'] != FORMAT:
    raise errors.UserError(
      f'{path} has format {content["format"]}, but this version of the code '
      f'reads format {FORMAT}: use the version that wrote it.'
    )
  if not files.fits(content, _SCHEMA):
    raise Damage(path, 'not a manifest')
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


def verify(
  folder: pathlib.Path, entries: list[dict[str, Any]], content: bool = True
) -> None:
  """Raises Damage unless files in `folder` still are what `seal` returned.

  Without `content` their sizes are looked at alone, which takes no time.
  """
  for entry in entries:
    path = folder / entry['name']
    try:
      if path.is_symlink():
        raise Damage(path, 'it is a link')
      size = path.stat().st_size
      if size != entry['bytes']:
        raise Damage(path, f'{size} bytes instead of {entry["bytes"]}')
      if content and _file_hash(path) != entry['sha256']:
        raise Damage(path, 'its checksum differs')
    except OSError as error:
      raise Damage(path, error.strerror) from error


def digest(content: dict[str, Any]) -> str:
  """Returns the sha256 of a manifest, and so of all files that it names."""
  text = json.dumps(content, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def _file_hash(path) -> str:
  sha256 = hashlib.sha256()
  with open(path, 'rb', buffering=0) as file:
    while block := file.read(1 << 20):
      sha256.update(block)
  return sha256.hexdigest()
