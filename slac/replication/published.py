"""The authors' curves: a folder of CSV files, a row for each evaluation."""

import pathlib

from slac import errors
from slac.replication import trials
from slac.storage import tables

# How the authors' tables say what our eval.csv and config.json say.
COLUMNS = (
  'domain_name',
  'task_name',
  'action_repeat',
  'decoder_var',
  'trial_id',
  'AverageReturnEvalPolicy',
  'OriginalEnvironmentSteps',  # Not divided by the action repeat.
)


def read(folder: pathlib.Path) -> list[trials.Trial]:
  """Returns the trials in a folder's CSV files.

  Raises:
    UserError: 66 if there are no CSV files; 65 for a fault in one.
  """
  paths = sorted(folder.glob('*.csv'))
  if not paths:
    raise errors.UserError(
      f'{folder} holds no CSV files; name the folder of the published curves '
      'with --published.',
      66,
    )
  return [trial for path in paths for trial in _read_file(path)]


def _read_file(path: pathlib.Path) -> list[trials.Trial]:
  found = {}
  for row in tables.read_rows(path, COLUMNS):
    key = (
      trials.task_name([row['domain_name'], row['task_name']], path),
      row.whole('action_repeat'),
      row.real('decoder_var'),
      row['trial_id'],
    )
    returns = found.setdefault(key, {})
    step = row.whole('OriginalEnvironmentSteps')
    if step in returns:
      raise row.fault(f'trial {key[-1]} has a second row at step {step:,}')
    returns[step] = row.real('AverageReturnEvalPolicy')
  return [trials.Trial(*key, returns) for key, returns in found.items()]
