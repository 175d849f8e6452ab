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


def align(returns: Sequence[Mapping[int, float]]) -> Curves:
  """Returns trials, each a mapping from environment steps, side by side."""
  steps = sorted(set().union(*returns))
  table = [[trial.get(step, math.nan) for step in steps] for trial in returns]
  shape = [len(returns), len(steps)]
  return Curves(np.array(steps, int), np.array(table, float).reshape(shape))


def summarize(curves: Curves, step: int) -> Summary:
  """Returns the statistics of the trials evaluated at exactly this step.

  The interval is that of the percentile bootstrap over trials (Agarwal et al.
  2021, without their strata, as it is of one task), from a fixed seed.
  """
  values = curves.returns[:, curves.steps == step].ravel()
  values = values[np.isfinite(values)]
  n = len(values)
  if n == 0:
    return Summary(0)
  mean, iqm = float(np.mean(values)), float(_iqm(values))
  if n == 1:
    return Summary(1, mean, iqm=iqm)
  bounds = stats.bootstrap(
    (values,),
    _iqm,
    n_resamples=_RESAMPLES,
    confidence_level=CONFIDENCE,
    method='percentile',
    rng=np.random.default_rng(_SEED),
  ).confidence_interval
  interval = float(bounds.low), float(bounds.high)
  return Summary(n, mean, float(np.std(values, ddof=1)), iqm, interval)


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
