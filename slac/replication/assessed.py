"""How right runs' models were in evaluation episodes, and in training."""

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from slac.storage import tables

# Columns of eval.csv and train.csv, what they are called, and their digits.
NAMES = {
  'model/elbo': ('ELBO', ',.0f'),
  'model/kl': ('KL', '.1f'),
  'model/squared_error_per_pixel': ('squared error per pixel', '.5f'),
}


class Metric(NamedTuple):
  """A metric of a model at one environment step."""

  evaluation: float  # Of episodes that it is not trained on.
  training: float = math.nan  # Of the batches before the step, if known.


def read(
  evaluations: Sequence[tables.Row], train: pathlib.Path
) -> dict[str, dict[int, Metric]]:
  """Returns metrics by their names and environment steps.

  Args:
    evaluations: the rows of eval.csv, which may have none of these columns.
    train: the path of train.csv, which need not be there.

  Raises:
    UserError: 65 if a cell is no number, or train.csv is damaged.
  """
  known = [name for name in NAMES if evaluations and name in evaluations[0]]
  updates = []
  if known and train.exists():
    updates = tables.read_rows(train, ['env_steps', *known])
  found: dict[str, dict[int, Metric]] = {name: {} for name in known}
  for name in known:
    trained = [
      (row.whole('env_steps'), row.real(name)) for row in updates if row[name]
    ]
    for row in evaluations:
      if row[name]:
        step = row.whole('env_steps')
        before = [value for at, value in trained if at <= step]
        found[name][step] = Metric(row.real(name), *before[-1:])
  return {name: values for name, values in found.items() if values}


def cell(
  runs: Sequence[Mapping[str, Mapping[int, Metric]]], name: str, step: int
) -> str:
  """Returns the text of a metric's means over runs: 'evaluation (training)'."""
  metrics = [run[name][step] for run in runs if step in run.get(name, {})]
  if not metrics:
    return '-'
  digits = NAMES[name][1]
  evaluation, training = (
    sum(values) / len(values) for values in zip(*metrics, strict=True)
  )
  text = f'{evaluation:{digits}}'
  return text if math.isnan(training) else f'{text} ({training:{digits}})'
