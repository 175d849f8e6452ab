"""A disk that somebody else fills while the run lives, and empties again.

The disk is a tmpfs. Where there is room again in time, the run goes on;
otherwise it ends with exit code 74, and continues when there is room. A start
on the full disk is refused in one sentence.
"""

import contextlib
import os
import pathlib
import signal
import subprocess

from tests import run_folders
from tests.faults import disturbed_run, outcome, results, tiny_runs

NAME = 'disks filled from outside'
BYTES = 400 << 20  # More than the run asks for at its start.
BLOCK = bytes(1 << 16)


def survives(root: pathlib.Path, count: int, seed: int) -> bool:
  """Fills the disk of a run so many times; returns if it survived all."""
  disk = root / 'disk'
  disk.mkdir(parents=True)
  with _mounted(disk) as fault:
    if fault:
      return outcome.not_tried(NAME, fault)
    row = outcome.Outcome(NAME)
    run = FilledRun(root, count, seed, disk=disk)
    for number in range(count):
      if number % 2:
        row.add(f'number {number}', 'went on', run.fill_for_a_while())
      else:
        row.add(f'number {number}', 'ended with 74', run.fill_for_long())
    run.finish(disturbed_run.NAME)
    if fault := results.faults(run.folder, run.finish('straight')):
      row.lost('the end of the run', fault)
    return row.report()


class FilledRun(disturbed_run.DisturbedRun):
  """A run on a small disk; what its processes say is on another."""

  def fill_for_a_while(self) -> str:
    """There is room again after the first failure; returns a fault, or ''."""
    process = self.start(disturbed_run.NAME)
    self._wait_for_moment(process)
    with self._full_disk() as fill:
      self._wait_for(process, lambda: fill() or 'this was 1' in self._said())
    step, _ = run_folders.newest(self.folder)
    self._wait_for(process, lambda: run_folders.newest(self.folder)[0] > step)
    code = self._end(process, [signal.SIGTERM])
    return self._fault_of_stop(process, code, [signal.SIGTERM])

  def fill_for_long(self) -> str:
    """There is none until the run has ended; returns a fault, or ''."""
    process = self.start(disturbed_run.NAME)
    self._wait_for_moment(process)
    with self._full_disk() as fill:
      step, _ = run_folders.newest(self.folder)
      self._wait_for(process, fill)
      self.disturbed += 1
      says = tiny_runs.sentence(self._said())
      if process.exitcode != os.EX_IOERR or 'Cannot ' not in says:
        return f'it ended with {process.exitcode} and {says!r}'
      if run_folders.newest(self.folder)[0] != step:
        return 'its newest checkpoint is another one'
      self._check_start()
      return self._fault_of_start()

  def _fault_of_start(self) -> str:
    """Starts the run on the full disk; returns what is not as it should be."""
    second = self.start(disturbed_run.NAME)
    second.join()
    says = tiny_runs.sentence(self._said())
    if second.exitcode not in (os.EX_CANTCREAT, os.EX_IOERR) or not says:
      return f'a second start ended with {second.exitcode} and {says!r}'
    return ''

  @contextlib.contextmanager
  def _full_disk(self):
    """Somebody else's file takes up all that is left.

    Yields a function that has it take what was given back meanwhile.
    """
    path = self.folder.parent / 'filler'
    with open(path, 'wb', buffering=0) as file:

      def fill():
        with contextlib.suppress(OSError):
          while file.write(BLOCK):
            pass

      fill()
      try:
        yield fill
      finally:
        path.unlink()

  def _said(self):
    return self.said(disturbed_run.NAME)


@contextlib.contextmanager
def _mounted(folder):
  """Mounts a tmpfs; yields why this cannot be done, or ''."""
  options = ['-t', 'tmpfs', '-o', f'size={BYTES}']
  process = subprocess.run(
    ['mount', *options, 'tmpfs', str(folder)], capture_output=True, text=True
  )
  if process.returncode:
    yield process.stderr.strip()
    return
  try:
    yield ''
  finally:
    subprocess.run(['umount', str(folder)], check=True)
