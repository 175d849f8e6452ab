"""Loads what the commands of a sweep are told, before any of them is begun."""

import dataclasses
from collections.abc import Mapping, Sequence

from slac import errors
from slac.config import bindings
from slac.storage import run_folder
from slac.sweep import plan
from slac.training import (
  experiment,  # noqa: F401  # Gin knows its names then.
  schedule,
)


@dataclasses.dataclass(frozen=True)
class Planned:
  """What a command is going to train, whatever its seed."""

  settings: Mapping[str, str]  # Of `run_folder.experiment`.
  schedule: schedule.Schedule
  command: plan.Command  # That of the first seed.


def experiments(commands: Sequence[plan.Command]) -> list[Planned]:
  """Returns the experiment of each command.

  Raises:
    UserError: the fault of a gin file or a setting, as train_eval has it; 64 if
      two commands are the same experiment, or would share a folder.
  """
  found, named = {}, {}
  for command in commands:
    same = named.setdefault((command.name, command.seed), command)
    if same is not command:
      raise errors.UserError(
        f'Two runs would have the name {command.name}: {same}, and {command}; '
        'rename one of the gin files.',
        64,
      )
    what = command.gin_files, command.gin_params
    if what not in found:
      found[what] = _load(command)
  _refuse_the_same(list(found.values()))
  return [found[c.gin_files, c.gin_params] for c in commands]


def _load(command) -> Planned:
  bindings.load(
    command.gin_files,
    [*command.gin_params, f'Experiment.seed = {command.seed}'],
    command.allow_gin_imports,
  )
  settings = run_folder.experiment(run_folder.complete(bindings.resolved()))
  with bindings.translate_gin_errors():
    return Planned(settings, schedule.Schedule(), command)


def _refuse_the_same(found: Sequence[Planned]) -> None:
  seen = {}
  for item in found:
    same = seen.setdefault(tuple(item.settings.items()), item)
    if same is not item:
      raise errors.UserError(
        f'{same.command.name} and {item.command.name} are one experiment, as '
        'they differ in no setting but how long they train and how often they '
        'evaluate or log: leave one of them out.',
        64,
      )
