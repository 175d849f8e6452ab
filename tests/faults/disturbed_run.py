"""A tiny run whose processes are killed, interrupted, and run out of disk."""

import contextlib
import csv
import itertools
import os
import pathlib
import random
import signal
import sys
import time
from collections.abc import Sequence

import psutil

from tests import run_folders
from tests.faults import results, tiny_runs

# A fault comes before so many are left, or at once.
LAST_TURNS = 150
SECONDS_OF_SAVE = 0.02
# Beyond the size of version.json, which each start writes, a full disk takes so
# many: too little for the variables.
BYTES_TO_SPARE = 4000
TURNS_BETWEEN = 25  # Faults, so that there is always something left to disturb.
NAME = 'disturbed'


class DisturbedRun(tiny_runs.TinyRuns):
  """A run that is disturbed, and what has been found out about it."""

  def __init__(
    self,
    root: pathlib.Path,
    faults: int,
    seed: int,
    kind: tiny_runs.Kind = tiny_runs.SAC,
    disk: pathlib.Path | None = None,
  ):
    """Prepares a run that is long enough for so many faults.

    Args:
      root: A folder without settings.
      faults: How often it will be disturbed.
      seed: Decides the moments.
      kind: What kind of run it is.
      disk: The folder of the run's folder, by default `root`.
    """
    agent_steps = 200 + TURNS_BETWEEN * faults
    super().__init__(root, agent_steps, kind, disk=disk)
    # A fault comes at most so long after the loop's beginning, by the process's
    # own clock, as a busy machine would not let it get anywhere.
    self._seconds_of_life = kind.seconds_to_learn
    self._random = random.Random(seed)
    self.folder = self.folder_of(NAME)
    self.disturbed = self.in_save = self.in_start = 0
    self.wrong_resumes = self.unsaved = 0
    self.turns_repeated = self.most_seconds_repeated = 0.0
    self.excess_repeats = 0
    self.intruders = self.impatient = 0
    self.slowest_stop = 0.0
    self._expected_start = None  # Environment steps.

  def kill(self, want_save: bool, try_second: bool = False):
    """Starts the run and kills it, in its loop.

    Args:
      want_save: whether during a save.
      try_second: whether to start a second process in its folder before.
    """
    process = self.start(NAME)
    self._wait_for_moment(process)
    if try_second and process.exitcode is None:
      # Asleep it does not come to its end meanwhile, and has the lock.
      os.kill(process.pid, signal.SIGSTOP)
      second = self.start(NAME, 'second')
      second.join()
      text = self.said('second')
      self.intruders += (
        second.exitcode != os.EX_TEMPFAIL
        or f'{self.folder} is in use by process {process.pid} ' not in text
        or len(text.splitlines()) != 1
      )
      os.kill(process.pid, signal.SIGCONT)
    if want_save:
      self._wait_for(process, self._half_saved)
      time.sleep(self._random.uniform(0, SECONDS_OF_SAVE))
    self._end(process, [signal.SIGKILL])
    self.in_save += bool(self._half_saved())
    self._check_start()
    self._check_repeats()

  def interrupt(
    self,
    signals: Sequence[signal.Signals],
    gap: float = 0.0,
    in_start: bool = False,
    want_unsaved: bool = False,
  ) -> str:
    """Starts the run and stops it by signals.

    Args:
      signals: one or more of those that stop a run.
      gap: seconds between two of them.
      in_start: whether they come before the loop has begun.
      want_unsaved: whether, in the loop, they wait for a turn that is in no
        checkpoint.

    Returns:
      What was not as it should be, or ''.
    """
    process = self.start(NAME)
    if in_start:
      time.sleep(self._random.uniform(0, self._seconds_of_life))
    else:
      self._wait_for_moment(process)
      if want_unsaved:
        self._wait_for(process, self._has_unsaved)
    began = time.monotonic()
    code = self._end(process, signals, gap)
    self.slowest_stop = max(self.slowest_stop, time.monotonic() - began)
    fault = self._fault_of_stop(process, code, signals)
    self.unsaved += bool(fault)
    return fault

  def _fault_of_stop(self, process, code, signals) -> str:
    """Returns how a process that was told to stop has not obeyed, or ''."""
    # Those that are pending at once are handled in the order of the system.
    codes = [128 + number for number in signals]
    if not self._has_begun(process):
      self.in_start += 1
      # A negative one came before the program had set up its handlers.
      codes += [-number for number in signals]
    else:
      self._check_start()
      done = results.turns(rows[-1]) if (rows := self._rows()) else 0
      if done != run_folders.newest(self.folder)[0]:
        return 'the last turn was not saved'
    return '' if code in codes else f'exit code {code}'

  def fill_disk(self):
    """Starts the run where only small files can be written, until it ends."""
    step = run_folders.newest(self.folder)[0]
    size = (self.folder / 'version.json').stat().st_size + BYTES_TO_SPARE
    process = self.start(NAME, file_size=size)
    process.join()
    self.disturbed += 1
    # Beside these there may be a warning that logs are kept in memory.
    lines = [line for line in self.said(NAME).splitlines() if 'Cannot ' in line]
    failures = [line[-2] for line in lines if line[:-2].endswith('this was ')]
    self.impatient += (
      process.exitcode != os.EX_IOERR
      or failures != ['1', '2']
      or not lines[-1].startswith('train_eval.py: Cannot ')
      or 'Traceback' in self.said(NAME)
      or run_folders.newest(self.folder)[0] != step
      or bool(self._half_saved())
    )
    self._check_start()

  def _end(self, process, signals, gap=0.0):
    """Sends signals and waits for the end; returns the exit code."""
    if process.exitcode is not None:
      sys.exit(
        f'The run ended by itself, with {process.exitcode}, after '
        f'{self.disturbed} faults:\n' + self.said(NAME)
      )
    for number in signals:
      with contextlib.suppress(ProcessLookupError):  # The first was enough.
        os.kill(process.pid, number)
      time.sleep(gap)
    process.join()
    self.disturbed += 1
    return process.exitcode

  def _check_start(self):
    """Whether the life that has ended had begun where it should have.

    It is to continue from the checkpoint that was there before it.
    """
    begins = [
      int(line.split()[2].replace(',', ''))
      for line in self.said(NAME).splitlines()
      if line.startswith('Continuing at')
    ]
    self.wrong_resumes += begins != [
      steps for steps in [self._expected_start] if steps is not None
    ]
    _, checkpoint = run_folders.newest(self.folder)
    if checkpoint:
      counters = run_folders.state_of(checkpoint)['state']['counters']
      self._expected_start = counters['agent_steps'] * tiny_runs.ACTION_REPEAT

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
    self.turns_repeated = max(
      self.turns_repeated, results.turns(rows[-1]) - step
    )
    # The save itself lies within a gap, and so does the last turn.
    allowed = tiny_runs.CHECKPOINT_SECONDS + 2 * max(gaps, default=0.0)
    self.excess_repeats += seconds > allowed

  def _rows(self):
    """The whole rows of train.csv."""
    path = self.folder / 'train.csv'
    text = path.read_text() if path.exists() else ''
    return list(csv.DictReader(text[: text.rfind('\n') + 1].splitlines()))

  def _wait_for_moment(self, process):
    """Waits until some time after the loop has begun."""
    self._wait_for(process, lambda: self._has_begun(process))
    left = self.turns - run_folders.newest(self.folder)[0]
    if left < LAST_TURNS or process.exitcode is not None:
      return
    clock = psutil.Process(process.pid).cpu_times
    end = sum(clock()[:2]) + self._random.uniform(0, self._seconds_of_life)
    self._wait_for(process, lambda: sum(clock()[:2]) >= end)

  def _has_begun(self, process):
    return list(self.folder.glob(f'events.*.{process.pid}.*'))

  def _has_unsaved(self):
    rows = self._rows()
    saved = run_folders.newest(self.folder)[0]
    return rows and results.turns(rows[-1]) > saved and not self._half_saved()

  def _half_saved(self):
    return list((self.folder / 'checkpoints').glob('tmp-*'))

  def _wait_for(self, process, condition):
    self.wait_for(NAME, condition, lambda: process.exitcode is not None)
