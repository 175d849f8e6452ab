"""What was compared, in numbers, at a few environment steps."""

import math
from collections.abc import Sequence

from slac.replication import (
  aggregate,
  assessed,
  comparison,
  reported,
  statistics,
)

STEPS = (30_000, 50_000, 100_000, 200_000, 300_000, 500_000, 1_000_000)
NO_DATA = 'no data'
LEGEND = (
  'Mean and sample standard deviation over the trials that were evaluated at '
  'exactly this step; "no data" where none was: nothing is interpolated. '
  '"within" means that our mean is at most one published standard deviation '
  'from the published mean. IQM is the mean without the lowest and the highest '
  'quarter of the trials; its interval is that of the percentile bootstrap, '
  'and of one trial there is none.'
)
_PUBLISHED_COLUMNS = ('published', 'trials', 'IQM [95% CI]')
_OUR_COLUMNS = ('ours', 'trials', 'IQM [95% CI]')
_SUCCESS = 'success rate'
ASSESSED_LEGEND = (
  'ELBO, KL divergence and squared error per pixel are of the evaluation '
  'episodes, which are never trained on, and in brackets of the training '
  'batches before them, where train.csv is there: a model whose squared error '
  'falls in these alone knows them by heart.'
)
_VERDICT = 'ours lies'
VERDICTS = ('within', 'below', 'above', '-')  # What stands below it.
_REPORTED_HEADER = (
  *('task', 'environment steps', 'reported', 'mean', 'variant', 'ours'),
  *('trials', _VERDICT),
)
REPORTED_LEGEND = (
  f'Reported are means and deviations of {reported.SEEDS} seeds. The authors '
  f'of ALM count from the end of {reported.RANDOM_STEPS:,} random steps; here '
  'these are counted, too.'
)
_AGGREGATE_HEADER = (
  'over all tasks',
  'environment steps',
  'trials',
  'normalised IQM [95% CI]',
)


def rows(
  comparisons: Sequence[comparison.Comparison],
) -> list[tuple[str, ...]]:
  """Returns a header and its rows, one for each task, variant and step.

  The columns of variants and of published trials are there if these are.
  """
  has_variants = any(name for item in comparisons for name in item.ours)
  has_published = any(item.published for item in comparisons)
  runs = _runs(comparisons)
  has_success = any(run.success_rates for run in runs)
  metrics = [
    x for x in assessed.NAMES if any(x in run.of_model for run in runs)
  ]
  header = (
    'task',
    *(['variant'] if has_variants else []),
    'environment steps',
    *(_PUBLISHED_COLUMNS if has_published else []),
    *_OUR_COLUMNS,
    *([_SUCCESS] if has_success else []),
    *(assessed.NAMES[name][0] for name in metrics),
    *([_VERDICT] if has_published else []),
  )
  found = [header]
  for item in comparisons:
    for name, selection in (item.ours or {'': None}).items():
      models = [run.of_model for run in selection.trials] if selection else []
      for step in _steps(item):
        published, *others = _cells_at(item.published, selection, step)
        found.append(
          (
            item.task,
            *([name] if has_variants else []),
            f'{step:,}',
            *(published if has_published else ()),
            *others[0],
            *([_success(selection, step)] if has_success else ()),
            *(assessed.cell(models, name, step) for name in metrics),
            *(others[1:] if has_published else ()),
          )
        )
  return found


def legends(comparisons: Sequence[comparison.Comparison]) -> list[str]:
  """Returns what is to be said below `rows`, in paragraphs."""
  is_assessed = any(run.of_model for run in _runs(comparisons))
  return [LEGEND, ASSESSED_LEGEND] if is_assessed else [LEGEND]


