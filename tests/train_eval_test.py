"""The command line as users meet it: processes, killed and started again."""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image, ImageSequence

from slac import deployment
from slac.reporting import pictures
from tests import event_files, run_folders

pytestmark = pytest.mark.slow

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
# Included, it binds sizes that a run without a model does not read.
TINY = """
include 'tests/tiny.gin'
ACTION_REPEAT = 10
Schedule.random_episodes = 1
Schedule.eval_interval = 800
"""
TINY_MODEL = """
LatentModel.compute_dtype = 'bfloat16'
SlacAgent.sequence_length = 3
Schedule.model_updates = 20
Replay.capacity = 110
"""
# 100 random agent steps, 20 updates of the model, 60 gradient steps. The
# replay overflows on the way.
ENV_STEPS = 1600
# The budget of a run that is killed, so often saved, and then extended.
SHORTER = 1590
OFTEN = 'Schedule.checkpoint_seconds = 0.2\n'
CARTPOLE = '--gin_file=gin/cartpole.gin'
SECONDS = 600  # After so many a process hangs, on a busy machine too.


def command(
  root, task, *arguments, settings=TINY + TINY_MODEL, env_steps=ENV_STEPS
):
  """The command line of a tiny run under a root, in a folder of its own.

  The settings change those of the task; the arguments may change both.
  """
  overlay = root / 'tiny.gin'
  overlay.write_text(settings + f'Schedule.env_steps = {env_steps}\n')
  return [
    sys.executable,
    str(REPOSITORY / 'train_eval.py'),
    task,
    f'--gin_file={overlay}',
    *arguments,
  ]


def run(root, *arguments, **kwargs):
  """Runs to the end; returns the exit code, stdout and stderr."""
  process = subprocess.run(
    command(root, *arguments, **kwargs),
    cwd=root,
    capture_output=True,
    text=True,
  )
  return process.returncode, process.stdout, process.stderr


def start_until(root, is_time):
  """Starts a shorter run; returns its process when `is_time` of its folder."""
  with open(root / 'log', 'a') as log:
    process = subprocess.Popen(
      command(
        root,
        CARTPOLE,
        settings=TINY + TINY_MODEL + OFTEN,
        env_steps=SHORTER,
      ),
      cwd=root,
      stdout=log,
      stderr=log,
    )
  deadline = time.monotonic() + SECONDS
  while not is_time(root / 'runs' / 'cartpole-tiny-seed0'):
    assert process.poll() is None, (root / 'log').read_text()
    assert time.monotonic() < deadline, (root / 'log').read_text()
    time.sleep(0.02)
  return process


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
  """A run from beginning to end: its folder, stdout and stderr."""
  root = tmp_path_factory.mktemp('straight')
  code, stdout, stderr = run(root, CARTPOLE)
  assert code == 0, stderr
  return root / 'runs' / 'cartpole-tiny-seed0', stdout, stderr


def test_prints_the_folder_first_and_then_what_runs(straight):
  folder, stdout, stderr = straight
  first, *lines = stdout.splitlines()
  assert first == 'runs/cartpole-tiny-seed0'
  told = dict(line.strip().split(': ', 1) for line in lines if ': ' in line)
  told = {key: value.strip() for key, value in told.items()}
  assert told['task'] == 'cartpole swingup'
  assert told['action repeat'] == '10'
  assert told['sigma^2'] == '0.1'
  assert told['convolutions'] == 'bfloat16'
  assert told['environment steps'] == '1,600'
  assert '110 agent steps' in told['replay']
  # Nothing but our own bar on stderr: no other library's warnings.
  assert all('%' in line for line in stderr.splitlines()), stderr
  policy = deployment.load(folder / 'policy')
  assert policy.about['greedy'] and policy.about['env_steps'] == 1600
  (start,) = json.loads((folder / 'version.json').read_text())
  assert start['compute_dtype'] == 'bfloat16'


def test_counts_in_environment_steps(straight):
  folder, _, _ = straight
  evaluations = run_folders.table(folder, 'eval')
  assert [int(row['env_steps']) for row in evaluations] == [0, 800, 1600]
  assert [int(row['agent_steps']) for row in evaluations] == [0, 80, 160]
  assert [int(row['model_updates']) for row in evaluations] == [0, 0, 20]
  assert [int(row['gradient_steps']) for row in evaluations] == [0, 0, 60]
  assert all(float(row['average_length']) == 100 for row in evaluations)
  config = json.loads((folder / 'config.json').read_text())
  assert config['Schedule.action_repeat'] == '10'


