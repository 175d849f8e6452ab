"""What is written when, and at which step."""

import csv
import math
import types

import numpy as np
import psutil
import pytest
import tensorflow as tf

from slac.reporting import encoding, report
from slac.training import assessment, evaluation, schedule
from tests import event_files, run_test


def make_parts():
  """As much of an experiment as a log looks at."""
  return types.SimpleNamespace(
    environments=[types.SimpleNamespace(render_seconds=0.0)],
    eval_environment=types.SimpleNamespace(),
    agent=types.SimpleNamespace(model=None, estimated=()),
    schedule=types.SimpleNamespace(
      log_interval=2, iterations=lambda counters: 10
    ),
  )


def make_episode(episode_return, n=5):
  pixels = np.zeros([n, 64, 64, 3], np.uint8)
  return evaluation.Episode(episode_return, pixels, np.zeros([n, 1]))


def rows(folder, name):
  with open(folder / f'{name}.csv') as file:
    return list(csv.DictReader(file))


@pytest.fixture
def counters():
  return schedule.Counters(action_repeat=4)


def turn(log, counters, phase, loss=0.0):
  log.enter(phase)
  log.add_metrics(('model/elbo',), tf.constant([loss]))
  if phase == 'pretraining':
    counters.model_updates += 1
  else:
    counters.agent_steps += 1
  log.advance()


def test_means_of_the_interval_at_its_end(tmp_path, counters):
  log = report.Report(tmp_path, make_parts(), counters, ['model/elbo'])
  log.open()
  for loss in (1.0, 2.0, 10.0, 20.0, 100.0):
    turn(log, counters, 'training', loss)
  log.close()
  found = [
    (row['env_steps'], row['agent_steps'], row['model/elbo'])
    for row in rows(tmp_path, 'train')
  ]
  assert found == [('8', '2', '1.5'), ('16', '4', '15.0')]
  assert event_files.points(tmp_path)['model/elbo'] == [8, 16]


def test_pretraining_has_its_own_curves_over_model_updates(tmp_path, counters):
  log = report.Report(tmp_path, make_parts(), counters, ['model/elbo'])
  log.open()
  for phase in ['random data'] * 2 + ['pretraining'] * 4 + ['training'] * 2:
    turn(log, counters, phase)
  log.close()
  found = event_files.points(tmp_path)
  assert found['pretraining/model/elbo'] == [2, 4]
  assert found['model/elbo'] == [8, 16]


def test_the_counters_have_the_last_error_of_training_in_pretraining(
  tmp_path, counters
):
  names = 'model/elbo', assessment.ERROR
  log = report.Report(tmp_path, make_parts(), counters, names)
  log.open()
  found = []
  for n, error in enumerate([0.5, 0.25, 0.125, 0.375, 8.0]):
    log.enter('pretraining' if n < 4 else 'training')
    log.add_metrics((assessment.ERROR,), tf.constant([error]))
    counters.model_updates += 1
    log.advance()
    found.append(counters.training_error)
  log.close()
  assert found == [math.inf, 0.375, 0.375, 0.25, 0.25]


def test_rendering_is_not_counted_as_environment_time(tmp_path, counters):
  parts = make_parts()
  log = report.Report(tmp_path, parts, counters, ['model/elbo'])
  log.open()
  log.stopwatch.seconds = lambda: {'environment': 5.0, 'training': 3.0}
  parts.environments[0].render_seconds = 4.0
  turn(log, counters, 'training')
  turn(log, counters, 'training')
  (row,) = rows(tmp_path, 'train')
  # In each of two iterations.
  assert float(row['seconds/environment']) == 0.5
  assert float(row['seconds/rendering']) == 2.0
  assert float(row['seconds/training']) == 1.5
  assert float(row['seconds/acting']) == 0.0
  assert float(row['speed/resident_gigabytes']) > 0.05
  assert int(row['speed/open_files']) == psutil.Process().num_fds()


