"""Runs with several environments, each a process: exact resume, hangs, ends."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests import processes, run_folders

pytestmark = [pytest.mark.slow, pytest.mark.long]

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
SECONDS = 600  # After so many a process hangs, on a busy machine too.
GIN = """
import tests.misbehaving
include 'gin/slac.gin'
include 'tests/tiny.gin'
include 'gin/sac_state.gin'
Experiment.environment = @Trapped
ACTION_REPEAT = 1
DECODER_VARIANCE = 0.1
Replay.capacity = 150
Schedule.random_episodes = 3
Schedule.model_updates = 0
Schedule.env_steps = 300
Schedule.eval_interval = 100
Schedule.checkpoint_seconds = 0.1
Collection.environments = 2
"""


def start(root, *arguments):
  """Starts a run, or continues it; returns its process."""
  (root / 'two.gin').write_text(GIN)
  with open(root / 'log', 'a') as log:
    return subprocess.Popen(
      [
        *(sys.executable, 'train_eval.py', f'--gin_file={root}/two.gin'),
        *('--allow_gin_imports', f'--root_dir={root}', '--name=run'),
        *arguments,
      ],
      cwd=REPOSITORY,
      env={**os.environ, 'TRAP': str(root / 'trap')},
      stdout=log,
      stderr=log,
      start_new_session=True,
    )


def saved(root):
  """The iterations of the newest checkpoint."""
  return run_folders.newest(root / 'run')[0]


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
  root = tmp_path_factory.mktemp('straight')
  process = start(root)
  assert process.wait(SECONDS) == 0, (root / 'log').read_text()
  return root


def test_there_are_as_many_updates_as_agent_steps(straight):
  rows = run_folders.table(straight / 'run', 'train')
  first = next(row for row in rows if int(row['gradient_steps']))
  for row in rows:
    updates = int(row['gradient_steps']) - int(first['gradient_steps'])
    if updates > 0:
      assert updates == int(row['agent_steps']) - int(first['agent_steps'])
  counters = run_folders.state_of(run_folders.newest(straight / 'run')[1])
  assert counters['state']['counters']['agent_steps'] == 300
  evaluated = run_folders.table(straight / 'run', 'eval')
  assert [row['env_steps'] for row in evaluated] == ['0', '100', '200', '300']


def test_killed_and_continued_it_ends_as_if_it_had_not_been(straight, tmp_path):
  process = start(tmp_path)
  processes.wait_until(
    lambda: saved(tmp_path) >= 100, process, tmp_path / 'log'
  )
  children = psutil.Process(process.pid).children(recursive=True)
  assert len(children) >= 2
  process.kill()
  process.wait()
  _, alive = psutil.wait_procs(children, SECONDS)
  assert not alive
  assert 100 <= saved(tmp_path) < 300
  process = start(tmp_path)
  assert process.wait(SECONDS) == 0, (tmp_path / 'log').read_text()
  log = (tmp_path / 'log').read_text()
  assert 'Continuing at' in log and 'cannot be restored' not in log
  expected = run_folders.digests(straight / 'run')
  found = run_folders.digests(tmp_path / 'run')
  assert 'replay/stream' in expected and len(expected) > 50
  assert found.keys() == expected.keys()
  assert [k for k in expected if found[k] != expected[k]] == []
  for name in ('train', 'eval'):
    tables = [
      run_folders.table(root / 'run', name) for root in (tmp_path, straight)
    ]
    assert tables[0] == tables[1]


def test_a_hang_is_a_failed_episode_and_a_signal_is_heeded_meanwhile(tmp_path):
  def is_trapped():
    return not (tmp_path / 'trap').exists()

  longer = [
    '--gin_param=Schedule.env_steps = 100000',
    '--gin_param=Schedule.eval_interval = 100000',
  ]
  process = start(
    tmp_path, *longer, '--gin_param=Collection.step_seconds = 1.0'
  )
  processes.wait_until(lambda: saved(tmp_path) > 0, process, tmp_path / 'log')
  (tmp_path / 'trap').touch()
  processes.wait_until(is_trapped, process, tmp_path / 'log')
  hung_at = saved(tmp_path)
  processes.wait_until(
    lambda: saved(tmp_path) > hung_at + 10, process, tmp_path / 'log'
  )
  log = (tmp_path / 'log').read_text()
  assert log.count('an episode ends, as the environment took too long') == 1
  # As batch systems do, which also ends what new processes are forked from.
  os.killpg(process.pid, signal.SIGTERM)
  assert process.wait(SECONDS) == 128 + signal.SIGTERM
  _, checkpoint = run_folders.newest(tmp_path / 'run')
  counters = run_folders.state_of(checkpoint)['state']['counters']
  assert counters['failed_episodes'] == 1

  # It would be waited for during 600 seconds.
  process = start(tmp_path, *longer)
  before = saved(tmp_path)
  processes.wait_until(
    lambda: saved(tmp_path) > before, process, tmp_path / 'log'
  )
  (tmp_path / 'trap').touch()
  processes.wait_until(is_trapped, process, tmp_path / 'log')
  process.send_signal(signal.SIGTERM)
  began = time.monotonic()
  assert process.wait(SECONDS) == 128 + signal.SIGTERM
  assert time.monotonic() - began < 60  # Ten, and what it takes to save.
  log = (tmp_path / 'log').read_text()
  assert log.count('Stopped and saved') == 2 and 'Traceback' not in log
  assert 'cannot be restored' not in log
