"""Waits for what processes do, and sees whether their memory stays flat."""

import contextlib
import pathlib
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil

_MEGABYTES = 20.0  # That a process may grow by.
_SECONDS = 10.0  # Between two readings.
# What tells of a process what it is.
_KINDS = (
  'train_eval',
  'slac.sweep',
  'spawn_main',
  'forkserver',
  'gcs_server',
  'raylet/raylet',
)


def wait_until(
  find: Callable[[], Any],
  process: subprocess.Popen | None = None,
  log: pathlib.Path | None = None,
  seconds: float = 600.0,
) -> Any:
  """Returns what is found at last, unless a process ends before.

  Args:
    find: is asked until it returns what is true.
    process: what has to go on meanwhile, if anything.
    log: what it says, for whoever reads that it was waited for in vain.
    seconds: after so many something hangs, on a busy machine too.
  """
  deadline = time.monotonic() + seconds
  while not (found := find()):
    goes_on = process is None or process.poll() is None
    assert goes_on and time.monotonic() < deadline, log and log.read_text()
    time.sleep(0.05)
  return found


def stay_flat(process: subprocess.Popen, minutes: float) -> bool:
  """Prints memory and open files of a process and of all that it has begun.

  Those of its second fifth are compared with those of the last. What is not
  there in both, as one run of many, is not looked at. It is ended then.
  """
  begun, end = time.monotonic(), time.monotonic() + 60 * minutes
  readings: list[dict[int, tuple[float, int]]] = []
  titles: dict[int, str] = {}
  while time.monotonic() < end:
    time.sleep(_SECONDS)
    assert process.poll() is None, 'It has ended.'
    readings.append(_resources(process, titles))
  fifth, is_flat = len(readings) // 5, True
  parts = readings[fifth : 2 * fifth], readings[-fifth:]
  for pid, name in titles.items():
    found = [[each[pid] for each in part if pid in each] for part in parts]
    if not all(found):
      continue
    first, last = (np.max(part, axis=0) for part in found)
    memory, files = last - first
    is_flat &= memory < _MEGABYTES and files <= 0
    print(
      f'{name:<40}{first[0]:8.1f} MB, {first[1]:4.0f} files; then '
      f'{memory:+.1f} MB, {files:+.0f} files'
    )
  process.terminate()
  process.wait()
  print(f'after {(time.monotonic() - begun) / 60:.0f} minutes')
  return is_flat


def descendants(process: psutil.Process) -> list[psutil.Process]:
  """Returns what a process has begun; nothing if it is no longer there."""
  try:
    return process.children(recursive=True)
  except psutil.Error:
    return []


def title(process: psutil.Process) -> str:
  """Returns a process's command; '' if it is no longer there."""
  try:
    return ' '.join(process.cmdline())
  except psutil.Error:
    return ''


def _resources(process, titles):
  """Returns megabytes and open files by pid; notes in `titles` what each is."""
  own, found = psutil.Process(process.pid), {}
  for each in [own, *descendants(own)]:
    with contextlib.suppress(psutil.Error):
      found[each.pid] = each.memory_info().rss / 1e6, each.num_fds()
      titles[each.pid] = _name(title(each))
  return found


def _name(command):
  return next((kind for kind in _KINDS if kind in command), command[-40:])
