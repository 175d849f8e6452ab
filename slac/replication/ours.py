"""Our curves: eval.csv, config.json and version.json of runs' folders.

A configuration is read as text and literals; nothing of it is executed.
"""

import ast
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from slac import console, errors
from slac.replication import assessed, trials
from slac.storage import run_folder, tables

_SIZE = 'GymEnvironment.observation_size'  # Of what is observed of the state.
_SUCCESS_RATE = 'success_rate'  # A column of runs whose task can be solved.
_MANIPULATION = 'ManipulationEnvironment'  # The base of such environments.
# How an environment's task is called, by which of its bindings, and what has
# its action repeat.
_TASKS = {
  'DmControlEnvironment': ('{}', ('domain', 'task'), 'DmControlEnvironment'),
  'GymEnvironment': ('{}', ('task',), 'GymEnvironment'),
  'MetaWorldEnvironment': ('{}', ('task',), _MANIPULATION),
  'SawyerEnvironment': ('sawyer-{}', ('task',), _MANIPULATION),
  'ClawEnvironment': ('claw-{}', ('task',), _MANIPULATION),
}


@dataclasses.dataclass(frozen=True)
class Run(trials.Trial):
  """A trial of ours, and what its folder says about it."""

  folder: pathlib.Path
  seed: int
  # The literal text of each binding; under 'init_from', what it began with.
  config: Mapping[str, str]
  starts: Sequence[Mapping[str, Any]]  # Of `versions.version`, one a start.
  # Share of episodes that solve the task, by steps; empty where none can.
  success_rates: Mapping[int, float] = dataclasses.field(default_factory=dict)
  # How right its model was, by names and steps; see `assessed`.
  of_model: Mapping[str, Mapping[int, assessed.Metric]] = dataclasses.field(
    default_factory=dict
  )


def read(paths: Sequence[pathlib.Path]) -> list[Run]:
  """Returns the runs in folders of runs, or in folders that hold such.

  Of the latter's runs those without an evaluation are left out, which is said.

  Args:
    paths: the folders; files beside them are passed over, such as the logs that
      runs/walker* stands for, too.

  Raises:
    UserError: 66 if there is none in one of them; 65 or 74 for a fault in one.
  """
  folders = []
  for path in [path for path in paths if not path.is_file()] or paths:
    inside = [path] if _is_run(path) else _evaluated_in(path)
    if not inside:
      raise errors.UserError(
        f'{path} is neither the folder of a run nor holds one that has been '
        'evaluated; name a folder that train_eval.py has printed.',
        66,
      )
    folders.extend(folder.resolve() for folder in inside)
  return [_read_run(folder) for folder in dict.fromkeys(folders)]


def _is_run(folder: pathlib.Path) -> bool:
  return (folder / 'config.json').is_file()


def _evaluated_in(parent: pathlib.Path) -> list[pathlib.Path]:
  found = []
  for folder in sorted(filter(_is_run, parent.glob('*'))):
    if (folder / 'eval.csv').exists():
      found.append(folder)
    else:
      console.warn(f'{folder} is left out: it has no evaluation yet.')
  return found


def _read_run(folder: pathlib.Path) -> Run:
  path = folder / 'config.json'
  config = run_folder.read_config(path)
  starts = run_folder.read_starts(folder)
  names, base = _task(path, config)
  action_repeat = _value(path, config, 'Schedule.action_repeat', int)
  of_environment = action_repeat
  if base:
    of_environment = _value(path, config, f'{base}.action_repeat', int)
  if action_repeat != of_environment:
    raise errors.UserError(
      f'{path} counts {action_repeat} environment steps in an agent step that '
      f'takes {of_environment}, so its steps are not those of the benchmark; '
      'leave this run out.',
      65,
    )
  columns = ('env_steps', 'agent_steps', 'average_return')
  rows = tables.read_rows(folder / 'eval.csv', columns)
  returns, success_rates = _evaluations(rows, action_repeat)
  return Run(
    task=trials.task_name(names, path),
    action_repeat=action_repeat,
    variance=_variance(path, config),
    name=folder.name,
    returns=returns,
    folder=folder,
    seed=_value(path, config, 'Experiment.seed', int),
    config=config | _origin(starts),
    starts=starts,
    success_rates=success_rates,
    of_model=assessed.read(rows, folder / 'train.csv'),
  )


def _task(path, config) -> tuple[list[str], str | None]:
  """Returns the words of the task's name, and what has its action repeat.

  An environment of one's own is called as gin files refer to it, and None has
  its action repeat.
  """
  reference = config.get('Experiment.environment', '')
  reference = reference.removeprefix('@').removesuffix('()')
  environment = reference.rsplit('.', 1)[-1]
  if environment not in _TASKS:
    return [reference], None
  form, parts, base = _TASKS[environment]
  names = [
    form.format(_value(path, config, f'{environment}.{part}', str))
    for part in parts
  ]
  if environment == 'GymEnvironment' and config.get(_SIZE, 'None') != 'None':
    # Another task than with all of it.
    names[-1] += f'-first{_value(path, config, _SIZE, int)}'
  return names, base


def _origin(starts) -> dict[str, str]:
  """Returns the setting that tells what a run began with, if that was another.

  It has that run's name, its checkpoint's sha256, and the parts.
  """
  origin = starts[-1].get('init_from') if starts else None
  if not isinstance(origin, dict):
    return {}
  run, sha256 = str(origin.get('run')), str(origin.get('sha256'))
  return {
    'init_from': f'{pathlib.PurePath(run).name} {sha256[:8]} '
    f'{origin.get("parts")}'
  }


def _value(path, config, name, kind):
  """Returns the literal that a binding was given, of the type `kind`.

  Where that is float, whole numbers are taken, too, as settings take them.
  """
  if name not in config:
    raise errors.UserError(
      f'{path} does not set {name}; restore it, or leave the run out.',
      65,
    )
  try:
    value = ast.literal_eval(config[name])
    if kind is float and type(value) is int:
      value = float(value)
  except (
    *(ValueError, SyntaxError, TypeError, RecursionError, MemoryError),
    OverflowError,
  ):
    value = None
  if type(value) is not kind:
    raise errors.UserError(
      f'{path} sets {name} to {errors.short(config[name])!r}, which is no '
      f'{kind.__name__}; restore it, or leave the run out.',
      65,
    )
  return value


def _variance(path, config) -> float | None:
  """Returns the decoder's variance, whichever model's it is."""
  names = [name for name in config if name.endswith('.decoder_variance')]
  values = {_value(path, config, name, float) for name in names}
  if len(values) > 1:
    raise errors.UserError(
      f'{path} sets several decoder variances ({", ".join(sorted(names))}); '
      'leave this run out.',
      65,
    )
  return values.pop() if values else None


def _evaluations(
  rows: Sequence[tables.Row], action_repeat: int
) -> tuple[dict[int, float], dict[int, float]]:
  """Returns returns and, where there are any, success rates by steps."""
  returns, success_rates = {}, {}
  for row in rows:
    step = row.whole('env_steps')
    # A row that was mended has no count of agent steps.
    if row['agent_steps'] and (
      step != row.whole('agent_steps') * action_repeat
    ):
      raise row.fault(
        f'{step} environment steps are not {row["agent_steps"]} agent steps '
        f'of {action_repeat}'
      )
    if step in returns:
      raise row.fault(f'there is a second row at step {step:,}')
    returns[step] = row.real('average_return')
    if _SUCCESS_RATE in row and row[_SUCCESS_RATE] != '':
      success_rates[step] = row.real(_SUCCESS_RATE)
  return returns, success_rates
