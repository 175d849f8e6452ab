"""The comparison in numbers, at a few environment steps."""

import math
from collections.abc import Sequence

from slac.replication import comparison, statistics

STEPS = (30_000, 50_000, 100_000, 200_000, 300_000, 500_000, 1_000_000)
HEADER = (
  'task',
  'environment steps',
  'published',
  'trials',
  'IQM [95% CI]',
  'ours',
  'trials',
  'IQM [95% CI]',
  'ours lies',
)
NO_DATA = 'no data'
LEGEND = (
  'Mean and sample standard deviation over the trials that were evaluated at '
  'exactly this step; "no data" where none was: nothing is interpolated. '
  '"within" means that our mean is at most one published standard deviation '
  'from the published mean. IQM is the mean without the lowest and the highest '
  'quarter of the trials; its interval is that of the percentile bootstrap.'
)


def rows(
  comparisons: Sequence[comparison.Comparison],
) -> list[tuple[str, ...]]:
  """Returns the texts under `HEADER`, a row for each task and each step."""
  return [_row(item, step) for item in comparisons for step in STEPS]


def markdown(comparisons: Sequence[comparison.Comparison]) -> str:
  """Returns the table for a README."""
  aligned = ['---'] + ['---:'] * (len(HEADER) - 2) + ['---']
  lines = [HEADER, aligned, *rows(comparisons)]
  table = '\n'.join(f'| {" | ".join(line)} |' for line in lines)
  return f'{table}\n\n{LEGEND}\n'


def _row(item, step):
  published, ours = (
    statistics.summarize(selection.curves, step)
    if selection
    else statistics.Summary(0)
    for selection in item.sides.values()
  )
  verdict = statistics.verdict(ours, published) or '-'
  cells = (*_cells(published), *_cells(ours), verdict)
  return (item.task, f'{step:,}', *cells)


def _cells(summary: statistics.Summary) -> tuple[str, str, str]:
  """Returns the texts of mean, number of trials, and interquartile mean."""
  if summary.n == 0:
    return NO_DATA, '0', '-'
  mean, iqm = f'{summary.mean:.0f}', f'{summary.iqm:.0f}'
  if not math.isnan(summary.stddev):
    low, high = summary.interval
    mean += f' ± {summary.stddev:.0f}'
    iqm += f' [{low:.0f}, {high:.0f}]'
  return mean, str(summary.n), iqm