def test_a_run_that_has_ended_is_not_run_again(straight):
  folder, _, _ = straight
  before = run_folders.digests(folder)
  model = folder / 'policy' / 'saved_model.pb'
  exported = model.stat().st_mtime_ns
  version = folder / 'version.json'
  (start,) = json.loads(version.read_text())
  starts = json.dumps([{**start, 'code': 'older'}])
  version.write_text(starts)
  code, stdout, stderr = run(folder.parent.parent, CARTPOLE)
  assert code == 0
  assert stderr.startswith(
    f'The code has changed since the last start of runs/{folder.name}: '
  )
  # Nothing is built for it, or the summary would stand between.
  assert stdout.splitlines() == [
    f'runs/{folder.name}',
    'A larger Schedule.env_steps would extend it.',
    f'Finished; to watch it: python -m slac.play runs/{folder.name}',
  ]
  assert version.read_text() == starts
  assert model.stat().st_mtime_ns == exported
  assert run_folders.digests(folder) == before
  assert len(run_folders.table(folder, 'eval')) == 3


@pytest.mark.long
def test_a_run_whose_checkpoints_are_gone_keeps_its_results(straight, tmp_path):
  folder, _, _ = straight
  copy = tmp_path / 'runs' / folder.name
  shutil.copytree(folder, copy)
  shutil.rmtree(copy / 'checkpoints')

  def results():
    paths = [*copy.glob('*.csv'), *event_files.paths(copy)]
    return {path.name: path.read_bytes() for path in paths}

  before = results()
  assert run(tmp_path, CARTPOLE)[0] == 0  # It has nothing left to do.
  code, _, stderr = run(tmp_path, CARTPOLE, env_steps=ENV_STEPS + 10)
  assert code == 74
  assert '3 rows in eval.csv, 9 rows in train.csv, a policy' in stderr
  assert '--fresh' in stderr
  # Each start of the run has left an event file.
  assert before.keys() > {'train.csv', 'eval.csv'}
  assert results() == before


def export_as_it_is(folder):
  """Exports the policy of a run that was stopped, which changes no file."""
  agent_steps, _ = run_folders.newest(folder)
  before = {path: path.stat().st_mtime_ns for path in folder.rglob('*')}
  policy = folder.parent.parent / 'early'
  process = subprocess.run(
    [
      *(sys.executable, '-m', 'slac.play', str(folder)),
      *('--episodes=0', f'--export={policy}'),
    ],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
  )
  assert (process.returncode, process.stderr) == (0, '')
  assert process.stdout == f'Exported the policy to {policy}.\n'
  after = {path: path.stat().st_mtime_ns for path in folder.rglob('*')}
  assert after == before and not (folder / 'policy').exists()
  about = json.loads((policy / 'policy.json').read_text())
  assert about['task'] == 'cartpole swingup'
  assert about['env_steps'] == 10 * agent_steps
  assert about['action_repeat'] == 10
  loaded = deployment.load(policy)
  image = np.zeros([64, 64, 3], np.uint8)
  action, _ = loaded({'pixels': image}, loaded.initial_state())
  assert action.shape == (1,) and abs(action[0]) < 1


@pytest.mark.long
def test_stopped_killed_and_extended_it_ends_as_if_it_had_not_been(
  straight, tmp_path
):
  # SIGTERM among the random steps; exit code and a saved state. How long it
  # takes is measured by `python -m tests.faults`.
  process = start_until(
    tmp_path, lambda folder: run_folders.newest(folder)[0] >= 20
  )
  process.send_signal(signal.SIGTERM)
  assert process.wait(SECONDS) == 128 + signal.SIGTERM
  export_as_it_is(tmp_path / 'runs' / 'cartpole-tiny-seed0')
  # kill -9 in the midst of training.
  process = start_until(
    tmp_path, lambda folder: run_folders.newest(folder)[0] >= 130
  )
  process.kill()
  process.wait()
  folder = tmp_path / 'runs' / 'cartpole-tiny-seed0'
  assert 130 <= run_folders.newest(folder)[0] < 180
  code, stdout, stderr = run(tmp_path, CARTPOLE)
  assert code == 0, stderr
  assert 'Continuing at' in stdout
  assert (
    'other settings: Schedule.checkpoint_seconds: 0.2 -> 300.0; '
    'Schedule.env_steps: 1590 -> 1600.'
  ) in stdout
  starts = json.loads((folder / 'version.json').read_text())
  *others, last = [start.get('changes') for start in starts]
  assert others == [None, None]
  assert last['Schedule.env_steps'] == '1590 -> 1600'

  expected = run_folders.digests(straight[0])
  found = run_folders.digests(folder)
  assert len(expected) > 100
  assert found.keys() == expected.keys()
  assert [k for k in expected if found[k] != expected[k]] == []
  # Neither lost nor contradicting points.
  for name in ('train', 'eval'):
    assert run_folders.table(folder, name) == run_folders.table(
      straight[0], name
    )
  assert event_files.points(folder) == event_files.points(straight[0])
  assert event_files.points(folder)['evaluation/average_return'] == [
    0,
    800,
    1600,
  ]
  names = [
    sorted(path.name for path in (f / 'videos').iterdir())
    for f in (folder, straight[0])
  ]
  assert names[0] == names[1]


