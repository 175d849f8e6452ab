"""Tells whether training can run on this machine: `python -m slac.doctor`.

With --gin_file it also tries the environment that these files choose.
Prints a line for each thing that it examines: PASS, FAIL with the remedy, or
NOTE for what training can do without. The exit code is 0 if no line says FAIL,
else 69. It also works where packages are missing, so it imports none of them at
its beginning.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pathlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence

from slac import errors
from slac.environments import processes
from slac.installation import packages, streams

CPU_INFO = pathlib.Path('/proc/cpuinfo')
NVIDIA = pathlib.Path('/proc/driver/nvidia/gpus')
# The paper's replay holds 100,000 steps of the agent, of 12,329 bytes each. The
# memory must hold TensorFlow and the networks, too; the disk must hold older
# steps, which only the last checkpoint but one needs, variables and logs.
REPLAY_BYTES = 100_000 * 12_329
MEMORY_BYTES = 3_170_000_000  # See docs/performance.md.
DISK_BYTES = 2 * REPLAY_BYTES
_SECONDS = 120  # How long loading a library may take.
_LATER = 'try again when the machine is not busy'
_INSTALL_GL = {
  'egl': 'apt-get install libegl1 libopengl0',
  'osmesa': 'apt-get install libosmesa6',
}

_TENSORFLOW = """
import json, slac, tensorflow as tf, tensorflow_probability, tf_agents
from slac.training import devices
print(json.dumps([name for name in devices.names() if name != 'CPU']))
"""
_FRAME = """
import slac, statistics, time
from dm_control import suite
from slac.environments import rendering
environment = suite.load('walker', 'walk')
environment.reset()
physics = environment.physics
renderer = rendering.Renderer(physics.model.ptr, 0, 512, 4)
seconds = []
for _ in range(20):
  start = time.perf_counter()
  pixels = renderer.render(physics.data.ptr)
  seconds.append(time.perf_counter() - start)
assert pixels.any(), 'the rendered image is black'
print(statistics.median(seconds))
"""


@dataclasses.dataclass(frozen=True)
class Finding:
  """What was found on one thing, and what to do about it."""

  verdict: str  # Is PASS, FAIL or NOTE.
  name: str
  text: str
  remedy: str = ''

  def __str__(self) -> str:
    remedy = f': {self.remedy}' if self.remedy else ''
    return f'{self.verdict}  {self.name:<22}  {self.text}{remedy}'


def main():
  """Runs the command line."""
  streams.guard()
  prog = 'python -m slac.doctor'
  parser = errors.ArgumentParser(prog=prog, description=__doc__)
  parser.add_argument('--root_dir', default='runs', help='the folder of runs')
  parser.add_argument(
    '--gin_file',
    action='append',
    default=[],
    help='a task, and its overlays, whose environment is tried',
  )
  parser.add_argument(
    '--allow_gin_imports',
    action='store_true',
    help='let gin files import modules, and so run their code',
  )
  arguments = parser.parse_args()
  sys.exit(report(**vars(arguments)))


def report(
  root_dir: str, gin_file: Sequence[str] = (), allow_gin_imports: bool = False
) -> int:
  """Prints all findings; returns the exit code."""
  failures = 0
  findings = examine(root_dir)
  if gin_file:
    tried = environment(gin_file, allow_gin_imports)
    findings = itertools.chain(findings, tried)
  for finding in findings:
    print(finding, flush=True)
    failures += finding.verdict == 'FAIL'
  if failures:
    print(f'Training cannot run here: mend what says FAIL ({failures}).')
    return os.EX_UNAVAILABLE
  print('Training can run here.')
  return 0


def examine(root_dir: str) -> Iterator[Finding]:
  """Yields each finding as soon as it is made."""
  yield python()
  yield from lock()
  yield address_space()
  yield from tensorflow()
  yield from graphics()
  yield from cpu(CPU_INFO.read_text() if CPU_INFO.exists() else '')
  yield memory()
  yield disk(pathlib.Path(root_dir))


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
  """Examines Python's version."""
  if fault := packages.python_fault(version):
    return Finding('FAIL', 'Python', fault, packages.NEW_PYTHON)
  return Finding('PASS', 'Python', '.'.join(map(str, version)))


def lock() -> Iterator[Finding]:
  """Compares what is installed with the lock."""
  faults = list(packages.faults())
  for name, found, pin in faults:
    text = f'{found or "missing"}, but {pin} is locked'
    yield Finding('FAIL', name, text, packages.INSTALL)
  if not faults:
    yield Finding('PASS', 'packages', f'{len(packages.pins())}, all as locked')


def address_space() -> Finding:
  """Examines the limit on this process's memory."""
  if fault := packages.address_space_fault():
    return Finding('FAIL', 'address space', fault, packages.MORE_SPACE)
  return Finding('PASS', 'address space', 'as much as TensorFlow maps')


