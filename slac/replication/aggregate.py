"""Curves over several tasks, normalised to [0, 1] (Agarwal et al. 2021)."""

import dataclasses
from collections.abc import Mapping, Sequence

from slac.replication import comparison, statistics, variants

# The most that a task of the DeepMind Control Suite gives; the least is 0.
_BEST_OF_CONTROL = 1000
CONTROL_SCALE = 'DeepMind Control: return / 1000'
OTHER_SCALE = '0 is the least return of any curve here, 1 the best'
NO_INTERVAL = (
  'Curves with one trial of a task have no interval: a single trial does not '
  'tell how far others would be from it.'
)


@dataclasses.dataclass(frozen=True)
class Curve:
  """One variant over all tasks."""

  band: statistics.Band
  number: str  # Of trials.


@dataclasses.dataclass(frozen=True)
class Aggregate:
  """The variants that all tasks have, side by side."""

  tasks: Sequence[str]
  scale: str  # Says what 0 and 1 are.
  curves: Mapping[str, Curve]  # By the names of `Comparison.sides`.
  notes: Sequence[str]  # Sentences on what to know when reading them.


def over_tasks(
  comparisons: Sequence[comparison.Comparison],
) -> Aggregate | None:
  """Returns the curves over the tasks that ours are of; None for one task.

  A curve is over all trials of all these tasks, at the steps at which each of
  them was evaluated.
  """
  items = [item for item in comparisons if item.ours]
  if len(items) < 2:
    return None
  scaled = [_normalised(item) for item in items]
  curves, notes = {}, []
  for name in dict.fromkeys(name for sides in scaled for name in sides):
    lacking = [
      item.task
      for item, sides in zip(items, scaled, strict=True)
      if name not in sides
    ]
    if lacking:
      notes.append(f'Left out: {name}, as {", ".join(lacking)} has none.')
      continue
    strata = statistics.at_common_steps([sides[name] for sides in scaled])
    if not len(strata[0].steps):
      notes.append(
        f'Left out: {name}, as there is no step at which all its trials were '
        'evaluated.'
      )
      continue
    number = sum(len(stratum.returns) for stratum in strata)
    curves[name] = Curve(statistics.band(strata), f'{number} trials')
  if not all(curve.band.has_interval for curve in curves.values()):
    notes.append(NO_INTERVAL)
  notes.extend(_between_tasks(items))
  return Aggregate([i.task for i in items], _scale(items), curves, notes)


def is_of_control(item: comparison.Comparison) -> bool:
  """Whether a task is one of the DeepMind Control Suite."""
  return ' ' in item.task  # Has a domain and a task; others have one name.


def _normalised(
  item: comparison.Comparison,
) -> dict[str, statistics.Curves]:
  """Returns a task's curves between 0 and 1; see `_scale`."""
  low, high = 0, _BEST_OF_CONTROL
  if not is_of_control(item):
    returns = [
      value
      for selection in item.sides.values()
      for trial in selection.trials
      for value in trial.returns.values()
    ]
    low, high = min(returns, default=0), max(returns, default=0)
  return {
    name: statistics.normalise(selection.curves, low, high)
    for name, selection in item.sides.items()
  }


def _scale(items) -> str:
  others = [item.task for item in items if not is_of_control(item)]
  scales = [CONTROL_SCALE] if len(others) < len(items) else []
  if others:
    scales.append(f'{", ".join(others)}: {OTHER_SCALE}')
  return '; '.join(scales)


def _between_tasks(items) -> list[str]:
  """Says which settings differ from task to task, beside the variants' own."""
  configs = [
    {
      name: text
      for name, text in run.config.items()
      if not name.split('.')[0].endswith('Environment')
    }
    for item in items
    for run in next(iter(item.ours.values())).trials
  ]
  names = dict.fromkeys(map(variants.short, variants.differing(configs)))
  if not names:
    return []
  return [f'Between the tasks these settings differ: {", ".join(names)}.']