def reported_rows(
  comparisons: Sequence[comparison.Comparison],
) -> list[tuple[str, ...]]:
  """Returns a header and a row for each reported number and variant of ours."""
  found = [_REPORTED_HEADER]
  for item in comparisons:
    for row in item.reported:
      for step, mean, stddev in zip(*row[1:], strict=True):
        theirs = statistics.Summary(reported.SEEDS, mean, stddev)
        for name, selection in item.ours.items():
          summary = statistics.summarize(selection.curves, step)
          our_mean, n, _ = _cells(summary)
          found.append(
            (
              *(item.task, f'{step:,}', row.label, _mean(theirs)),
              *(name or comparison.OURS, our_mean, n),
              statistics.verdict(summary, theirs) or '-',
            )
          )
  return found


def aggregate_rows(item: aggregate.Aggregate) -> list[tuple[str, ...]]:
  """Returns a header and a row for each curve over all tasks and each step."""
  found = [_AGGREGATE_HEADER]
  for name, curve in item.curves.items():
    band = curve.band
    last = band.steps[-1]
    for column, step in enumerate(band.steps):
      if step in STEPS or step == last:
        text = f'{band.iqm[column]:.3f}'
        if band.has_interval:
          text += f' [{band.low[column]:.3f}, {band.high[column]:.3f}]'
        found.append((name, f'{step:,}', curve.number.split()[0], text))
  return found


def markdown(
  comparisons: Sequence[comparison.Comparison],
  over_tasks: aggregate.Aggregate | None,
) -> str:
  """Returns the tables for a README."""
  found = rows(comparisons)
  texts = [_table(found, found[0][-1] == _VERDICT), *legends(comparisons)]
  if any(item.reported for item in comparisons):
    texts += [_table(reported_rows(comparisons), True), REPORTED_LEGEND]
  if over_tasks:
    if over_tasks.curves:
      texts.append(_table(aggregate_rows(over_tasks), False))
    texts.append(f'{", ".join(over_tasks.tasks)}. {over_tasks.scale}.')
    texts.extend(over_tasks.notes)
  return '\n\n'.join(texts) + '\n'


def _table(lines, ends_with_a_word):
  header, *others = lines
  aligned = ['---'] + ['---:'] * (len(header) - 1)
  if ends_with_a_word:
    aligned[-1] = '---'
  return '\n'.join(f'| {" | ".join(x)} |' for x in [header, aligned, *others])


def _steps(item) -> list[int]:
  """Returns the steps that a task's rows are about."""
  found = {step for s in item.ours.values() for step in s.curves.steps.tolist()}
  steps = {*STEPS, *sorted(found)[-1:]}
  return sorted(steps if item.published else steps & found)


def _cells_at(published, ours, step):
  """Returns the cells of both sides at a step, and where ours lies."""
  summaries = [
    statistics.summarize(side.curves, step) if side else statistics.Summary(0)
    for side in (published, ours)
  ]
  verdict = statistics.verdict(summaries[1], summaries[0]) or '-'
  return *map(_cells, summaries), verdict


def _cells(summary: statistics.Summary) -> tuple[str, str, str]:
  """Returns the texts of mean, number of trials, and interquartile mean."""
  if summary.n == 0:
    return NO_DATA, '0', '-'
  iqm = f'{summary.iqm:.0f}'
  if not math.isnan(summary.stddev):
    low, high = summary.interval
    iqm += f' [{low:.0f}, {high:.0f}]'
  return _mean(summary), str(summary.n), iqm


def _success(selection, step) -> str:
  """Returns the share of all trials' episodes that solve the task."""
  runs = selection.trials if selection else ()
  rates = [run.success_rates.get(step) for run in runs]
  rates = [rate for rate in rates if rate is not None]
  return f'{sum(rates) / len(rates):.0%}' if rates else '-'


def _runs(comparisons) -> list:
  return [
    run
    for item in comparisons
    for selection in item.ours.values()
    for run in selection.trials
  ]


def _mean(summary: statistics.Summary) -> str:
  has_stddev = not math.isnan(summary.stddev)
  stddev = f' ± {summary.stddev:.0f}' if has_stddev else ''
  return f'{summary.mean:.0f}{stddev}'
