"""A run's folder, with its configuration and the versions that wrote it."""

import contextlib
import itertools
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from slac import console, errors
from slac.storage import files, locks

_FOLDERS = ('checkpoints', 'policy', 'tensorboard', 'videos')
_SUFFIXES = ('.csv', '.json', '.log')
# The characters of a config.json, which is read again by a parser that takes
# seconds for a million. A run of the paper has 2,000.
_MAX_CONFIG = 100_000
BUDGET = 'Schedule.env_steps'  # It may grow.
# Settings that may change when a run goes on, as nothing computed so far
# depends on them; but see `_DECIDE_PRETRAINING`.
MAY_CHANGE = (
  BUDGET,
  'Schedule.eval_interval',
  'Schedule.eval_episodes',
  'Schedule.greedy_eval_episodes',
  'Schedule.log_interval',
  'Schedule.picture_interval',
  'Schedule.checkpoint_seconds',
  'Collection.step_seconds',
  'Collection.ray',
  'Collection.resource',
  'Evaluation.worker',
)
# With patience, these decide when pretraining ends.
_PATIENCE = 'Schedule.pretraining_patience'
_DECIDE_PRETRAINING = {
  'Schedule.eval_episodes',
  'Schedule.log_interval',
  'Schedule.picture_interval',
}
# Settings that have come since, as runs have them whose config.json has none.
_ADDED = {
  'Collection.environments': '1',
  'Collection.step_seconds': '600.0',
  'Collection.workers': '0',
  'Collection.weight_interval': '100',
  'Collection.ray': "'local'",
  'Collection.resource': 'None',
  'Evaluation.worker': 'False',
  _PATIENCE: 'None',
}


def open_run(
  folder: pathlib.Path,
  fresh: bool,
  resolved: Mapping[str, str],
  version: Mapping[str, Any],
) -> pathlib.Path:
  """Returns the run's folder, new or to be continued.

  No other process can open the folder until this one ends.

  Args:
    folder: Where the run is to be; folders above it are created if need be.
    fresh: Whether to take the first free of `folder`, `folder-2`, `folder-3`,
      ... instead of continuing the run in `folder`.
    resolved: What `bindings.resolved` returns; written to config.json. A run
      goes on if no more than `MAY_CHANGE` differs.
    version: What `versions.version` returns; appended to version.json's list,
      with the 'changes' of settings.

  Raises:
    UserError: 64 if its path is no UTF-8; 73 if it cannot be written; 74 if a
      file in it is damaged; 75 if another process uses it; 78 if it belongs
      to a run with another configuration, or to no run.
  """
  _check_is_text(folder)
  _check_is_short(resolved)
  try:
    folder = _make(folder, fresh)
    refuse_what_no_run_makes(folder)
    if _is_taken(folder) and not (folder / 'config.json').exists():
      raise errors.UserError(
        f'{folder} holds files but no config.json, so it is no run to '
        'continue; choose another --name, or --fresh.'
      )
    locks.hold(folder)
    changes = {}
    if (folder / 'config.json').exists():
      changes = _changes(folder, resolved)
    else:
      files.write_json(folder / 'config.json', dict(resolved))
    starts, record = read_starts(folder), folder / 'version.json'
    # The first start makes checkpoints/ after it.
    if not record.exists() and (folder / 'checkpoints').exists():
      console.warn(
        f'{record} is gone, and with it the record of earlier starts; a new '
        'one begins.'
      )
    start = {**version, 'changes': changes} if changes else dict(version)
    files.write_json(record, [*starts, start])
    if changes:  # After they were noted, lest a kill leaves them unnoted.
      files.write_json(folder / 'config.json', dict(resolved))
      texts = [f'{name}: {change}' for name, change in changes.items()]
      print(f'The run goes on with other settings: {"; ".join(texts)}.')
  except OSError as error:
    raise errors.UserError(
      f'The folder {folder} cannot be written ({error.strerror}); choose '
      'another --root_dir.',
      73,
    ) from error
  return folder


def check_is_run(folder: pathlib.Path) -> None:
  """Raises a UserError (66) if a folder is none of a run."""
  if not (folder / 'config.json').exists():
    raise errors.UserError(
      f'{folder} is not the folder of a run: it holds no config.json; name a '
      'folder that train_eval.py has printed.',
      66,
    )


def read_config(path: pathlib.Path) -> dict[str, str]:
  """Returns the configuration in a config.json; UserError (74) if damaged."""
  return complete(_read(path, {str: str}, _MAX_CONFIG))


def complete(config: Mapping[str, str]) -> dict[str, str]:
  """Returns a configuration with the settings that are younger than it."""
  return _ADDED | dict(config)


def experiment(config: Mapping[str, str]) -> dict[str, str]:
  """Returns a configuration without what is a single trial's own.

  That is its seed, and the settings that may change when it goes on, unless
  they have decided when pretraining ended.
  """
  own = {'Experiment.seed', *MAY_CHANGE}
  if config.get(_PATIENCE, 'None') != 'None':
    own -= _DECIDE_PRETRAINING
  return {k: text for k, text in config.items() if k not in own}


def read_starts(folder: pathlib.Path) -> list[dict[str, Any]]:
  """Returns each start's entry of version.json, none where there is no such.

  Raises:
    UserError: 74 if it is damaged.
  """
  path = folder / 'version.json'
  return _read(path, [dict]) if path.exists() else []


