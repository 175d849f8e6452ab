"""Tiny runs, whose processes are forked from one that has TensorFlow.

That one has imported it but not yet begun to use it, which saves the time of
the import.
"""

import multiprocessing
import os
import pathlib
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import tqdm

import train_eval
from slac.deployment import exporting
from slac.environments import rendering

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CHECKPOINT_SECONDS = 0.3
ACTION_REPEAT = 20  # Episodes of 50 agent steps.
SETTINGS = f"""
ACTION_REPEAT = {ACTION_REPEAT}
Replay.capacity = 150
Schedule.eval_interval = 4000
Schedule.log_interval = 1
Schedule.picture_interval = 1000
"""
SECONDS = 600  # On a busy machine too; what takes more of them hangs.

# Once here, and not in each life: it starts a process that renders.
rendering.choose_backend()


class Kind(NamedTuple):
  """A kind of runs.

  Attributes:
    overlay: a gin file with the sizes of its networks.
    settings: of the agent.
    model_updates: before the agent begins to learn.
    seconds_to_learn: which a process spends, by its own clock, from the
      beginning of the loop to some time after the first evaluation and update.
  """

  overlay: str
  settings: str
  model_updates: int
  seconds_to_learn: float


SLAC = Kind('tests/tiny.gin', 'Schedule.model_updates = 50', 50, 3.0)
# Without a model to trace, a process begins its loop in half of the time.
SAC = Kind('tests/tiny.gin', "include 'gin/sac_state.gin'", 0, 1.5)
ALM = Kind('tests/tiny_alm.gin', '', 0, 3.0)


class TinyRuns:
  """Runs of the same settings, each in a folder of its name.

  Attributes:
    root: The folder with the settings and with what the processes say.
    turns: How often the loop of each run turns.
  """

  def __init__(
    self,
    root: pathlib.Path,
    agent_steps: int,
    kind: Kind = SAC,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    disk: pathlib.Path | None = None,
  ):
    """Writes the settings.

    Args:
      root: A folder without settings.
      agent_steps: How long each run is.
      kind: What kind of runs they are.
      checkpoint_seconds: How often they are saved.
      disk: The folder of the runs' folders, by default `root`.
    """
    root.mkdir(parents=True, exist_ok=True)
    self.root = root
    self.turns = agent_steps + kind.model_updates
    self._disk = disk or root
    (root / 'tiny.gin').write_text(
      f"include '{kind.overlay}'\n{SETTINGS}{kind.settings}\n"
      f'Schedule.checkpoint_seconds = {checkpoint_seconds}\n'
      f'Schedule.env_steps = {agent_steps * ACTION_REPEAT}\n'
    )
    self._context = multiprocessing.get_context('forkserver')
    self._context.set_forkserver_preload([__name__])

  def folder_of(self, name: str) -> pathlib.Path:
    """Returns the folder of a run."""
    return self._disk / name

  def arguments(self, name: str) -> list[str]:
    """Returns train_eval.py's arguments for a run."""
    return [
      *('--gin_file=gin/cartpole.gin', f'--gin_file={self.root}/tiny.gin'),
      *(f'--root_dir={self._disk}', f'--name={name}'),
    ]

  def command(self, name: str) -> list[str]:
    """Returns the command that a user would give in the repository."""
    return [sys.executable, 'train_eval.py', *self.arguments(name)]

  def start(self, name: str, log_name: str = '', file_size: int = -1):
    """Returns a process that begins or continues a run.

    Args:
      name: of the run.
      log_name: of the file for its output, by default that of the run.
      file_size: beyond which the system writes no file.
    """
    log = self._log(log_name or name)
    log.write_bytes(b'')
    process = self._context.Process(
      target=live, args=(self.arguments(name), str(log), file_size), daemon=True
    )
    process.start()
    return process

  def said(self, name: str) -> str:
    """Returns what the last process of a run has written to its terminal."""
    return self._log(name).read_text()

  def finish(self, name: str) -> pathlib.Path:
    """Lets a run go to its end; returns its folder."""
    process = self.start(name)
    process.join()
    if process.exitcode != 0:
      sys.exit(self.said(name))
    return self.folder_of(name)

  def stop_late(self, name: str) -> pathlib.Path:
    """Begins a run, stops it near its end; returns its folder."""
    process = self.start(name)
    self.wait_for(
      name,
      lambda: self._rows(name) > 0.8 * self.turns,
      lambda: process.exitcode is not None,
    )
    os.kill(process.pid, signal.SIGTERM)
    process.join()
    if process.exitcode != 128 + signal.SIGTERM:
      sys.exit(self.said(name))
    return self.folder_of(name)

  def wait_for(
    self,
    name: str,
    condition: Callable[[], bool],
    has_ended: Callable[[], bool],
  ):
    """Waits until a run is where it should be, or its process has ended."""
    deadline = time.monotonic() + SECONDS
    while not condition() and not has_ended():
      if time.monotonic() > deadline:
        sys.exit(f'Waited in vain:\n{self.said(name)}')
      time.sleep(0.002)

  def _rows(self, name):
    """How often the loop has turned, as there is a row each time."""
    path = self.folder_of(name) / 'train.csv'
    return path.read_bytes().count(b'\n') - 1 if path.exists() else 0

  def _log(self, name):
    return self.root / f'{name}.log'


def sentence(said: str) -> str:
  """Returns the sentence in which a command has said why it ends, or ''."""
  last = ''
  for line in said.splitlines():
    if line.startswith('Traceback'):
      return ''
    if line.startswith('train_eval.py: '):
      last = line
  return last


def live(arguments, log, file_size):
  """What a process does in its life: train_eval.py, its output to a file."""
  resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
  descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
  for standard in (1, 2):
    os.dup2(descriptor, standard)
  os.chdir(REPOSITORY)
  sys.argv = ['train_eval.py', *arguments]
  # The SavedModel takes ten seconds and is not part of the state.
  exporting.export = lambda *_: None
  # Lest multiprocessing should report tqdm's own lock as leaked by the killed.
  tqdm.tqdm.set_lock(threading.RLock())
  train_eval.main()
