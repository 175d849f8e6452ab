"""Runs whose evaluations another process makes: equal, whatever is killed."""

import contextlib
import json
import pathlib
import subprocess
import sys

import psutil
import pytest

from tests import processes, run_folders

pytestmark = pytest.mark.slow

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
SECONDS = 600  # After so many a process hangs, on a busy machine too.
GIN = """
include 'tests/tiny.gin'
include 'gin/sac_state.gin'
ACTION_REPEAT = 20
Replay.capacity = 150
Schedule.random_episodes = 1
Schedule.env_steps = 1600
Schedule.eval_interval = 800
Schedule.eval_episodes = 2
Schedule.greedy_eval_episodes = 1
Schedule.checkpoint_seconds = 0.1
"""


def start(root, worker):
  """Starts a run, or continues it; returns its process."""
  (root / 'tiny.gin').write_text(GIN)
  with open(root / 'log', 'a') as log:
    return subprocess.Popen(
      [
        *(sys.executable, 'train_eval.py', '--gin_file=gin/cartpole.gin'),
        *(f'--gin_file={root}/tiny.gin', f'--root_dir={root}', '--name=run'),
        f'--gin_param=Evaluation.worker = {worker}',
      ],
      cwd=REPOSITORY,
      stdout=log,
      stderr=log,
    )


def workers(process):
  """The processes that evaluate."""
  found = []
  for child in psutil.Process(process.pid).children():
    with contextlib.suppress(psutil.Error):
      if 'spawn_main' in ' '.join(child.cmdline()):
        found.append(child)
  return found


def due(root):
  """Whether the newest checkpoint has an evaluation that is under way."""
  _, checkpoint = run_folders.newest(root / 'run')
  try:
    return (
      'evaluation'
      in json.loads((checkpoint / 'state.json').read_text())['state']
    )
  except (OSError, TypeError):
    return False  # It was removed meanwhile.


@pytest.mark.long
def test_kills_of_both_processes_leave_no_trace(tmp_path):
  straight, killed = tmp_path / 'straight', tmp_path / 'killed'
  straight.mkdir()
  killed.mkdir()
  undisturbed = start(straight, worker=False)
  process = start(killed, worker=True)
  log = killed / 'log'
  (worker,) = processes.wait_until(lambda: workers(process), process, log)
  worker.kill()
  (second,) = processes.wait_until(
    lambda: [x for x in workers(process) if x != worker], process, log
  )
  assert second.pid != worker.pid
  processes.wait_until(lambda: due(killed), process, log)
  children = psutil.Process(process.pid).children(recursive=True)
  process.kill()
  process.wait()
  assert due(killed)
  _, alive = psutil.wait_procs(children, SECONDS)
  assert not alive

  assert start(killed, worker=True).wait(SECONDS) == 0
  said = log.read_text()
  assert said.count('is made again, in another process') == 1, said
  assert 'Traceback' not in said

  assert undisturbed.wait(SECONDS) == 0
  tables = [run_folders.table(x / 'run', 'eval') for x in (straight, killed)]
  assert [int(row['env_steps']) for row in tables[0]] == [0, 800, 1600]
  assert tables[0] == tables[1]
  for pictures in (straight / 'run' / 'videos').iterdir():
    twin = killed / 'run' / 'videos' / pictures.name
    assert twin.read_bytes() == pictures.read_bytes()
  found, expected = (run_folders.digests(x / 'run') for x in (killed, straight))
  assert found.keys() == expected.keys()
  # Those of evaluations draw in the other process, each time from a seed.
  generators = ['agent/_policy/_generator', 'agent/greedy_policy/_generator']
  differing = [k for k in expected if found[k] != expected[k]]
  assert all(k.startswith(tuple(generators)) for k in differing), differing
