"""Tests of slac/sweep/progress.py."""

import math

import pytest

from slac.sweep import progress

HEADER = 'env_steps,model_updates,gradient_steps,wall_seconds'


def write(folder, *rows, name='train.csv', header=HEADER):
  (folder / name).write_text('\n'.join([header, *rows]))


def test_a_run_that_has_said_nothing(tmp_path):
  assert progress.read(tmp_path) == {'phase': 'random data'}


@pytest.mark.parametrize(
  ('row', 'phase'),
  [
    ('40,0,0,2.5', 'random data'),
    ('40,7,0,2.5', 'pretraining'),
    ('40,7,9,2.5', 'training'),
  ],
)
def test_the_phase_follows_from_what_is_counted(tmp_path, row, phase):
  write(tmp_path, '0,0,0,1.0', row, '')
  assert progress.read(tmp_path) == {
    'phase': phase,
    'env_steps': 40,
    'wall_seconds': 2.5,
  }


def test_of_a_row_that_was_mended_the_step_is_known(tmp_path):
  write(tmp_path, '40,7,9,2.5', '80,,,', '')
  assert progress.read(tmp_path) == {'env_steps': 80}


def test_a_line_that_is_being_written_does_not_count(tmp_path):
  write(tmp_path, '40,0,0,2.5', '80,0,')
  assert progress.read(tmp_path)['env_steps'] == 40


def test_the_last_line_of_a_long_log(tmp_path):
  write(tmp_path, *(f'{step},0,0,1.0' for step in range(20_000)), '')
  assert progress.read(tmp_path)['env_steps'] == 19_999


def test_the_last_return_and_the_end(tmp_path):
  write(tmp_path, '80,0,5,2.5', '')
  header = f'{HEADER},average_return'
  write(tmp_path, '0,0,0,1,-3.5', '', name='eval.csv', header=header)
  (tmp_path / 'policy').mkdir()
  found = progress.read(tmp_path)
  assert (found['average_return'], found['phase']) == (-3.5, 'finished')


def test_only_an_actor_that_has_learned_has_a_trained_return(tmp_path):
  # Random data has ended, or pretraining, and training has begun.
  write(tmp_path, '80,0,5,2.5', '')
  header = f'{HEADER},average_return'
  rows = ['0,0,0,1,-3.5', '40,7,0,2,-3']
  write(tmp_path, *rows, '', name='eval.csv', header=header)
  found = progress.read(tmp_path)
  assert found['average_return'] == -3 and 'trained_return' not in found
  write(tmp_path, *rows, '80,7,4,3,-2', '', name='eval.csv', header=header)
  assert progress.read(tmp_path)['trained_return'] == -2


def test_the_time_left_follows_from_the_steps_of_training_alone():
  left = progress.TimeLeft(1000)
  assert math.isnan(left.seconds({'phase': 'pretraining'}))
  training = {'phase': 'training', 'env_steps': 100, 'wall_seconds': 50.0}
  assert math.isnan(left.seconds(training))
  # 200 steps in 40 seconds, and 700 steps to go.
  later = {**training, 'env_steps': 300, 'wall_seconds': 90.0}
  assert left.seconds(later) == pytest.approx(140)
  assert left.seconds({**later, 'phase': 'finished'}) == 0
