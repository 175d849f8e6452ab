"""A training run as a trial of Ray Tune: a process, and its folder.

A node of a cluster loads this module, which has nothing of TensorFlow: that is
the process's own.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, TextIO

import ray
from ray import tune
from ray.tune import result as keys

from slac.storage import snapshots
from slac.sweep import progress

# The name of the actor in the driver's namespace.
STOP_FLAG = 'slac-sweep-stop'
_REPORT_SECONDS = 5.0
_POLL_SECONDS = 0.2
# A process that heeds a signal exits with this and its number.
_SIGNALLED = 128
# It ends with this process, whatever ends this one.
_BOUND = ('setpriv', '--pdeathsig', 'KILL')
_LOCK = 'lock'  # In a trial's folder, held as long as its process lives.


class StopFlag:
  """Tells all trials to save and to train no further."""

  def __init__(self):
    self._is_set = False

  def set(self):
    """From here on, they do."""
    self._is_set = True

  def is_set(self) -> bool:
    """Whether they shall."""
    return self._is_set


class Trial(tune.Trainable):
  """Runs train_eval in a folder on this node; checkpoints are copies of it.

  The folder is this process's own. So what goes on on a node that was given up
  as lost never meets the same trial on another one: of both, Ray knows the
  checkpoints of the latter alone.
  """

  def setup(self, config: dict[str, Any]):
    """Takes the run: its name, arguments, folder to run in, environment steps.

    Args:
      config: they are in its 'run', as `tuning.trial_of` makes it.
    """
    self._run = config['run']
    self._root, self._lock = _own_folder()
    self._folder = self._root / self._run['name']
    self._process: subprocess.Popen | None = None
    self._time_left = progress.TimeLeft(self._run['env_steps'])
    self._stored: list[str] = []
    self._fault = ''
    threading.Thread(target=self._outlive_no_node, daemon=True).start()

  def step(self) -> dict[str, Any]:
    """Lets the run go on for some seconds; returns how far it has come.

    Raises:
      ChildProcessError: its process has ended otherwise than at the end; if it
        has itself said why, that was reported before.
    """
    if self._fault:
      raise ChildProcessError(self._fault)
    stop = ray.get(ray.get_actor(STOP_FLAG).is_set.remote())
    if stop:
      self._stop()
      time.sleep(_POLL_SECONDS)  # It is asked again until all have saved.
    elif not self._process and not self._is_finished:
      self._start()
    code = self._wait()
    found = progress.read(self._folder)
    if code and not stop:
      if code < 0 or code > _SIGNALLED:
        raise ChildProcessError(f'the process was ended by a signal ({code})')
      self._fault = self._last_words()
      found |= {'fault': self._fault, 'exit_code': code}
    return {
      **found,
      'seconds_left': self._time_left.seconds(found),
      'stopped': stop,
      keys.DONE: self._is_finished,
      keys.SHOULD_CHECKPOINT: bool(self._new_checkpoints()),
    }

  def save_checkpoint(self, checkpoint_dir: str):
    """Puts the folder as it is into another one, which Ray stores."""
    self._folder.mkdir(exist_ok=True)
    self._stored = snapshots.take(self._folder, pathlib.Path(checkpoint_dir))

  def load_checkpoint(self, checkpoint_dir: str):
    """Has the run continue from what was stored."""
    shutil.rmtree(self._folder, ignore_errors=True)
    shutil.copytree(checkpoint_dir, self._folder)
    self._stored = snapshots.names(self._folder)

  def cleanup(self):
    """Ends the process, and removes the folder."""
    self._stop(signal.SIGKILL)
    self._lock.close()
    shutil.rmtree(self._root, ignore_errors=True)

  @property
  def _is_finished(self):
    running = self._process and self._process.poll() is None
    return not running and progress.is_finished(self._folder)

  @property
  def _log(self):
    return self._root / 'output.log'

  def _start(self):
    threads = str(max(1, int(self._run['cpus'])))
    with open(self._log, 'ab') as log:
      self._process = subprocess.Popen(
        [
          *(*_BOUND, sys.executable, *self._run['arguments']),
          *(f'--root_dir={self._root}', f'--name={self._run["name"]}'),
        ],
        cwd=self._run['cwd'],
        env={
          **os.environ,
          'OMP_NUM_THREADS': threads,
          'TF_NUM_INTRAOP_THREADS': threads,
          'TF_NUM_INTEROP_THREADS': threads,
        },
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
      )

  def _wait(self) -> int | None:
    """Waits until there is news; returns the exit code of what has ended."""
    end = time.monotonic() + _REPORT_SECONDS
    while self._process and self._process.poll() is None:
      if time.monotonic() > end or self._new_checkpoints():
        return None
      time.sleep(_POLL_SECONDS)
    return self._process.returncode if self._process else None

  def _outlive_no_node(self):
    """Ends all of this when the node's own process has ended, or was killed.

    It is this one's parent. Ray may leave this process idle then, and the run
    would go on for days in a folder that nobody reads.
    """
    node = os.getppid()
    while os.getppid() == node:
      time.sleep(1.0)
    self.cleanup()
    os._exit(1)

  def _stop(self, number=signal.SIGTERM):
    """Ends the process, which saves unless it is killed."""
    if self._process and self._process.poll() is None:
      self._process.send_signal(number)
      self._process.wait()

  def _new_checkpoints(self):
    return set(snapshots.names(self._folder)) - set(self._stored)

  def _last_words(self):
    lines = self._log.read_text(errors='replace').strip().splitlines()
    return lines[-1] if lines else 'it has said nothing'


def _own_folder() -> tuple[pathlib.Path, TextIO]:
  """Returns a new folder and its lock; removes what killed processes left.

  Other nodes and containers may have theirs beside it, whose processes are not
  to be seen from here: only their locks tell that they live.
  """
  there = pathlib.Path(tempfile.gettempdir())
  for path in there.glob(f'slac-trial-*/{_LOCK}'):
    with (
      contextlib.suppress(OSError),
      open(path, 'a', encoding='utf-8') as file,
    ):
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
      shutil.rmtree(path.parent, ignore_errors=True)
  # Nobody looks for it by this name, before it is locked.
  made = pathlib.Path(tempfile.mkdtemp(prefix='.slac-trial-'))
  lock = open(made / _LOCK, 'w', encoding='utf-8')  # noqa: SIM115
  fcntl.flock(lock, fcntl.LOCK_EX)
  return made.rename(there / made.name[1:]), lock
