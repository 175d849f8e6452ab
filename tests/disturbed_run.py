"""A tiny run whose processes are killed, interrupted, and run out of disk.

The processes are forked from one that has imported TensorFlow but not yet begun
to use it, which saves the time of the import.
"""

import csv
import itertools
import multiprocessing
import os
import pathlib
import random
import resource
import signal
import sys
import threading
import time

import psutil
import tqdm

import train_eval
from slac.deployment import exporting
from tests import run_folders

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
CHECKPOINT_SECONDS = 0.3
ACTION_REPEAT = 20  # Episodes of 50 agent steps.
MODEL_UPDATES = 50
SETTINGS = f"""
include 'tests/tiny.gin'
ACTION_REPEAT = {ACTION_REPEAT}
Replay.capacity = 150
Schedule.model_updates = {MODEL_UPDATES}
Schedule.eval_interval = 4000
Schedule.log_interval = 1
Schedule.picture_interval = 1000
Schedule.checkpoint_seconds = {CHECKPOINT_SECONDS}
"""
SECONDS_TO_BEGIN = 600  # On a busy machine too; after so many it hangs.
# A fault comes at most so long after the loop's beginning, by the process's own
# clock, as a busy machine would not let it get anywhere. Of these 1.5 to 2 go
# into the first evaluation or update. None that could be among the last turns.
SECONDS_OF_LIFE = 3.0
TURNS_OF_LIFE = 150
SECONDS_OF_SAVE = 0.05
# Too little for the variables and, when they have grown long, for the logs, but
# enough for version.json, which grows by a kilobyte with each start.
BYTES_ON_FULL_DISK = 80_000