def test_a_row_is_due_when_its_step_is_passed(tmp_path, counters):
  """Which several environments may do without stopping there."""
  parts = make_parts()
  parts.schedule.log_interval = 5
  log = report.Report(tmp_path, parts, counters, [])
  log.open()
  log.enter('training')
  for _ in range(5):
    counters.agent_steps += 3
    log.advance(3)
  log.close()
  # After 3, 6, 9, 12 and 15: those that pass 5, 10 and 15.
  found = [int(row['agent_steps']) for row in rows(tmp_path, 'train')]
  assert found == [6, 12, 15]


def test_seconds_are_of_the_iterations_that_were_seen(tmp_path, counters):
  """Whether a process begins amid an interval, or a turn is longer than it."""
  parts = make_parts()
  parts.schedule.log_interval = 10
  state = None
  for turns, iterations in ((18, 1), (12, 1), (2, 20)):
    log = report.Report(tmp_path, parts, counters, [])
    if state:
      log.set_state(state)
    log.open()
    log.enter('training')
    for _ in range(turns):
      counters.agent_steps += iterations
      spent = log.stopwatch._seconds
      spent['acting'] = spent.get('acting', 0.0) + iterations  # A second each.
      log.advance(iterations)
    state = log.get_state()
    log.close()
  seconds = [row['seconds/acting'] for row in rows(tmp_path, 'train')]
  assert list(map(float, seconds)) == [1.0] * 5


def test_updates_per_second_are_those_of_the_interval(tmp_path, counters):
  counters.gradient_steps = 1000  # Of before.
  log = report.Report(tmp_path, make_parts(), counters, ['model/elbo'])
  log.open()
  counters.gradient_steps = 1030
  log._marked -= 10.0
  turn(log, counters, 'training')
  turn(log, counters, 'training')
  (row,) = rows(tmp_path, 'train')
  assert float(row['speed/updates_per_second']) == pytest.approx(3, rel=0.1)


def test_evaluation_is_mean_and_deviation_of_the_returns(tmp_path, counters):
  log = report.Report(tmp_path, make_parts(), counters, [])
  log.open()
  counters.agent_steps = 25
  episodes = [make_episode(1.0), make_episode(3.0, n=7)]
  log.evaluated(episodes, [], {})
  counters.agent_steps = 50
  log.evaluated(episodes, [make_episode(7.0)], {})
  log.close()
  first, second = rows(tmp_path, 'eval')
  assert first['env_steps'] == '100'
  assert float(first['average_return']) == 2.0
  assert float(first['stddev_of_return']) == 1.0
  assert float(first['average_length']) == 5.0
  assert first['greedy_average_return'] == ''
  assert float(second['greedy_average_return']) == 7.0
  assert event_files.points(tmp_path)['evaluation/average_return'] == [100, 200]
  assert event_files.points(tmp_path)['evaluation/greedy_average_return'] == [
    200
  ]


def test_the_best_return_outlives_a_start(tmp_path, counters):
  log = report.Report(tmp_path, make_parts(), counters, [])
  log.open()
  for value in (-5.0, 7.0):
    log.evaluated([make_episode(value)], [], {})
  state = log.get_state()
  log.evaluated([make_episode(90.0)], [], {})  # It is forgotten.
  log = report.Report(tmp_path, make_parts(), counters, [])
  log.set_state(state)
  log.open()
  for value in (3.0, 8.0):
    log.evaluated([make_episode(value)], [], {})
  found = [
    float(tf.make_ndarray(value.tensor))
    for _, value in event_files.values(tmp_path)
    if value.tag == report.BEST
  ]
  assert found == [-5.0, 7.0, 7.0, 8.0]


