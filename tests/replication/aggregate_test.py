"""Tests of slac/replication/aggregate.py: what is averaged over tasks."""

import numpy as np
import pytest

from slac.replication import aggregate, comparison, ours
from tests.replication import made_up


@pytest.fixture
def make(tmp_path):
  """Returns comparisons of runs, each (domain, variance, seed, returns)."""

  def compare(*runs, published=()):
    for number, (domain, variance, seed, returns) in enumerate(runs):
      made_up.write_run(
        tmp_path / 'runs' / f'{number}',
        returns,
        Experiment_seed=str(seed),
        DmControlEnvironment_domain=repr(domain),
        SlacModel_decoder_variance=variance,
      )
    return comparison.compare(published, ours.read([tmp_path / 'runs']))

  return compare


def test_one_task_has_no_curves_over_tasks(make):
  comparisons = make(('walker', '0.1', 0, {0: 1.0}))
  assert aggregate.over_tasks(comparisons) is None


def test_all_trials_of_all_tasks_count_where_each_was_evaluated(make):
  comparisons = make(
    ('finger', '0.1', 0, {0: 0.0, 4: 400.0, 8: 500.0}),
    ('finger', '0.1', 1, {0: 100.0, 4: 600.0}),
    ('walker', '0.1', 0, {0: 200.0, 4: 800.0, 8: 900.0}),
    ('walker', '0.1', 1, {0: 300.0, 4: 1000.0, 8: 900.0}),
  )
  found = aggregate.over_tasks(comparisons)
  assert found.tasks == ['finger swingup', 'walker swingup']
  assert found.scale == aggregate.CONTROL_SCALE
  assert found.notes == []
  (name, curve), *others = found.curves.items()
  assert (name, curve.number, others) == ('ours', '4 trials', [])
  assert curve.band.steps.tolist() == [0, 4]
  # Without the lowest and the highest: (100 + 200) / 2 and (600 + 800) / 2.
  np.testing.assert_allclose(curve.band.iqm, [0.15, 0.7])
  # Each task's two trials are drawn as twice the worse with probability 1/4,
  # so both are in 1/16, which is more than 2.5 %; likewise the better.
  np.testing.assert_allclose(curve.band.low, [0.1, 0.6])
  np.testing.assert_allclose(curve.band.high, [0.2, 0.8])


def test_what_a_task_lacks_is_left_out_and_said(make):
  comparisons = make(
    ('finger', '0.1', 0, {0: 1.0}),
    ('walker', '0.1', 0, {0: 3.0}),
    ('walker', '0.4', 0, {0: 5.0}),
    published=[made_up.trial({0: 9.0}, task='walker swingup')],
  )
  found = aggregate.over_tasks(comparisons)
  assert list(found.curves) == ['decoder_variance = 0.1']
  assert found.notes == [
    'Left out: published, as finger swingup has none.',
    'Left out: decoder_variance = 0.4, as finger swingup has none.',
    aggregate.NO_INTERVAL,
  ]


def test_published_trials_are_over_the_tasks_of_ours_only(make):
  tasks = ('finger swingup', 'walker swingup', 'reacher easy')
  comparisons = make(
    ('finger', '0.1', 0, {0: 1.0}),
    ('walker', '0.1', 0, {0: 3.0}),
    published=[made_up.trial({0: 500.0}, task=task) for task in tasks],
  )
  found = aggregate.over_tasks(comparisons)
  assert found.curves['published'].number == '2 trials'
  assert found.curves['published'].band.iqm.tolist() == [0.5]


def test_tasks_without_a_common_step(make):
  comparisons = make(
    ('finger', '0.1', 0, {0: 1.0}), ('walker', '0.1', 0, {4: 1.0})
  )
  found = aggregate.over_tasks(comparisons)
  assert not found.curves
  assert found.notes == [
    'Left out: ours, as there is no step at which all its trials were '
    'evaluated.'
  ]


def test_other_settings_that_differ_between_tasks_are_named(make):
  comparisons = make(
    ('finger', '0.1', 0, {0: 1.0}), ('walker', '0.4', 0, {0: 1.0})
  )
  assert aggregate.over_tasks(comparisons).notes == [
    aggregate.NO_INTERVAL,
    'Between the tasks these settings differ: decoder_variance.',
  ]


def test_tasks_of_gym_are_between_their_least_and_best_return():
  def item(task, published, *returns):
    mine = [made_up.run({0: x}, task) for x in returns]
    theirs = made_up.trial({0: published}, None, task)
    return comparison.Comparison(
      task,
      [1],
      comparison.select([theirs], None),
      {'': comparison.select(mine, None)},
    )

  comparisons = [item('Ant-v4', 80.0, -20.0, 5.0), item('Hopper-v4', 4.0, 4.0)]
  found = aggregate.over_tasks(comparisons)
  assert found.scale == f'Ant-v4, Hopper-v4: {aggregate.OTHER_SCALE}'
  # 0 and 25 of 100 above the least; where all are the same, 0.
  np.testing.assert_allclose(found.curves['ours'].band.iqm, [0.25 / 3])
  np.testing.assert_allclose(found.curves['published'].band.iqm, [0.5])
