"""Statistics of several trials at the same environment steps.

Nothing is interpolated: where a trial has no evaluation it does not count.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
_RESAMPLES = 10_000
_SEED = 0


@dataclasses.dataclass(frozen=True)
class Curves:
  """N trials at the S environment steps at which any of them has a return."""

  steps: np.ndarray  # [S], ascending.
  returns: np.ndarray  # [N, S], NaN where a trial has none.

  @property
  def counts(self) -> np.ndarray:
    """Trials with a return at each step, [S]."""
    return np.isfinite(self.returns).sum(axis=0)

  @property
  def mean(self) -> np.ndarray:
    """Their mean, [S]."""
    return np.nansum(self.returns, axis=0) / self.counts

  @property
  def stddev(self) -> np.ndarray:
    """Their sample standard deviation, [S]; NaN for a single trial."""
    squares = np.nansum((self.returns - self.mean) ** 2, axis=0)
    degrees = self.counts - 1
    return np.sqrt(squares / np.where(degrees > 0, degrees, np.nan))


@dataclasses.dataclass(frozen=True)
class Summary:
  """What n trials have at one step; NaN where n is too small to tell."""

  n: int
  mean: float = math.nan
  stddev: float = math.nan  # Of the sample: divided by n - 1.
  iqm: float = math.nan  # The interquartile mean.
  interval: tuple[float, float] = (math.nan, math.nan)  # Of the iqm.


@dataclasses.dataclass(frozen=True)
class Band:
  """An interquartile mean and its 95 % interval at S environment steps."""

  steps: np.ndarray  # [S], ascending.
  iqm: np.ndarray  # [S]
  low: np.ndarray  # [S], NaN where a task has fewer than two trials.
  high: np.ndarray  # [S], likewise.

  @property
  def has_interval(self) -> bool:
    """Whether there is an interval at any step."""
    return bool(np.isfinite(self.low).any())


def align(returns: Sequence[Mapping[int, float]]) -> Curves:
  """Returns trials, each a mapping from environment steps, side by side."""
  steps = sorted(set().union(*returns))
  table = [[trial.get(step, math.nan) for step in steps] for trial in returns]
  shape = [len(returns), len(steps)]
  return Curves(np.array(steps, int), np.array(table, float).reshape(shape))


def at_common_steps(trials: Sequence[Curves]) -> list[Curves]:
  """Returns several tasks' trials at the steps that every trial of all has."""
  complete = (
    set(curves.steps[curves.counts == len(curves.returns)]) for curves in trials
  )
  steps = np.array(sorted(set.intersection(*complete)), int)
  return [
    Curves(steps, curves.returns[:, np.isin(curves.steps, steps)])
    for curves in trials
  ]


def normalise(curves: Curves, low: float, high: float) -> Curves:
  """Returns curves whose `low` has become 0, and whose `high` 1.

  Where the two are equal there is nothing to tell apart: all becomes 0.
  """
  extent = (high - low) or math.inf
  return Curves(curves.steps, (curves.returns - low) / extent)


def band(strata: Sequence[Curves]) -> Band:
  """Returns the interquartile mean at each step, over the trials of all strata.

  Args:
    strata: one task's trials, or those of several tasks at the same steps.
  """
  steps, points = strata[0].steps, []
  for column in range(len(steps)):
    values = [curves.returns[:, column] for curves in strata]
    values = [value[np.isfinite(value)] for value in values]
    points.append((_iqm(np.concatenate(values)), *interval(values)))
  return Band(steps, *np.array(points, float).reshape(len(steps), 3).T)


def interval(strata: Sequence[np.ndarray]) -> tuple[float, float]:
  """Returns the 95 % interval of the interquartile mean of all values.

  It is that of the percentile bootstrap, stratified as Agarwal et al. (2021)
  do it: each task's trials are resampled apart, from a fixed seed. It is NaN
  if a task has fewer than two, as their spread then is unknown.
  """
  if min(len(values) for values in strata) < 2:
    return math.nan, math.nan
  rng = np.random.default_rng(_SEED)
  drawn = [
    values[rng.integers(0, len(values), (_RESAMPLES, len(values)))]
    for values in strata
  ]
  iqms = _iqm(np.concatenate(drawn, axis=1))
  tail = (1 - CONFIDENCE) / 2
  low, high = np.quantile(iqms, [tail, 1 - tail])
  return float(low), float(high)


def summarize(curves: Curves, step: int) -> Summary:
  """Returns the statistics of the trials evaluated at exactly this step."""
  values = curves.returns[:, curves.steps == step].ravel()
  values = values[np.isfinite(values)]
  n = len(values)
  if n == 0:
    return Summary(0)
  mean, iqm = float(np.mean(values)), float(_iqm(values))
  if n == 1:
    return Summary(1, mean, iqm=iqm)
  stddev = float(np.std(values, ddof=1))
  return Summary(n, mean, stddev, iqm, interval([values]))


def verdict(ours: Summary, published: Summary) -> str:
  """Returns where our mean lies: 'within', 'below' or 'above' the spread.

  The spread is the published mean plus and minus one standard deviation. An
  empty text means that one of the two is not there.
  """
  if not ours.n or math.isnan(published.stddev):
    return ''
  difference = ours.mean - published.mean
  if abs(difference) <= published.stddev:
    return 'within'
  return 'below' if difference < 0 else 'above'


def _iqm(values: np.ndarray, axis: int = -1) -> np.ndarray:
  """Returns the mean without the lowest and the highest quarter."""
  return stats.trim_mean(values, 0.25, axis=axis)
