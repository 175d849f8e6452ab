"""Knows what is stored of a sweep, and keeps its settings there."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from slac import errors
from slac.storage import run_folder
from slac.sweep import checking, plan

_SETTINGS = 'settings.json'

# The text of each setting, by the names of runs.
Settings = Mapping[str, Mapping[str, str]]


def settings_of(
  commands: Sequence[plan.Command], experiments: Sequence[checking.Planned]
) -> Settings:
  """Returns what decides the results of runs, and how long they train."""
  return {
    command.name: {
      **experiment.settings,
      run_folder.BUDGET: str(experiment.schedule.env_steps),
    }
    for command, experiment in zip(commands, experiments, strict=True)
  }


def is_there(storage: str, name: str) -> bool:
  """Whether Tune has kept there what it knows of a sweep."""
  from pyarrow import fs

  system, folder = _folder_of(storage, name)
  found = system.get_file_info(fs.FileSelector(folder, allow_not_found=True))
  return any(item.base_name.startswith('experiment_state') for item in found)


def keep(settings: Settings, storage: str, name: str) -> None:
  """Stores the settings of a sweep that begins."""
  system, folder = _folder_of(storage, name)
  system.create_dir(folder, recursive=True)
  with system.open_output_stream(f'{folder}/{_SETTINGS}') as file:
    file.write(json.dumps(settings).encode())


def refuse_others(settings: Settings, storage: str, name: str) -> None:
  """Refuses to continue a sweep whose gin files have changed.

  Its name does not tell, and the runs that have finished would be shown as if
  they had these settings.

  Raises:
    UserError: (78) it lists what differs.
  """
  system, folder = _folder_of(storage, name)
  try:
    with system.open_input_stream(f'{folder}/{_SETTINGS}') as file:
      stored = json.loads(file.read())
  except FileNotFoundError:  # The sweep is older than this file.
    return
  # Once each, though many runs have it.
  found: dict[str, None] = {}
  for run, own in settings.items():
    before, now = run_folder.complete(stored[run]), run_folder.complete(own)
    changes = run_folder.differences(before, now)
    found |= dict.fromkeys(f'{key}: {text}' for key, text in changes.items())
  if found:
    raise errors.UserError(
      f'The sweep in {storage} was begun with other settings: choose another '
      '--root_dir, or take back the differences (sweep -> now), or have --run '
      f'in place of --ray train for a larger {run_folder.BUDGET}: '
      f'{errors.listed(list(found), "; ")}.'
    )


def _folder_of(storage: str, name: str) -> tuple[Any, str]:
  """Returns the file system of a sweep's storage, and its folder there."""
  from pyarrow import fs

  system, path = fs.FileSystem.from_uri(storage)  # It may end with options.
  return system, f'{path}/{name}'