def tensorflow() -> Iterator[Finding]:
  """Imports TensorFlow in a process of its own, and has it look for GPUs."""
  output, failure = processes.run_script(_TENSORFLOW, {}, _SECONDS)
  if failure:
    text = f'fails ({failure})'
    remedy = _LATER if processes.LATE in failure else packages.INSTALL
    yield Finding('FAIL', 'import of TensorFlow', text, remedy)
    return
  yield Finding('PASS', 'import of TensorFlow', 'works')
  if names := json.loads(output):
    yield Finding('PASS', 'GPU', ', '.join(names))
  elif NVIDIA.is_dir() and any(NVIDIA.iterdir()):
    text = 'there is one, but TensorFlow cannot use it'
    remedy = f'{packages.INSTALL} -r requirements-gpu.txt'
    yield Finding('NOTE', 'GPU', text, remedy)
  else:
    yield Finding('NOTE', 'GPU', 'none: the CPU does everything')


def graphics() -> Iterator[Finding]:
  """Renders walker at 64x64 with each GL library, in a process of its own."""
  try:
    from slac.environments import rendering
  except ImportError as error:
    text = f'cannot be tried without {error.name}'
    yield Finding('FAIL', 'rendering', text, packages.INSTALL)
    return
  asked = rendering.asked_backend()
  tried = {
    name: processes.run_script(_FRAME, rendering.settings_of(name), _SECONDS)
    for name in dict.fromkeys([asked or 'egl', *rendering.BACKENDS])
  }
  chosen = [asked] if asked else rendering.BACKENDS
  works = any(not tried[name][1] for name in chosen)
  for name, (seconds, failure) in tried.items():
    if not failure:
      text = f'{1e3 * float(seconds):.1f} ms for a frame of 64x64'
      yield Finding('PASS', f'rendering, {name}', text)
    else:
      verdict = 'FAIL' if name in chosen and not works else 'NOTE'
      remedy = _INSTALL_GL.get(name, 'choose egl or osmesa')
      if 'ModuleNotFoundError' in failure:
        remedy = packages.INSTALL
      elif processes.LATE in failure:
        remedy = _LATER
      elif name == asked:
        remedy += ', or unset MUJOCO_GL'
      yield Finding(verdict, f'rendering, {name}', failure, remedy)


def environment(
  gin_files: Sequence[str], allow_imports: bool
) -> Iterator[Finding]:
  """Takes steps in the environment of gin files, and checks them."""
  try:
    from slac.training import trial

    name, notes = trial.environment(gin_files, allow_imports)
  except ImportError as error:
    text = f'cannot be tried without {error.name}'
    yield Finding('FAIL', 'environment', text, packages.INSTALL)
    return
  except errors.UserError as error:
    yield Finding('FAIL', 'environment', errors.message_of(error))
    return
  for note in notes:
    yield Finding('NOTE', 'environment', note)
  yield Finding('PASS', 'environment', f'{name}: {trial.STEPS} steps are well')


def cpu(info: str) -> Iterator[Finding]:
  """Looks in /proc/cpuinfo for the instructions that make training fast."""
  if platform.machine() != 'x86_64':
    yield Finding('NOTE', 'CPU', f'{platform.machine()}, which is untried')
    return
  flags = set(info.split())
  for name, flag, without in (
    ('AVX2', 'avx2', 'training is several times slower'),
    ('AVX512-BF16', 'avx512_bf16', 'float32 is used, unless there is AMX'),
    ('AMX', 'amx_bf16', "float32 is used, unless it is AMD's with AVX512-BF16"),
  ):
    there = flag in flags
    text = 'there' if there else f'not there: {without}'
    yield Finding('PASS' if there else 'NOTE', f'CPU, {name}', text)


def memory() -> Finding:
  """Compares the free memory with that of a run with the paper's replay."""
  try:
    from slac.training import memory
  except ImportError as error:
    text = f'cannot be measured without {error.name}'
    return Finding('FAIL', 'memory', text, packages.INSTALL)
  free = memory.available()
  text = (
    f'{free / 1e9:.1f} GB free, a run takes {MEMORY_BYTES / 1e9:.1f} GB, '
    f"{REPLAY_BYTES / 1e9:.1f} GB of it the paper's replay"
  )
  if free >= MEMORY_BYTES:
    return Finding('PASS', 'memory', text)
  remedy = 'free some, or lower Replay.capacity (12.3 KB a step)'
  return Finding('FAIL', 'memory', text, remedy)


def disk(root_dir: pathlib.Path) -> Finding:
  """Writes to the disk of the runs, and compares its space with the need."""
  name = f'disk of {root_dir}'
  try:
    place = root_dir.resolve()
    while not place.exists():
      place = place.parent
    with tempfile.TemporaryFile(dir=place):
      free = shutil.disk_usage(place).free
  except OSError as error:
    text = f'cannot be written ({error.strerror})'
    return Finding('FAIL', name, text, 'choose another --root_dir')
  text = f'{free / 1e9:.1f} GB free, a run takes {DISK_BYTES / 1e9:.1f} GB'
  if free >= DISK_BYTES:
    return Finding('PASS', name, text)
  remedy = 'make room, or choose another --root_dir'
  return Finding('FAIL', name, text, remedy)


if __name__ == '__main__':
  main()
