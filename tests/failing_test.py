"""Runs whose environments, evaluations and numbers fail, as processes."""

import csv
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import event_files, failing

pytestmark = pytest.mark.slow

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
GIN = """
include 'gin/slac.gin'
include 'tests/tiny.gin'
Experiment.environment = @failing
ACTION_REPEAT = 2
DECODER_VARIANCE = 0.1
SlacAgent.sequence_length = 2
Schedule.batch_size = 20
Schedule.random_episodes = 2
Schedule.model_updates = 4
Schedule.env_steps = 2000
Schedule.eval_interval = 40
Schedule.eval_episodes = 2
Schedule.log_interval = 5
Schedule.picture_interval = 4
Schedule.checkpoint_seconds = 1000.0
"""


def run(root, faults):
  """Runs until something ends it; returns the exit code and stderr's lines.

  Without those of the progress bar.
  """
  (root / 'failing.gin').write_text(GIN)
  process = subprocess.run(
    [
      *(sys.executable, '-m', 'tests.failing'),
      f'--gin_file={root / "failing.gin"}',
      *(f'--root_dir={root}', '--name=run'),
    ],
    cwd=REPOSITORY,
    env={**os.environ, 'FAILING': json.dumps(faults)},
    capture_output=True,
    text=True,
  )
  lines = process.stderr.splitlines()
  return process.returncode, [line for line in lines if '%' not in line]


def table(root, name):
  with open(root / 'run' / f'{name}.csv') as file:
    return list(csv.DictReader(file))


def saved(root):
  """The path of the newest checkpoint, and its counters."""
  path = max((root / 'run' / 'checkpoints').glob('checkpoint-*'))
  state = json.loads((path / 'state.json').read_text())
  return path, state['state']['counters']


@pytest.fixture(scope='module')
def failed(tmp_path_factory):
  """A run of which three episodes fail in a row; exit code and stderr.

  Of training, the second episode fails, the sixth and seventh, and three after
  the eighth: by an exception, among them those that end a process elsewhere, a
  NaN, and at the reset. Of the evaluations at 0,
  40, 80 and 120 environment steps the first fails once, the third twice.
  """
  root = tmp_path_factory.mktemp('failed')
  training = [
    *(None, 'step', None, None, None, 'nan', 'interrupt', None),
    *('step', 'nan', 'reset'),
  ]
  evaluation = [
    *('exit', None, None),  # At 0 environment steps.
    *(None, None),  # At 40.
    *(None, None),  # In pretraining, after two finished episodes.
    *('reset', None, 'nan'),  # At 80, twice.
  ]
  return root, *run(root, {'training': training, 'evaluation': evaluation})


def test_three_failed_episodes_in_a_row_end_the_run(failed):
  _, code, lines = failed
  assert code == 69, lines
  assert 'Traceback' not in ''.join(lines)
  *warnings, last = lines
  exception = 'the environment raised RuntimeError: no luck (failing.py:'
  interrupt = exception.replace('RuntimeError', 'KeyboardInterrupt')
  nan = "the environment's reward is nan."
  of_training = [line for line in warnings if 'an episode ends' in line]
  # Ten agent steps an episode; the failed ones fail in their fifth.
  for line, env_steps, cause in zip(
    of_training,
    (28, 96, 104, 132, 140, 140),
    (exception, nan, interrupt, exception, nan, exception),
    strict=True,
  ):
    assert line.startswith(f'After {env_steps} environment steps'), line
    assert cause in line
  assert last.startswith('train_eval.py: 3 episodes in a row have failed')
  assert exception in last and 'all is saved' in last


def test_failures_are_counted_and_saved(failed):
  root, _, _ = failed
  _, counters = saved(root)
  assert counters['failed_episodes'] == 6
  assert counters['failures_in_a_row'] == 3
  assert counters['episodes'] == 5
  # Those whose fifth step failed have four that count.
  assert counters['agent_steps'] == 5 * failing.LENGTH + 5 * 4
  counts = {
    int(row['agent_steps']): int(row['training/failed_episodes'])
    for row in table(root, 'train')
  }
  assert counts[10] == 0 and counts[15] == 1
  assert [counts[n] for n in (46, 51, 56, 61)] == [1, 2, 3, 3]
  points = event_files.points(root / 'run')
  assert points['training/failed_episodes'][-1] == 66 * 2


def test_an_evaluation_is_tried_twice_and_then_left_out(failed):
  root, _, lines = failed
  evaluated = [int(row['env_steps']) for row in table(root, 'eval')]
  assert evaluated == [0, 40, 120]
  returns = {row['average_return'] for row in table(root, 'eval')}
  assert returns == {'10.0'}
  warnings = [line for line in lines if line.startswith('The evaluation')]
  for warning, (env_steps, consequence) in zip(
    warnings,
    [(0, 'tried once more'), (80, 'tried once more'), (80, 'left out')],
    strict=True,
  ):
    assert f'after {env_steps} environment steps' in warning
    assert consequence in warning


@pytest.mark.long
def test_numbers_that_are_not_finite_end_the_run_and_nothing_is_saved(failed):
  """A reward whose square is infinite in float32."""
  root, _, _ = failed
  before = saved(root)
  code, lines = run(root, {'training': [None, 'step', '1e30']})
  assert code == 70, lines
  new_episode, warning, line = lines
  assert new_episode == (
    'The environment cannot be restored: a new episode begins.'
  )
  # Had it not finished one before, this would have been the fourth in a row.
  assert 'an episode ends' in warning
  rows = table(root, 'train')
  # The count goes on from that of the run before.
  assert rows[-1]['training/failed_episodes'] == '7'
  assert line.startswith('train_eval.py: After ')
  # Whichever draws it first.
  assert 'model/elbo = -inf' in line or 'critic/loss = inf' in line
  assert 'checkpoints are as they were' in line
  assert saved(root) == before
  reader = tf.train.load_checkpoint(str(before[0] / 'variables'))
  for name in reader.get_variable_to_shape_map():
    value = reader.get_tensor(name)
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
      assert np.all(np.isfinite(value)), name
  (path,) = (root / 'run').glob('not-finite-*.npz')
  assert str(path) in line
  with np.load(path, allow_pickle=False) as arrays:
    assert arrays['batch/reward'].max() == np.float32(1e30)
    assert arrays['batch/observation/pixels'].shape == (20, 3, 64, 64, 3)
    values = [arrays[name] for name in arrays if name.startswith('metrics/')]
    assert len(values) > 15 and not np.all(np.isfinite(values))
