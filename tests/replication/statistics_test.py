"""Tests of slac/replication/statistics.py against numbers worked by hand."""

import numpy as np
import pytest

from slac.replication import statistics

NAN = float('nan')


def summarize(*values):
  curves = statistics.align([{10: value} for value in values])
  return statistics.summarize(curves, 10)


def test_trials_are_aligned_without_interpolation():
  curves = statistics.align([{0: 1.0, 20: 5.0}, {0: 3.0, 10: 8.0, 30: 2.0}])
  assert curves.steps.tolist() == [0, 10, 20, 30]
  np.testing.assert_array_equal(
    curves.returns, [[1, NAN, 5, NAN], [3, 8, NAN, 2]]
  )
  assert curves.counts.tolist() == [2, 1, 1, 1]
  assert curves.mean.tolist() == [2, 8, 5, 2]
  # Of 1 and 3: the squares are 1 and 1, the sum 2 is divided by 2 - 1.
  np.testing.assert_allclose(curves.stddev, [np.sqrt(2), NAN, NAN, NAN])


def test_trials_without_any_evaluation():
  curves = statistics.align([{}, {}])
  assert curves.returns.shape == (2, 0)
  assert statistics.summarize(curves, 0).n == 0


def test_a_step_between_two_evaluations_has_no_data():
  curves = statistics.align([{0: 1.0, 20: 5.0}])
  assert statistics.summarize(curves, 10).n == 0
  assert statistics.summarize(curves, 20).mean == 5


def test_mean_deviation_and_interquartile_mean():
  # Without the lowest and the highest 2 of 8: (2 + 3 + 5 + 6) / 4.
  summary = summarize(3.0, 100.0, 6.0, 0.0, 2.0, 1.0, 7.0, 5.0)
  assert (summary.n, summary.mean, summary.iqm) == (8, 15.5, 4.0)
  # Deviations -12.5, 84.5, -9.5, -15.5, -13.5, -14.5, -8.5, -10.5.
  assert summary.stddev == pytest.approx(np.sqrt(8202 / 7))


def test_the_interval_of_two_trials():
  # Resampled they are 0, 5 and 10 with probability 1/4, 1/2, 1/4, so that
  # the outer 2.5 % on each side begin at 0 and 10.
  assert summarize(0.0, 10.0).interval == (0, 10)


def test_the_interval_is_of_the_interquartile_mean():
  # One outlier of 8 is trimmed unless it is drawn at least three times, which
  # has the probability 0.067; at least four times, 0.011. The outer 2.5 % thus
  # begin with three, of which one is among the four that count: 80 / 4.
  low, high = summarize(*[0.0] * 7, 80.0).interval
  assert (low, high) == (0, 20)


def test_the_interval_is_the_same_each_time():
  values = np.random.RandomState(0).normal(size=10)
  assert summarize(*values).interval == summarize(*values).interval


def test_one_trial_has_no_spread():
  summary = summarize(3.0)
  assert (summary.n, summary.mean, summary.iqm) == (1, 3, 3)
  assert np.isnan([summary.stddev, *summary.interval]).all()


@pytest.mark.parametrize(
  ('mean', 'expected'),
  [(89, 'below'), (90, 'within'), (110, 'within'), (111, 'above')],
)
def test_the_verdict_is_by_the_published_deviation(mean, expected):
  published = statistics.Summary(10, 100.0, 10.0)
  assert statistics.verdict(statistics.Summary(1, mean), published) == expected


def test_no_verdict_without_data():
  published = statistics.Summary(10, 100.0, 10.0)
  nothing = statistics.Summary(0)
  assert statistics.verdict(nothing, published) == ''
  assert statistics.verdict(published, nothing) == ''
  assert statistics.verdict(published, statistics.Summary(1, 100.0)) == ''
