"""Clocks that jump back by a day, by libfaketime.

A run is stopped some time after the clock has jumped, and continued when it has
jumped again. What counts time within a run, the monotonic clock, does not jump.
"""

import glob
import json
import os
import pathlib
import signal
import subprocess

from tests import run_folders
from tests.faults import outcome, results, tiny_runs

NAME = 'clocks that jump back'
LIBRARY = '/usr/lib/*/faketime/libfaketimeMT.so.1'  # Debian's.
AGENT_STEPS = 400
RUN = 'jumps'
# libfaketime 0.9 refuses Python's sleep if the monotonic clock is to be true.
SITE = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
"""


def survives(root: pathlib.Path) -> bool:
  """Has the clock of a run under `root` jump; returns if it survived that."""
  if not (libraries := glob.glob(LIBRARY)):
    return outcome.not_tried(NAME, 'there is no libfaketime')
  row = outcome.Outcome(NAME)
  runs = tiny_runs.TinyRuns(root, AGENT_STEPS)
  clock = Clock(runs, libraries[0])
  row.add('while the run lives', 'stopped and saved', clock.jump_in_a_life())
  row.add('between two lives', 'came to its end', clock.jump_between_lives())
  straight = runs.finish('straight')
  if fault := results.faults(runs.folder_of(RUN), straight):
    row.lost('the end of the run', fault)
  return row.report()


class Clock:
  """Starts processes of a run that read another time than the system's."""

  def __init__(self, runs: tiny_runs.TinyRuns, library: str):
    """Takes runs, and the path of the library that misleads them."""
    self._runs = runs
    self._folder = runs.folder_of(RUN)
    self._offset = runs.root / 'offset'
    (runs.root / 'sitecustomize.py').write_text(SITE)
    self._environment = {
      **os.environ,
      'PYTHONPATH': str(runs.root),
      'LD_PRELOAD': library,
      'FAKETIME_TIMESTAMP_FILE': str(self._offset),
      'FAKETIME_NO_CACHE': '1',
      'FAKETIME_DONT_FAKE_MONOTONIC': '1',
    }

  def jump_in_a_life(self) -> str:
    """Sets the clock back while the run lives; returns a fault, or ''."""
    self._set('+0')
    process = self._start()
    self._wait_for_save(process)
    self._set('-1d')
    self._wait_for_save(process)
    process.send_signal(signal.SIGTERM)
    return self._fault(process, 128 + signal.SIGTERM)

  def jump_between_lives(self) -> str:
    """Sets it back once more and continues; returns a fault, or ''."""
    self._set('-2d')
    fault = self._fault(self._start(), 0)
    starts = json.loads((self._folder / 'version.json').read_text())
    begun = [start['started'] for start in starts]
    # Otherwise the library has not done what it should.
    return fault or ('' if begun[-1] < begun[0] else f'it began at {begun}')

  def _set(self, offset):
    # As a whole: the processes read it each time that they ask for the time.
    temporary = self._offset.with_suffix('.tmp')
    temporary.write_text(f'{offset}\n')
    os.replace(temporary, self._offset)

  def _start(self):
    with open(self._runs.root / f'{RUN}.log', 'w') as log:
      return subprocess.Popen(
        self._runs.command(RUN),
        cwd=tiny_runs.REPOSITORY,
        env=self._environment,
        stdout=log,
        stderr=log,
      )

  def _wait_for_save(self, process):
    """Waits until there is a checkpoint of a later step."""
    step, _ = run_folders.newest(self._folder)
    self._runs.wait_for(
      RUN,
      lambda: run_folders.newest(self._folder)[0] > step,
      lambda: process.poll() is not None,
    )

  def _fault(self, process, code):
    """Waits for the end; returns what is not as it should be."""
    found = process.wait(tiny_runs.SECONDS)
    lines = self._runs.said(RUN).splitlines()
    return '' if found == code else f'exit code {found} {lines[-1:]}'