def test_another_configuration_is_shown_and_refused(straight):
  folder, _, _ = straight
  before = run_folders.digests(folder)
  parameter = '--gin_param=SoftActorCritic.gamma = 0.5'
  code, _, stderr = run(
    folder.parent.parent, CARTPOLE, parameter, f'--name={folder.name}'
  )
  assert code == 78
  assert 'SoftActorCritic.gamma: 0.99 -> 0.5' in stderr
  assert '--fresh' in stderr
  assert 'Traceback' not in stderr
  assert run_folders.digests(folder) == before


def play_one_episode(folder, video):
  process = subprocess.run(
    [
      *(sys.executable, '-m', 'slac.play', str(folder)),
      *('--episodes=1', '--seed=7', f'--video={video}'),
    ],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
  )
  assert process.returncode == 0, process.stderr
  assert process.stderr == ''
  return process.stdout


@pytest.mark.long
def test_play_prints_returns_and_writes_pictures(straight, tmp_path):
  folder, _, _ = straight
  output = play_one_episode(folder, tmp_path / 'one.gif')
  assert 'cartpole swingup, after 1,600 environment steps' in output
  match = re.search(r'episode 1: return (\S+), 100 agent steps', output)
  # The same policy's evaluation at these steps, but for the seed the same.
  assert float(match[1]) >= 0
  with Image.open(tmp_path / 'one.gif') as film:
    # The simulator's image, a gap, the agent's own and its reconstruction.
    assert film.size == (256 + 16 + 2 * 256, 256)
    # One after another that is equal is shown for as long as two.
    durations = [
      frame.info['duration'] for frame in ImageSequence.Iterator(film)
    ]
    assert sum(durations) == 101 * min(durations)
  # Fig. 14: four rows, and T + 1 = 4 steps.
  for name, columns, frames in (('png', 4, 1), ('gif', 1, 4)):
    assert f'one_fig14.{name}' in output
    with Image.open(tmp_path / f'one_fig14.{name}') as figure:
      assert figure.size[0] == pictures.corner(128, 128, 0, columns)[1]
      assert getattr(figure, 'n_frames', 1) == frames

  # The same again is the same to the last byte.
  play_one_episode(folder, tmp_path / 'two.gif')
  ones = sorted(tmp_path.glob('one*'))
  assert len(ones) == 3
  for path in ones:
    two = path.with_name(path.name.replace('one', 'two'))
    assert two.read_bytes() == path.read_bytes()


@pytest.mark.long
def test_a_run_without_a_model_has_no_pictures_of_one(tmp_path):
  code, stdout, stderr = run(
    tmp_path,
    CARTPOLE,
    '--gin_file=gin/sac_state.gin',
    '--gin_param=Schedule.env_steps = 1200',
    '--gin_param=Schedule.eval_interval = 1200',
    settings=TINY,
  )
  assert code == 0, stderr
  assert 'sigma^2' not in stdout
  (folder,) = (tmp_path / 'runs').iterdir()
  assert [
    row['gradient_steps'] for row in run_folders.table(folder, 'eval')
  ] == ['0', '20']
  assert {
    row['model_updates'] for row in run_folders.table(folder, 'train')
  } == {'0'}
  (start,) = json.loads((folder / 'version.json').read_text())
  assert start['compute_dtype'] == 'float32'
  videos = [path.name for path in (folder / 'videos').iterdir()]
  assert len(videos) == 2 and all('episode' in name for name in videos)
  assert (folder / 'policy' / 'saved_model.pb').exists()

  play_one_episode(folder, tmp_path / 'film.gif')
  assert [path.name for path in tmp_path.glob('film*')] == ['film.gif']
  with Image.open(tmp_path / 'film.gif') as film:
    assert film.size == (256, 256)  # The simulator's image alone.
    assert film.n_frames > 1


@pytest.mark.long
def test_the_documented_own_environment_trains(tmp_path):
  page = (REPOSITORY / 'docs' / 'environments.md').read_text()
  python = re.search(r'```python\n(import gin\n.*?)```', page, re.S)[1]
  gin = re.search(r'```\n(import point\n.*?)```', page, re.S)[1]
  (tmp_path / 'point.py').write_text(python)
  (tmp_path / 'point.gin').write_text(gin)
  code, stdout, stderr = run(
    tmp_path,
    '--gin_file=point.gin',
    '--allow_gin_imports',
    '--gin_param=ACTION_REPEAT = 1',
    '--gin_param=Schedule.env_steps = 60',
    '--gin_param=Schedule.eval_interval = 60',
    '--gin_param=Schedule.greedy_eval_episodes = 1',
  )
  assert code == 0, stderr
  assert 'Point' in stdout
  (folder,) = (tmp_path / 'runs').iterdir()
  rows = run_folders.table(folder, 'eval')
  assert [int(row['env_steps']) for row in rows] == [0, 60]
  # At most 24 * sqrt(2) from the middle, in each of 50 steps.
  for name in ('average_return', 'greedy_average_return'):
    assert all(-50 * 34 <= float(row[name]) < 0 for row in rows)
  assert int(rows[-1]['gradient_steps']) == 10
  about = deployment.load(folder / 'policy').about['action']
  assert (about['minimum'], about['maximum']) == ([-2.0] * 2, [2.0] * 2)
