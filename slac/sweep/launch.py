"""Runs commands a few at a time, and stops them so that they can continue."""

import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from slac import errors
from slac.environments import signals

_POLL_SECONDS = 0.2


class Launcher:
  """Runs named commands, `jobs` of them at a time.

  What tells a run to stop is passed on to those that run, no other is begun,
  and those are waited for; a second signal is passed on as well.
  """

  def __init__(self, jobs: int, logs: pathlib.Path, cwd: pathlib.Path):
    """Creates a launcher.

    Args:
      jobs: how many commands run at a time.
      logs: the folder to which each command's output is appended, as NAME.log.
      cwd: the folder in which they run.
    """
    self._jobs = jobs
    self._logs = logs
    self._cwd = cwd
    self._active = {}
    self._signal = None

  def run(self, commands: Mapping[str, Sequence[str]]) -> int:
    """Runs all commands; returns 0, or 128 + the signal that stopped them.

    Raises:
      UserError: 73 if a log cannot be written; the exit code of the first
        command that failed, when the others have ended.
    """
    with signals.handled(self._handle):
      return self._run(commands)

  def _run(self, commands):
    waiting, failed, ended = list(commands.items()), {}, 0
    while self._active or (waiting and not self._signal):
      while waiting and len(self._active) < self._jobs and not self._signal:
        self._start(*waiting.pop(0))
      time.sleep(_POLL_SECONDS)
      for name, process in list(self._active.items()):
        if process.poll() is None:
          continue
        del self._active[name]
        ended += 1
        code = process.returncode
        if code and not self._signal:
          failed[name] = code
        print(f'[{ended}/{len(commands)}] {name}: exit code {code}', flush=True)
    if self._signal:
      print('Stopped; the same command continues.')
      return 128 + self._signal
    if failed:
      name, code = next(iter(failed.items()))
      raise errors.UserError(
        f'{len(failed)} of {len(commands)} runs failed, the first with exit '
        f'code {code}: read {self._log(name)}, mend the fault, and repeat this '
        'command, which continues the others.',
        code if code > 0 else 128 - code,
      )
    return 0

  def _start(self, name, command):
    try:
      self._logs.mkdir(parents=True, exist_ok=True)
      with open(self._log(name), 'ab') as log:
        # It has a session of its own. A terminal's Ctrl-C would otherwise reach
        # it twice, and at the second it would not save.
        process = subprocess.Popen(
          command,
          cwd=self._cwd,
          stdin=subprocess.DEVNULL,
          stdout=log,
          stderr=subprocess.STDOUT,
          start_new_session=True,
        )
    except OSError as error:
      self._handle(signal.SIGTERM, None)
      raise errors.UserError(
        f'{self._log(name)} cannot be written or its command begun '
        f'({error.strerror}); choose another --root_dir.',
        73,
      ) from error
    self._active[name] = process
    print(f'{name}: begun, its output is in {self._log(name)}', flush=True)
    if self._signal:  # It came between the check and the start.
      process.send_signal(self._signal)

  def _log(self, name):
    return self._logs / f'{name}.log'

  def _handle(self, number, frame):
    del frame
    self._signal = number
    if self._active:
      text = f'Stopping {len(self._active)} runs, which save first.'
      print(text, file=sys.stderr, flush=True)
    for process in self._active.values():
      process.send_signal(number)