def test_mended_logs_are_saved_before_more_is_logged(
  tmp_path, counters, capsys
):
  """Or after a kill the next start would take new rows for old ones."""
  log = report.Report(tmp_path, make_parts(), counters, [])
  log.open()
  for steps in (0, 1):
    counters.agent_steps = steps
    log.evaluated([make_episode(3.0)], [], {})
  state, saved = log.get_state(), []
  (tmp_path / 'eval.csv').unlink()
  log = report.Report(tmp_path, make_parts(), counters, [])
  run = run_test.make(
    counters=counters,
    _schedule=types.SimpleNamespace(checkpoint_seconds=1000.0),
    _stop=types.SimpleNamespace(requested=True),
    _evaluations=types.SimpleNamespace(close=lambda: None),
    _report=log,
    _save=lambda: saved.append(log.get_state()),
  )
  log.set_state(state)
  run.loop()
  assert len(saved) == 2  # At once, and in the end.
  counters.agent_steps = 2
  log.evaluated([make_episode(9.0)], [], {})
  again = report.Report(tmp_path, make_parts(), counters, [])
  again.set_state(saved[0])
  assert again.open() is False
  found = rows(tmp_path, 'eval')
  assert [(row['env_steps'], row['agent_steps']) for row in found] == [
    ('0', ''),
    ('4', ''),
  ]
  assert capsys.readouterr().err.count('Logs are not') == 1


def test_a_task_that_can_be_solved_has_a_success_rate(
  tmp_path, counters, capsys
):
  parts = make_parts()
  parts.eval_environment.is_success = lambda: True
  log = report.Report(tmp_path, parts, counters, ['model/elbo'])
  log.open()
  counters.agent_steps = 25
  successes = (True, False, True, True)
  episodes = [make_episode(1.0)._replace(is_success=s) for s in successes]
  log.evaluated(episodes, [], {})
  log.close()
  (row,) = rows(tmp_path, 'eval')
  assert list(row)[-1] == 'success_rate' and float(row['success_rate']) == 0.75
  assert event_files.points(tmp_path)['evaluation/success_rate'] == [100]
  told = capsys.readouterr()
  assert 'average return 1.0, success rate 75%, of 4 ep' in told.out + told.err


def test_what_a_model_is_worth_in_evaluation_stands_beside_training(
  tmp_path, counters
):
  parts = make_parts()
  parts.agent.model = object()
  log = report.Report(tmp_path, parts, counters, ['model/kl'])
  log.open()
  counters.model_updates = 7
  log.assessed_in_pretraining({'model/kl': 1.0})
  counters.agent_steps = 25
  log.evaluated([make_episode(1.0)], [], {'model/kl': 2.5})
  log.close()
  (row,) = rows(tmp_path, 'eval')
  assert list(row)[-3:] == list(assessment.OF_MODEL)
  assert (row['model/elbo'], row['model/kl']) == ('', '2.5')
  found = event_files.points(tmp_path)
  assert found['evaluation/model/kl'] == [100]
  assert found['pretraining/evaluation/model/kl'] == [7]


def test_pictures_and_films_are_written_by_their_names(tmp_path, counters):
  log = report.Report(tmp_path, make_parts(), counters, [])
  log.open()
  frames = np.zeros([2, 64, 64, 3], np.uint8)
  drawn = encoding.encode({'episode': frames, 'dream': frames[0]})
  log.draw('evaluation', 40, drawn)
  log.draw('pretraining', 80, {'episode': drawn['episode']})
  log.close()
  found = event_files.points(tmp_path)
  assert found['evaluation/episode'] == [40]
  assert found['evaluation/dream'] == [40]
  assert found['pretraining/episode'] == [80]
  assert sorted(path.name for path in (tmp_path / 'videos').iterdir()) == [
    'evaluation-dream-000000040.png',
    'evaluation-episode-000000040.gif',
    'pretraining-episode-000000080.gif',
  ]


def test_a_continued_report_forgets_what_came_after(tmp_path, counters):
  log = report.Report(tmp_path, make_parts(), counters, ['model/elbo'])
  log.open()
  for loss in (1.0, 2.0, 10.0):
    turn(log, counters, 'training', loss)
  state = log.get_state()
  turn(log, counters, 'training', 1e6)
  log.close()

  counters.agent_steps = 3
  log = report.Report(tmp_path, make_parts(), counters, ['model/elbo'])
  log.set_state(state)
  log.open()
  turn(log, counters, 'training', 20.0)
  log.close()
  found = [float(row['model/elbo']) for row in rows(tmp_path, 'train')]
  assert found == [1.5, 15.0]
  assert event_files.points(tmp_path)['model/elbo'] == [8, 16]
  walls = [float(row['wall_seconds']) for row in rows(tmp_path, 'train')]
  assert walls[1] >= walls[0]
