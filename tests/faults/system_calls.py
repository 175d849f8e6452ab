"""Kills at chosen system calls of a save, by strace's injection.

strace first counts the calls of a save in a process at work. Then each life is
ended just before a write, an fsync, a rename and so on, each time another one.
"""

import collections
import pathlib
import re
import shutil
import signal
import subprocess
import time

from tests.faults import disturbed_run, outcome, results

NAME = 'kills at system calls'
CALLS = ('write', 'fsync', 'rename', 'mkdir', 'rmdir', 'unlink', 'unlinkat')
SECONDS_OF_PROBE = 1


def survives(root: pathlib.Path, count: int, seed: int) -> bool:
  """Kills a run under `root` so many times; returns if it survived all."""
  if fault := _strace_fault():
    return outcome.not_tried(NAME, fault)
  row = outcome.Outcome(NAME)
  run = TracedRun(root, count + 1, seed)  # The first life is for counting.
  for call, number in _spread(run.calls_of_a_save(), count):
    in_save, wrong_resumes = run.in_save, run.wrong_resumes
    fault = run.kill_at(call, number)
    if run.wrong_resumes > wrong_resumes:
      fault = 'it had not begun at the newest checkpoint'
    way = '' if run.in_save > in_save else ' between saves'
    row.add(f'{call} number {number}', f'{call}{way}', fault)
  run.finish(disturbed_run.NAME)
  if fault := results.faults(run.folder, run.finish('straight')):
    row.lost('the end of the run', fault)
  return row.report()


class TracedRun(disturbed_run.DisturbedRun):
  """A run whose processes are traced from the beginning of their loop."""

  def calls_of_a_save(self) -> dict[str, int]:
    """Returns how many calls of each kind there are from save to save."""
    trace = self.root / 'trace'
    trace.touch()

    def saves():
      lines = trace.read_text().splitlines()
      return [n for n, line in enumerate(lines) if _begins_save(line)]

    process, tracer = self._traced([], trace)
    # From the third on, a save also removes a checkpoint.
    self._wait_for(process, lambda: len(saves()) > 3)
    _, _, begin, end, *_ = saves()
    self._end(process, [signal.SIGTERM])
    tracer.wait()
    self._check_start()
    lines = trace.read_text().splitlines()[begin:end]
    calls = re.findall(r'^\d+ +(\w+)\(', '\n'.join(lines), re.M)
    return dict(collections.Counter(calls))

  def kill_at(self, call: str, number: int) -> str:
    """Starts the run and kills it at a call; returns what went wrong, or ''."""
    inject = ['-e', f'inject={call}:signal=KILL:when={number}']
    process, tracer = self._traced(inject, '/dev/null')
    process.join()
    tracer.wait()
    self.disturbed += 1
    self.in_save += bool(self._half_saved())
    self._check_start()
    code = process.exitcode
    return '' if code == -signal.SIGKILL else f'it ended with {code}'

  def _traced(self, inject, trace):
    """Starts the run, and strace when its loop begins."""
    process = self.start(disturbed_run.NAME)
    self._wait_for(process, lambda: self._has_begun(process))
    tracer = subprocess.Popen(_strace(process.pid, inject, trace))
    return process, tracer


def _strace(process_id, inject, trace):
  calls = ['-e', f'trace={",".join(CALLS)}']
  ends = ['-o', str(trace), '-p', str(process_id)]
  return ['strace', '-f', '-qq', *calls, *inject, *ends]


def _begins_save(line):
  # TensorFlow then tries to make the folder, too, and others within.
  return re.search(r' mkdir\(".*/tmp-checkpoint-[\d-]+", .* = 0$', line)


def _spread(calls: dict[str, int], count: int) -> list[tuple[str, int]]:
  """Returns so many of all calls, evenly spread, first of each kind first."""
  moments = [
    (call, number)
    for call, total in calls.items()
    for number in range(1, total + 1)
  ]
  return [moments[i * len(moments) // count] for i in range(count)]


def _strace_fault() -> str:
  """Returns why strace cannot be used here, or ''."""
  if not shutil.which('strace'):
    return 'there is no strace'
  with subprocess.Popen(['sleep', '60']) as sleeper:
    command = _strace(sleeper.pid, [], '/dev/null')
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
      time.sleep(SECONDS_OF_PROBE)
      may = tracer.poll() is None
      sleeper.kill()
      said = tracer.stderr.read().strip()
  return '' if may else said
