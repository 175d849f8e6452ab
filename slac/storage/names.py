"""Names the folder of a run after what was asked for."""

import hashlib
import os
import pathlib
import re
from collections.abc import Sequence

from slac import errors

_MAX_LENGTH = 80
# What a reference is written with in gin: it tells no two values apart.
_MARKS = re.compile(r'[\'"]|[@%](?=\w)|(?<=\w)\(\)')
_QUOTES = re.compile(r'[\'"]')  # What earlier versions left out.


def run_name(
  gin_files: Sequence[str],
  gin_params: Sequence[str],
  seed: int,
  root_dir: str,
  origin: tuple[str | None, Sequence[str]] = (None, ()),
  name: str | None = None,
) -> str:
  """Returns `name`, or one made from all that a run is begun with.

  An example is 'ball_in_cup-quick-batch_size=32-seed1'. A short hash is added
  where something is too long or cannot stand in a file's name. Where a run lies
  under the name that an earlier version gave it, it is that one.

  Args:
    gin_files, gin_params, seed: As on the command line.
    root_dir: The folder of all runs.
    origin: The run that this one begins from, if any, and which parts of it.
    name: The user's own choice.

  Raises:
    UserError: (64) if `name` is not the name of one folder, or what the run is
      begun with is no UTF-8.
  """
  run, of_run = origin
  begun = [] if run is None else [str(pathlib.Path(run).resolve()), *of_run]
  for text in (*gin_params, *begun):
    try:
      text.encode()
    except UnicodeEncodeError as error:
      raise errors.UserError(
        f'{errors.short(repr(text))} is no UTF-8: rename what --init_from '
        'names, or write another --gin_param.',
        64,
      ) from error
  if name is not None:
    if name in ('', '.', '..') or os.path.basename(name) != name:
      raise errors.UserError(
        f'--name={errors.short(name)} must be the name of one folder; where '
        'that folder is kept is said with --root_dir.',
        64,
      )
    return name
  parts = [pathlib.Path(path).stem for path in gin_files]
  for param in gin_params:
    key, _, value = param.partition('=')
    parts.append(f'{key.strip().rsplit(".", 1)[-1]}={value.strip()}')
  if begun:
    parts.append('+'.join([f'from={pathlib.Path(begun[0]).name}', *of_run]))
  hashed = '\n'.join([*gin_params, *begun])
  now, before = (
    _joined([marks.sub('', part) for part in parts], hashed, seed)
    for marks in (_MARKS, _QUOTES)
  )
  there = [n for n in (now, before) if pathlib.Path(root_dir, n).is_dir()]
  return there[0] if there else now


def _joined(parts, hashed, seed):
  text = '-'.join(parts)
  safe = re.sub(r'[^\w.=+-]+', '_', text, flags=re.ASCII).strip('_.')
  if safe != text or len(safe) > _MAX_LENGTH:
    digest = hashlib.sha256(hashed.encode()).hexdigest()[:6]
    safe = f'{safe[:_MAX_LENGTH].rstrip("_.-=")}-{digest}'
  return f'{safe}-seed{seed}' if safe else f'seed{seed}'
