"""Knows what is stored of a sweep, and keeps its settings there."""

import json
from collections.abc import Mapping, Sequence

from slac import errors
from slac.storage import run_folder
from slac.sweep import checking, plan

_SETTINGS = 'settings.json'

# The text of each setting, by the names of runs.
Settings = Mapping[str, Mapping[str, str]]


def settings_of(
  commands: Sequence[plan.Command], experiments: Sequence[checking.Experiment]
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

  system, path = fs.FileSystem.from_uri(storage)  # It may end with options.
  folder = fs.FileSelector(f'{path}/{name}', allow_not_found=True)
  found = system.get_file_info(folder)
  return any(item.base_name.startswith('experiment_state') for item in found)


def keep(settings: Settings, storage: str, name: str) -> None:
  """Stores the settings of a sweep that begins."""
  from pyarrow import fs

  system, path = fs.FileSystem.from_uri(storage)
  system.create_dir(f'{path}/{name}', recursive=True)
  with system.open_output_stream(f'{path}/{name}/{_SETTINGS}') as file:
    file.write(json.dumps(settings).encode())


def refuse_others(settings: Settings, storage: str, name: str) -> None:
  """Refuses to continue a sweep whose gin files have changed.

  Its name does not tell, and the runs that have finished would be shown as if
  they had these settings.

  Raises:
    UserError: (78) it lists what differs.
  """
  from pyarrow import fs

  system, path = fs.FileSystem.from_uri(storage)
  try:
    with system.open_input_stream(f'{path}/{name}/{_SETTINGS}') as file:
      stored = json.loads(file.read())
  except FileNotFoundError:  # The sweep is older than this file.
    return
  found = {}
  for run, own in settings.items():
    before, now = run_folder.complete(stored[run]), run_folder.complete(own)
    for key in sorted({*before, *now}):
      texts = [errors.short(x.get(key, '(not set)')) for x in (before, now)]
      if before.get(key) != now.get(key):
        found[f'{key}: {" -> ".join(texts)}'] = None
  if found:
    raise errors.UserError(
      f'The sweep in {storage} was begun with other settings: choose another '
      '--root_dir, or take back the differences (sweep -> now), or have --run '
      f'in place of --ray train for a larger {run_folder.BUDGET}: '
      f'{errors.listed(list(found), "; ")}.'
    )
