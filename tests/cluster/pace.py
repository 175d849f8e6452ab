"""Runs on a cluster in an environment that takes its time, as a robot does.

What they have put into the replay can be checked: a step leads from one row to
the next. Gin files may `import tests.cluster.pace`.
"""

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable

import gin
import gymnasium
import numpy as np
import psutil

from tests import processes, run_folders

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
LENGTH = 20
SECONDS = 900.0  # After so many a process hangs, on a busy machine too.
GIN = """
import tests.cluster.pace
include 'gin/slac.gin'
include 'tests/tiny.gin'
include 'gin/sac_state.gin'
Experiment.environment = @Reach
Reach.seconds = {seconds}
ACTION_REPEAT = 1
DECODER_VARIANCE = 0.1
SoftActorCritic.hidden_size = 32
SoftActorCritic.learning_rate = 3e-3
Replay.capacity = 20000
Schedule.random_episodes = 10
Schedule.model_updates = 0
Schedule.batch_size = 64
Schedule.eval_interval = 1000
Schedule.eval_episodes = 10
Schedule.checkpoint_seconds = 5.0
Collection.weight_interval = 20
"""


@gin.configurable
class Reach(gymnasium.Env):
  """A vector is to be moved to zero, as in the README, at a robot's pace."""

  observation_space = gymnasium.spaces.Box(-9, 9, [2], np.float32)
  action_space = gymnasium.spaces.Box(-2, 2, [2], np.float32)

  def __init__(self, seconds: float = 0.0, closed: str | None = None):
    """Takes what a step takes, and the file that notes when it is closed."""
    self._seconds = seconds
    self._closed = closed

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    self._x = self.np_random.uniform(-5, 5, 2).astype(np.float32)
    self._t = 0
    return self._x, {}

  def step(self, action):
    time.sleep(self._seconds)
    self._x, self._t = np.clip(self._x + action, -9, 9), self._t + 1
    reward = -float(np.linalg.norm(self._x))
    return self._x, reward, False, self._t == LENGTH, {}

  def close(self):
    if self._closed:
      with open(self._closed, 'a') as file:
        file.write('closed\n')


def start(
  root: pathlib.Path, name: str, *params: str, seed=0, seconds=0.0
) -> subprocess.Popen:
  """Begins a run, or continues it; its output is in `root/NAME.log`."""
  settings = root / 'pace.gin'
  settings.write_text(GIN.format(seconds=seconds))
  with open(root / f'{name}.log', 'a') as log:
    return subprocess.Popen(
      [
        *(sys.executable, 'train_eval.py', f'--gin_file={settings}'),
        *('--allow_gin_imports', f'--root_dir={root}', f'--name={name}'),
        f'--seed={seed}',
        *(f'--gin_param={param}' for param in params),
      ],
      cwd=REPOSITORY,
      env={**os.environ, 'TF_NUM_INTRAOP_THREADS': '1'},
      stdout=log,
      stderr=log,
      start_new_session=True,
    )


def wait_until(process: subprocess.Popen, is_time: Callable[[], object]):
  """Waits, while the process goes on, until it is time."""
  processes.wait_until(is_time, process, seconds=SECONDS)


def episodes(folder: pathlib.Path) -> dict[int, list[int]]:
  """Returns the lengths of each worker's episodes in a run's replay.

  The last is the one under way. It makes sure that each row of an episode is
  what the action of the row before has led to, and each end is marked.
  """
  rows = run_folders.rows(folder)
  found: dict[int, list[int]] = {}
  for stream in np.unique(rows['stream']):
    own = {name: x[rows['stream'] == stream] for name, x in rows.items()}
    x, action = own['observation/state'], own['action']
    is_first = own['step_type'] == 0
    is_end = own['next_step_type'] == 0  # The row after the last step.
    begins = np.flatnonzero(is_first)
    assert begins[0] == 0
    # Another one begins after an end, and nowhere else.
    np.testing.assert_array_equal(begins[1:], np.flatnonzero(is_end[:-1]) + 1)
    goes_on = ~is_end[:-1]
    moved = np.clip(x[:-1] + 2 * action[:-1], -9, 9)[goes_on]
    np.testing.assert_allclose(x[1:][goes_on], moved, atol=1e-5)
    rewards = -np.linalg.norm(x[1:][goes_on], axis=1)
    np.testing.assert_allclose(own['reward'][:-1][goes_on], rewards, atol=1e-5)
    assert (own['discount'] == 1).all()  # Nothing has terminated.
    assert not own['action'][is_end].any()
    bounds = [*begins, len(x)]
    # All but the last have the row that an episode ends with.
    lengths = np.diff(bounds) - 1
    lengths[-1] += not is_end[-1]
    found[int(stream)] = lengths.tolist()
  return found


def workers(process: subprocess.Popen) -> list[psutil.Process]:
  """Returns the processes of a run's workers on this machine."""
  children = processes.descendants(psutil.Process(process.pid))
  return [x for x in children if processes.title(x).startswith('ray::Worker')]


def at_work(process: subprocess.Popen) -> list[psutil.Process]:
  """Returns those that have made their environment, in another process."""
  # multiprocessing's tracker, what processes are forked from, the environment.
  return [x for x in workers(process) if len(processes.descendants(x)) == 3]
