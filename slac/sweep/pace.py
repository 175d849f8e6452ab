"""Reads from the folders of runs how fast they were on this machine."""

import dataclasses
import pathlib
import platform
from collections.abc import Mapping

import numpy as np

from slac import errors
from slac.benchmark import run_time
from slac.storage import run_folder, tables
from slac.sweep import progress
from slac.training import schedule

_COUNTERS = ('agent_steps', 'model_updates', 'gradient_steps')
# The phases of a run, and what they count.
_RANDOM, _PRETRAINING, _TRAINING = range(3)


@dataclasses.dataclass(frozen=True)
class Pace:
  """The wall time that runs have spent in each phase, and for how much.

  Evaluations, pictures and checkpoints are in it, as they fall into a phase.
  """

  seconds: np.ndarray  # [3]
  counts: np.ndarray  # [3], agent steps; in pretraining, model updates.

  def __add__(self, other: 'Pace') -> 'Pace':
    return Pace(self.seconds + other.seconds, self.counts + other.counts)

  def hours(
    self, plan: schedule.Schedule, settings: Mapping[str, str]
  ) -> float | None:
    """Returns how long a run takes; None where a phase has not been seen.

    Args:
      plan, settings: see `run_time.agent_steps`.
    """
    random_steps, steps = run_time.agent_steps(plan, settings)
    planned = np.array([random_steps, plan.model_updates, steps])
    if any((planned > 0) & (self.counts == 0)):
      return None
    rates = self.seconds / np.maximum(self.counts, 1)
    return float(planned @ rates) / 3600


@dataclasses.dataclass
class Runs:
  """What the runs in a folder tell."""

  # By the settings of each experiment.
  paces: dict[frozenset[tuple[str, str]], Pace]
  # The hours that a run has taken so far, by its name.
  spent: dict[str, float]
  # The agent steps that a finished run has taken at most, by its name: it may
  # go on with a larger budget.
  finished: dict[str, int]
  # What is wrong with those that cannot be read, in sentences.
  damaged: list[str] = dataclasses.field(default_factory=list)


def read(root: pathlib.Path) -> Runs:
  """Returns what the runs in a folder tell; those of other machines nothing."""
  runs = Runs({}, {}, {})
  for folder in sorted(path.parent for path in root.glob('*/config.json')):
    try:
      if not (folder / 'train.csv').exists() or not _is_of_this_machine(folder):
        continue
      table = _table(folder / 'train.csv')
      config = run_folder.read_config(folder / 'config.json')
    except errors.UserError as error:
      runs.damaged.append(str(error))
      continue
    key = frozenset(run_folder.experiment(config).items())
    nothing = Pace(np.zeros(3), np.zeros(3))
    runs.paces[key] = runs.paces.get(key, nothing) + _pace(table)
    if len(table):
      runs.spent[folder.name] = table[-1, -1] / 3600
      if progress.is_finished(folder):
        runs.finished[folder.name] = _reached(table)
  return runs


def _is_of_this_machine(folder) -> bool:
  starts = run_folder.read_starts(folder)
  return {start.get('host') for start in starts} == {platform.node()}


def _table(path) -> np.ndarray:
  """Returns counters and wall time, `[rows, 4]`."""
  rows = tables.read_rows(path, [*_COUNTERS, 'wall_seconds'])
  found = [
    [*(row.whole(name) for name in _COUNTERS), row.real('wall_seconds')]
    for row in rows
    if row['wall_seconds']  # Those that were mended lack all of this.
  ]
  return np.array(found, float).reshape(len(found), 4)


def _reached(table) -> int:
  """Returns the agent steps at which a next row would have been written."""
  iterations = table[:, 0] + table[:, 1]
  return int(table[-1, 0] + np.diff(iterations, prepend=0)[-1])


def _pace(table) -> Pace:
  """Returns what happened between rows, but for intervals of two phases.

  What was before the first row is left out, as it has the run's start in it.
  """
  seconds, counts = np.zeros(3), np.zeros(3)
  for agent_steps, model_updates, gradient_steps, wall in np.diff(
    table, axis=0
  ):
    if agent_steps and model_updates:
      continue
    phase = _PRETRAINING
    if agent_steps:
      phase = _TRAINING if gradient_steps else _RANDOM
    seconds[phase] += wall
    counts[phase] += agent_steps or model_updates
  return Pace(seconds, counts)
