"""Clusters of several nodes on this machine, whose nodes may be killed."""

import contextlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Mapping

import psutil

from slac.config import bindings

SECONDS = 600  # On a busy machine too; what takes more of them hangs.
# Networks, episodes and a schedule so small that a run takes seconds.
SETTINGS = """
include 'tests/tiny.gin'
include 'gin/sac_state.gin'
ACTION_REPEAT = 20
Replay.capacity = 150
Schedule.eval_interval = 4000
Schedule.log_interval = 20
Schedule.picture_interval = 1000
Schedule.checkpoint_seconds = {seconds}
Schedule.env_steps = {steps}
"""
_THREADS = (
  'OMP_NUM_THREADS',
  'TF_NUM_INTEROP_THREADS',
  'TF_NUM_INTRAOP_THREADS',
)
TOKEN = 64 * 'a'  # Of the tests alone, and no secret.


@contextlib.contextmanager
def cluster(nodes: int) -> Iterator['Cluster']:
  """Gives a cluster of a head without processors, and nodes with one each.

  It listens on the loopback alone, and asks for a token. A process of its own
  makes it, as Ray reads its environment where it is imported.
  """
  process = subprocess.Popen(
    [sys.executable, '-m', 'tests.sweep.clusters', str(nodes)],
    cwd=bindings.ROOT,
    env={**os.environ, **variables()},
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  try:
    yield Cluster(process)
  finally:
    process.stdin.close()
    process.wait(SECONDS)


class Cluster:
  """A cluster that another process has made."""

  def __init__(self, process: subprocess.Popen):
    """Waits until it is there."""
    self._process = process
    self.address = process.stdout.readline().strip()

  def add_node(self) -> None:
    """Begins another node."""
    print('add', file=self._process.stdin, flush=True)
    assert self._process.stdout.readline()


def serve(nodes: int) -> None:
  """Makes a cluster, and adds a node for each line that is read."""
  from ray import cluster_utils

  made = cluster_utils.Cluster(
    initialize_head=True,
    head_node_args={'num_cpus': 0, 'include_dashboard': False},
  )
  for _ in range(nodes):
    made.add_node(num_cpus=1)
  print(made.address, flush=True)
  for _ in sys.stdin:
    made.add_node(num_cpus=1)
    print('added', flush=True)
  made.shutdown()


def variables() -> Mapping[str, str]:
  """Returns the environment of the cluster and of what connects to it."""
  return {
    'RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER': '0',
    'RAY_worker_niceness': '0',
    'RAY_raylet_start_wait_time_s': '300',  # On a busy machine.
    'RAY_health_check_period_ms': '1000',  # A dead node is noticed in seconds.
    'RAY_AUTH_MODE': 'token',
    'RAY_AUTH_TOKEN': TOKEN,
  }


def write_settings(path: pathlib.Path, env_steps: int, seconds: float) -> None:
  """Writes an overlay of a tiny run."""
  path.write_text(SETTINGS.format(steps=env_steps, seconds=seconds))


def sweep(
  where: str,
  overlay: pathlib.Path,
  root: pathlib.Path,
  *more: str,
  task: str = 'cartpole',
  alone: bool = False,
) -> subprocess.Popen:
  """Begins a sweep on a cluster, perhaps in a session of its own."""
  with open(root.with_suffix('.log'), 'ab') as log:
    return subprocess.Popen(
      [
        *(sys.executable, '-m', 'slac.sweep', '--tasks', task),
        *('--overlay', str(overlay), '--root_dir', str(root)),
        *('--ray', where, *more),
      ],
      cwd=bindings.ROOT,
      env={**variables(), **os.environ},  # A namespace has its own.
      stdout=log,
      stderr=subprocess.STDOUT,
      start_new_session=alone,
    )


def trials(overlay: pathlib.Path) -> dict[int, str]:
  """Returns the runs of an overlay on nodes, by the process of each run."""
  found = {}
  for process in psutil.process_iter(['cmdline']):
    words = process.info['cmdline'] or []
    if f'--gin_file={overlay}' in words and 'slac-trial-' in ' '.join(words):
      (name,) = (w[7:] for w in words if w.startswith('--name='))
      found[process.pid] = name
  return found


def raylet_of(pid: int) -> psutil.Process:
  """Returns the raylet of the node that a run is on."""
  return next(p for p in psutil.Process(pid).parents() if p.name() == 'raylet')


def stored(root: pathlib.Path, name: str) -> list[pathlib.Path]:
  """Returns what has been stored of a run, the newest last."""
  return sorted(
    pathlib.Path(f'{root}-ray').glob(f'*/{name}/checkpoint_*/checkpoints')
  )


def straight(
  overlay: pathlib.Path, root: pathlib.Path, seed: int
) -> subprocess.Popen:
  """Begins the same run without a cluster, as one processor computes it."""
  return subprocess.Popen(
    [
      *(sys.executable, 'train_eval.py', '--gin_file=gin/cartpole.gin'),
      *(f'--gin_file={overlay}', f'--root_dir={root}', f'--seed={seed}'),
    ],
    cwd=bindings.ROOT,
    env={**os.environ, **dict.fromkeys(_THREADS, '1')},
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )


if __name__ == '__main__':
  serve(int(sys.argv[1]))