def _read(path: pathlib.Path, schema: Any, most: float = math.inf) -> Any:
  """Returns what is in a JSON file; UserError (74) if that is damaged."""
  try:
    if path.stat().st_size > most:
      raise ValueError(f'it has more than {most:,} characters')
    return files.read_json(path, schema)
  except (OSError, ValueError) as error:
    reason = getattr(error, 'strerror', None) or error
    raise errors.UserError(
      f'{path} is damaged ({reason}); restore it, or start anew with --fresh.',
      74,
    ) from error


def refuse_to_forget(folder: pathlib.Path) -> None:
  """Raises a UserError (74) if a run without a checkpoint has left results.

  To begin it anew in the same folder would overwrite them.
  """
  found = []
  for path in sorted(folder.glob('*.csv')):
    rows = path.read_bytes().count(b'\n') - 1
    if rows > 0:
      found.append(f'{rows} rows in {path.name}')
  if (folder / 'policy').exists():
    found.append('a policy')
  if found:
    raise errors.UserError(
      f'{folder} has {", ".join(found)}, but no checkpoint to continue from: '
      'put its checkpoints back, or start anew in another folder with --fresh.',
      74,
    )


def refuse_what_no_run_makes(folder: pathlib.Path) -> None:
  """Raises a UserError (74) if there are links, pipes, or wrong kinds of files.

  A run overwrites and removes files in its folder. Through a link in a folder
  that came from someone else, it would do so to other files; a pipe it would
  read from for ever.
  """
  for parent, folders, names in os.walk(folder, onerror=_raise):
    for name in [*folders, *names]:
      path = pathlib.Path(parent, name)
      fault = ''
      if path.is_symlink():
        fault = 'a link, which no run makes: replace it by what it leads to'
      elif not path.is_dir() and not path.is_file():
        fault = 'neither a file nor a folder, so no run made it: remove it'
      elif name in _FOLDERS and not path.is_dir() and path.parent == folder:
        fault = 'a file where a run keeps a folder: move it away'
      elif (path.suffix in _SUFFIXES or name == locks.NAME) and path.is_dir():
        fault = 'a folder where a run keeps a file: move it away'
      if fault and os.path.lexists(path):  # A run at work removes some.
        raise errors.UserError(f'{path} is {fault}.', 74)


def _raise(error: OSError):
  if not isinstance(error, FileNotFoundError):
    raise error


def _check_is_text(folder: pathlib.Path) -> None:
  """Raises a UserError (64) for a path that no JSON file could hold."""
  try:
    str(folder.absolute()).encode()
  except UnicodeEncodeError as error:
    raise errors.UserError(
      f'The path {str(folder.absolute())!r} is no UTF-8: choose another '
      '--root_dir or --name.',
      64,
    ) from error


def _check_is_short(resolved: Mapping[str, str]) -> None:
  """Raises a UserError for settings that could not be read again."""
  if len(json.dumps(dict(resolved), indent=2)) >= _MAX_CONFIG:
    name = max(resolved, key=lambda name: len(resolved[name]))
    raise errors.UserError(
      f'{name} has {len(resolved[name]):,} characters, but all settings of a '
      f'run may have {_MAX_CONFIG:,}: have your code read what is long from a '
      'file.'
    )


def _make(folder: pathlib.Path, fresh: bool) -> pathlib.Path:
  """Creates a run's folder; a fresh one is nobody else's."""
  if not fresh:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
  folder.parent.mkdir(parents=True, exist_ok=True)
  for number in itertools.count(1):
    name = folder.name if number == 1 else f'{folder.name}-{number}'
    with contextlib.suppress(FileExistsError):
      folder.with_name(name).mkdir()
      return folder.with_name(name)


def _is_taken(folder: pathlib.Path) -> bool:
  """Returns whether more is there than a start leaves that was killed."""
  leftovers = {locks.NAME, '.config.json.tmp'}
  return any(path.name not in leftovers for path in folder.iterdir())


def _grows(before: str | None, after: str | None) -> bool:
  """Whether both are whole numbers, and the latter is the larger."""
  numbers = [text for text in (before, after) if text and text.isdecimal()]
  return len(numbers) == 2 and int(numbers[0]) < int(numbers[1])


def differences(before: Mapping, after: Mapping) -> dict[str, str]:
  """Returns what has become of the texts of settings, where they differ."""
  return {
    key: f'{errors.short(before.get(key, "(not set)"))} -> '
    f'{errors.short(after.get(key, "(not set)"))}'
    for key in sorted({*before, *after})
    if before.get(key) != after.get(key)
  }


def _changes(folder: pathlib.Path, resolved: Mapping) -> dict[str, str]:
  """Returns how the configuration differs from the run's, by the settings.

  Raises:
    UserError: It lists what differs and would change the run's past, too.
  """
  own, resolved = read_config(folder / 'config.json'), complete(resolved)
  found = differences(own, resolved)
  refused = [
    f'{key}: {change}'
    for key, change in found.items()
    if key not in MAY_CHANGE
    or (key == BUDGET and not _grows(own.get(key), resolved.get(key)))
  ]
  if refused:
    raise errors.UserError(
      f'The run in {folder} has another configuration; start a new one with '
      '--fresh or --name, or take back the differences (run -> now): '
      f'{errors.listed(refused, "; ")}.'
    )
  return found
