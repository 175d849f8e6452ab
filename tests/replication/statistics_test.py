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


def test_the_interval_resamples_each_task_apart():
  # Of the first task, 0 and 10 are drawn as two of 0, one of each, or two of 10
  # with probability 1/4, 1/2, 1/4; the second is always 100 twice. Without the
  # lowest and the highest of the four the mean is (0 + 100) / 2 in the first
  # case, else (10 + 100) / 2. If all four were drawn from one urn, 0 and 100
  # would have more than 2.5 % each.
  tasks = [np.array([0.0, 10.0]), np.array([100.0, 100.0])]
  assert statistics.interval(tasks) == (50, 55)


def test_the_interval_leaves_out_a_fortieth_on_each_side():
  # Three times 40, or 60, is drawn with the probability 1/27: more than 2.5 %,
  # less than 5 %.
  assert statistics.interval([np.array([40.0, 60.0, 50.0])]) == (40, 60)


def test_a_task_with_one_trial_leaves_no_interval():
  tasks = [np.array([0.0, 10.0]), np.array([100.0])]
  assert np.isnan(statistics.interval(tasks)).all()


def test_a_band_is_of_the_trials_that_there_are_at_each_step():
  curves = statistics.align(
    [{0: 0.0, 10: 1.0, 20: 7.0}, {0: 10.0, 10: 1.0}, {10: 1.0}]
  )
  band = statistics.band([curves])
  assert band.steps.tolist() == [0, 10, 20]
  assert band.iqm.tolist() == [5, 1, 7]
  np.testing.assert_array_equal(band.low, [0, 1, NAN])
  np.testing.assert_array_equal(band.high, [10, 1, NAN])
  assert band.has_interval
  alone = statistics.band([statistics.align([{0: 3.0, 10: 4.0}])])
  assert alone.iqm.tolist() == [3, 4] and not alone.has_interval
  nothing = statistics.band([statistics.align([{}])])
  assert not len(nothing.steps) and not nothing.has_interval


def test_a_band_over_tasks_is_of_all_their_trials():
  tasks = [[0.0, 10.0], [100.0, 100.0]]
  curves = [statistics.align([{5: x} for x in values]) for values in tasks]
  band = statistics.band(curves)
  # Of 0, 10, 100, 100 the two in the middle count.
  assert (band.iqm, band.low, band.high) == (55, 50, 55)


def test_tasks_are_compared_at_the_steps_that_all_their_trials_have():
  first = statistics.align([{0: 1.0, 10: 2.0, 20: 3.0}, {0: 4.0, 20: 5.0}])
  second = statistics.align([{0: 6.0, 20: 7.0, 30: 8.0}])
  one, two = statistics.at_common_steps([first, second])
  assert one.steps.tolist() == two.steps.tolist() == [0, 20]
  assert one.returns.tolist() == [[1, 3], [4, 5]]
  assert two.returns.tolist() == [[6, 7]]


def test_normalised_returns():
  curves = statistics.align([{0: -20.0, 10: 30.0}])
  assert statistics.normalise(curves, -20, 80).returns.tolist() == [[0, 0.5]]
  assert statistics.normalise(curves, 0, 1000).returns.tolist() == [
    [-0.02, 0.03]
  ]
  same = statistics.align([{0: 7.0}])
  assert statistics.normalise(same, 7, 7).returns.tolist() == [[0]]


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
