"""Limits of memory and of open files, as `ulimit` and control groups set them.

A run that was stopped is continued under each limit. It comes to its end or
says in a sentence what is not enough; a control group's limit kills it. Without
the limit it then comes to the end of a run that had none.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from tests.faults import outcome, results, tiny_runs

NAME = 'limits'
AGENT_STEPS = 190  # The next evaluation would be after 200.
KILOBYTES = (1_000_000, 2_000_000, 4_000_000, 8_000_000)  # Of address space.
FILES = (16, 32, 64, 128, 256)
GROUP_MEGABYTES = (200, 400, 600, 800)
GROUP = 'slac-faults'
COPY = 'limited'
SECONDS = 180  # Without a limit it takes 20; a machine may be busy.


def survives(root: pathlib.Path) -> bool:
  """Limits copies of a run under `root`; returns if it survived all."""
  row = outcome.Outcome(NAME)
  runs = tiny_runs.TinyRuns(root, AGENT_STEPS)
  stopped = runs.stop_late('stopped')
  shutil.copytree(stopped, runs.folder_of('straight'))
  straight = runs.finish('straight')

  def attempt(trial, limit):
    shutil.copytree(stopped, runs.folder_of(COPY))
    way, fault = _try(runs, limit)
    fault = fault or results.faults(runs.finish(COPY), straight)
    row.add(trial, way, fault)
    shutil.rmtree(runs.folder_of(COPY))

  for limit in [f'-v {n}' for n in KILOBYTES] + [f'-n {n}' for n in FILES]:
    attempt(f'ulimit {limit}', f'ulimit {limit}')
  with _control_group() as group:
    if not group:
      outcome.not_tried('control groups', 'none of memory can be made here')
    for megabytes in GROUP_MEGABYTES if group else ():
      group.limit.write_text(f'{megabytes << 20}')
      attempt(f'a group of {megabytes} MB', f'echo $$ >{group.processes}')
  return row.report()


def _try(runs, limit) -> tuple[str, str]:
  """Continues a run under a limit; returns how it survived, and a fault."""
  try:
    process = subprocess.run(
      ['bash', '-c', f'{limit}; exec "$@"', 'bash', *runs.command(COPY)],
      cwd=tiny_runs.REPOSITORY,
      timeout=SECONDS,
      capture_output=True,
      text=True,
    )
  except subprocess.TimeoutExpired as late:
    says = (late.stderr or b'').decode().splitlines()[-1:]
    return '', f'it hangs with {says}'
  code = process.returncode
  if code == 0:
    return 'came to its end', ''
  if code == -signal.SIGKILL:
    return 'was killed by the kernel', ''
  if code >= os.EX_USAGE and tiny_runs.sentence(process.stderr):
    return 'ended with a sentence', ''
  return '', f'exit code {code} with {process.stderr.splitlines()[-1:]}'


class Group(NamedTuple):
  """Files of a control group: its limit in bytes, and its processes."""

  limit: pathlib.Path
  processes: pathlib.Path


@contextlib.contextmanager
def _control_group() -> Iterator[Group | None]:
  """Makes a group within that of this process; yields None if it cannot."""
  folders = {
    '': ('/sys/fs/cgroup', 'memory.max'),
    'memory': ('/sys/fs/cgroup/memory', 'memory.limit_in_bytes'),
  }
  for line in pathlib.Path('/proc/self/cgroup').read_text().splitlines():
    _, controllers, path = line.split(':', 2)
    if controllers not in folders:
      continue
    parent, limit = folders[controllers]
    group = pathlib.Path(f'{parent}{path}', GROUP)
    try:
      group.mkdir()
    except OSError:
      continue
    try:
      if (group / limit).exists():
        yield Group(group / limit, group / 'cgroup.procs')
        return
    finally:
      group.rmdir()
  yield None
