"""Has what stands beside a policy that others play: how it was trained and did.

It is read as text and literals, and nothing of it is executed.
"""

import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from slac import errors
from slac.config import bindings
from slac.storage import files, run_folder
from slac.training import evaluation

NAME = 'record.json'
# Where policies are, by their names.
FOLDER = bindings.ROOT / 'pretrained'
_SCHEMA = {
  'trained': {'flags': [str], 'commit': str, 'has_changes': bool},
  'config': {str: str},  # As in the run's config.json.
  'evaluation': {'seed': int, 'returns': [float], 'lengths': [int]},
}
# What of a command others need to train such a policy again.
_FLAGS = ('--gin_file', '--gin_param', '--seed', '--init_from', '--init_parts')
_PATHS = ('--gin_file', '--init_from')


def write(
  folder: pathlib.Path,
  run: pathlib.Path,
  seed: int,
  episodes: Sequence[evaluation.Episode],
):
  """Writes the record of an exported policy.

  Args:
    folder: the policy's.
    run: of the run that it is of.
    seed: of the evaluator that has played it.
    episodes: of that policy, in their order.
  """
  starts = run_folder.read_starts(run)
  start = starts[-1] if starts else {}
  git = start.get('git') or {}
  clean = {**git, 'dirty': False}
  record = {
    'trained': {
      'flags': _flags(start.get('command') or []),
      'commit': git.get('commit', 'unknown'),
      # In any start, as each has its part in the policy.
      'has_changes': any((x.get('git') or clean) != clean for x in starts),
    },
    'config': run_folder.read_config(run / 'config.json'),
    'evaluation': {
      'seed': seed,
      'returns': [episode.episode_return for episode in episodes],
      'lengths': [episode.length for episode in episodes],
    },
  }
  files.write_json(folder / NAME, record)


def find(name: str) -> pathlib.Path:
  """Returns the folder of a policy that has a record.

  Args:
    name: that of a folder in `FOLDER`, or a path; with a slash it is a path.

  Raises:
    errors.UserError: (66) there is none; (64) there are two.
  """
  known = sorted(path.parent.name for path in FOLDER.glob(f'*/{NAME}'))
  places = [] if '/' in name else [FOLDER / name]
  places.append(pathlib.Path(name))
  if found := [folder for folder in places if (folder / NAME).is_file()]:
    if not found[0].samefile(found[-1]):
      raise errors.UserError(
        f'{name} is a policy in this folder and one in {FOLDER}: name '
        f'./{name} or {found[0]}.',
        64,
      )
    return found[0]
  among = f'one of {errors.listed(known)}, or ' if known else ''
  raise errors.UserError(
    f'There is no policy {name!r} with a {NAME} in it: name {among}a folder '
    'that slac.play RUN --export DIR --half has written.',
    66,
  )


def read(folder: pathlib.Path) -> dict[str, Any]:
  """Returns the record of a policy; UserError (65) if it is damaged."""
  path = folder / NAME
  try:
    return files.read_json(path, _SCHEMA)
  except (OSError, ValueError) as error:
    raise errors.UserError(
      f'{path} is damaged ({error}): export the policy again with slac.play '
      'RUN --export DIR --half.',
      65,
    ) from error


def sentence(record: Mapping[str, Any]) -> str:
  """Says how a policy was trained."""
  trained = record['trained']
  changed = ' with changes' if trained['has_changes'] else ''
  flags = shlex.join(trained['flags']) or 'an unknown command'
  return f'trained by {flags}, commit {trained["commit"][:12]}{changed}'


def _flags(command: Sequence[str]) -> list[str]:
  """Returns the settings among the words of a command, without its paths."""
  found: list[str] = []
  flag = ''
  for word in map(str, command):
    head, value = '', word
    if word.startswith('--'):
      flag, equals, value = word.partition('=')
      head = flag + equals
    if flag in _FLAGS:
      is_path = flag in _PATHS and pathlib.Path(value).is_absolute()
      found.append(head + (pathlib.Path(value).name if is_path else value))
  return found