class DisturbedRun:
  """A run that is disturbed, and what has been found out about it."""

  def __init__(self, root: pathlib.Path, agent_steps: int, seed: int):
    self._root = root
    self._turns = agent_steps + MODEL_UPDATES
    self._random = random.Random(seed)
    (root / 'tiny.gin').write_text(
      f'{SETTINGS}Schedule.env_steps = {agent_steps * ACTION_REPEAT}\n'
    )
    self._context = multiprocessing.get_context('forkserver')
    self._context.set_forkserver_preload([__name__])
    self.folder = root / 'disturbed'
    self.disturbed = self.in_save = self.in_start = 0
    self.wrong_resumes = self.unsaved = 0
    self.turns_repeated = self.most_seconds_repeated = 0.0
    self.excess_repeats = 0
    self.intruders = self.impatient = 0
    self.slowest_stop = 0.0
    self._expected_start = None  # Environment steps.

  def start(self, name: str, log_name: str = '', file_size: int = -1):
    """Returns a process that begins or continues a run.

    Args:
      name: of the run.
      log_name: of the file for its output, by default that of the run.
      file_size: beyond which the system writes no file.
    """
    log = self._root / f'{log_name or name}.log'
    log.write_bytes(b'')
    arguments = [
      *('--gin_file=gin/cartpole.gin', f'--gin_file={self._root}/tiny.gin'),
      *(f'--root_dir={self._root}', f'--name={name}'),
    ]
    process = self._context.Process(
      target=live, args=(arguments, str(log), file_size), daemon=True
    )
    process.start()
    return process

  def finish(self, name: str):
    """Lets a run go to its end."""
    process = self.start(name)
    process.join()
    if process.exitcode != 0:
      sys.exit((self._root / f'{name}.log').read_text())

  def kill(self, want_save: bool, try_second: bool = False):
    """Starts the run and kills it, in its loop.

    Args:
      want_save: whether during a save.
      try_second: whether to start a second process in its folder before.
    """
    process = self.start(self.folder.name)
    self._wait_for_moment(process)
    if try_second and process.exitcode is None:
      # Asleep it does not come to its end meanwhile, and has the lock.
      os.kill(process.pid, signal.SIGSTOP)
      second = self.start(self.folder.name, 'second')
      second.join()
      text = (self._root / 'second.log').read_text()
      self.intruders += (
        second.exitcode != os.EX_TEMPFAIL
        or f'{self.folder} is in use by process {process.pid} ' not in text
        or len(text.splitlines()) != 1
      )
      os.kill(process.pid, signal.SIGCONT)
    if want_save:
      self._wait_for(process, self._half_saved)
      time.sleep(self._random.uniform(0, SECONDS_OF_SAVE))
    self._end(process, signal.SIGKILL)
    self.in_save += bool(self._half_saved())
    self._check_start()
    self._check_repeats()

  def interrupt(
    self, number: signal.Signals, in_start: bool, want_unsaved: bool
  ):
    """Starts the run and stops it by a signal.

    Args:
      number: of the signal.
      in_start: whether it comes before the loop has begun.
      want_unsaved: whether, in the loop, it waits for a turn that is in no
        checkpoint.
    """
    process = self.start(self.folder.name)
    if in_start:
      time.sleep(self._random.uniform(0, SECONDS_OF_LIFE))
    else:
      self._wait_for_moment(process)
      if want_unsaved:
        self._wait_for(process, self._has_unsaved)
    began = time.monotonic()
    code = self._end(process, number)
    self.slowest_stop = max(self.slowest_stop, time.monotonic() - began)
    if not self._has_begun(process):
      self.in_start += 1
      # A negative one came before the program had set up its handlers.
      self.unsaved += code not in (128 + number, -number)
      return
    done = turns(rows[-1]) if (rows := self._rows()) else 0
    is_saved = done == run_folders.newest(self.folder)[0]
    self.unsaved += code != 128 + number or not is_saved
    self._check_start()

  def fill_disk(self):
    """Starts the run where only small files can be written, until it ends."""
    step = run_folders.newest(self.folder)[0]
    process = self.start(self.folder.name, file_size=BYTES_ON_FULL_DISK)
    process.join()
    self.disturbed += 1
    # Beside these there may be a warning that logs are kept in memory.
    lines = [line for line in self._log().splitlines() if 'Cannot ' in line]
    failures = [line[-2] for line in lines if line[:-2].endswith('this was ')]
    self.impatient += (
      process.exitcode != os.EX_IOERR
      or failures != ['1', '2']
      or not lines[-1].startswith('train_eval.py: Cannot ')
      or 'Traceback' in self._log()
      or run_folders.newest(self.folder)[0] != step
      or bool(self._half_saved())
    )
    self._check_start()

  def _end(self, process, number):
    """Sends a signal and waits for the end; returns the exit code."""
    if process.exitcode is not None:
      sys.exit(
        f'The run ended by itself, with {process.exitcode}, after '
        f'{self.disturbed} faults:\n' + self._log()
      )
    os.kill(process.pid, number)
    process.join()
    self.disturbed += 1
    return process.exitcode

  def _check_start(self):
    """Whether the life that has ended had begun where it should have.

    It is to continue from the checkpoint that was there before it.
    """
    begins = [
      int(line.split()[2].replace(',', ''))
      for line in self._log().splitlines()
      if line.startswith('Continuing at')
    ]
    self.wrong_resumes += begins != [
      steps for steps in [self._expected_start] if steps is not None
    ]
    _, checkpoint = run_folders.newest(self.folder)
    if checkpoint:
      counters = run_folders.state_of(checkpoint)['state']['counters']
      self._expected_start = counters['agent_steps'] * ACTION_REPEAT

  def _check_repeats(self):
    """How much the next life has to do once more."""
    step, checkpoint = run_folders.newest(self.folder)
    rows = self._rows()
    if not checkpoint or not rows:
      return
    saved = run_folders.state_of(checkpoint)['state']['report']['wall_seconds']
    times = [
      saved,
      *(t for row in rows if (t := float(row['wall_seconds'])) > saved),
    ]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    seconds = times[-1] - saved
    self.most_seconds_repeated = max(self.most_seconds_repeated, seconds)
    self.turns_repeated = max(self.turns_repeated, turns(rows[-1]) - step)
    # The save itself lies within a gap, and so does the last turn.
    allowed = CHECKPOINT_SECONDS + 2 * max(gaps, default=0.0)
    self.excess_repeats += seconds > allowed

  def _rows(self):
    """The whole rows of train.csv."""
    path = self.folder / 'train.csv'
    text = path.read_text() if path.exists() else ''
    return list(csv.DictReader(text[: text.rfind('\n') + 1].splitlines()))

  def _wait_for_moment(self, process):
    """Waits until some time after the loop has begun."""
    self._wait_for(process, lambda: self._has_begun(process))
    left = self._turns - run_folders.newest(self.folder)[0]
    if left < TURNS_OF_LIFE or process.exitcode is not None:
      return
    clock = psutil.Process(process.pid).cpu_times
    end = sum(clock()[:2]) + self._random.uniform(0, SECONDS_OF_LIFE)
    self._wait_for(process, lambda: sum(clock()[:2]) >= end)

  def _has_begun(self, process):
    events = self.folder / 'tensorboard'
    return list(events.glob(f'*.{process.pid}.*'))

  def _has_unsaved(self):
    rows = self._rows()
    saved = run_folders.newest(self.folder)[0]
    return rows and turns(rows[-1]) > saved and not self._half_saved()

  def _half_saved(self):
    return list((self.folder / 'checkpoints').glob('tmp-*'))

  def _wait_for(self, process, condition):
    deadline = time.monotonic() + SECONDS_TO_BEGIN
    while not condition() and process.exitcode is None:
      if time.monotonic() > deadline:
        sys.exit(f'Waited in vain:\n{self._log()}')
      time.sleep(0.002)

  def _log(self):
    return (self._root / f'{self.folder.name}.log').read_text()


def turns(row: dict[str, str]) -> int:
  """How often the loop had turned at a row of a CSV file."""
  return int(row['agent_steps']) + int(row['model_updates'])


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
