"""What collectors on a cluster stand: `python -m tests.cluster.campaign`.

With --soak, only whether the memory of all processes stays flat for so long.
Else first how many steps a second workers take in an environment of 50 ms a
step, by how many there are. Then a run whose workers and which itself are
killed, stopped and slowed at random moments, beside runs that nothing disturbs.
It exits with 1 if a step was lost or the policy learned worse.
"""

import argparse
import contextlib
import functools
import pathlib
import random
import signal
import sys
import tempfile
import time

import numpy as np

from tests import processes, run_folders
from tests.cluster import pace

_SLOW_SECONDS = 5.0  # Less than a worker may take to answer.
_SOLVED = 3.0  # A return of so many deviations below is worse.


def main():
  """Runs the command line."""
  parser = argparse.ArgumentParser(
    prog='python -m tests.cluster.campaign', description=__doc__
  )
  parser.add_argument('--soak', type=float, help='minutes')
  parser.add_argument('--speeds', type=int, nargs='*', default=[1, 2, 4, 8])
  parser.add_argument('--measured_seconds', type=float, default=40.0)
  parser.add_argument('--workers', type=int, default=4)
  parser.add_argument('--kills', type=int, default=20, help='of workers')
  parser.add_argument('--run_kills', type=int, default=5, help='of the run')
  parser.add_argument('--stops', type=int, default=1, help='for ever')
  parser.add_argument('--slow', type=int, default=1, help='stopped for 5 s')
  parser.add_argument('--seeds', type=int, default=5, help='not disturbed')
  parser.add_argument('--env_steps', type=int, default=6000)
  arguments = parser.parse_args()
  with tempfile.TemporaryDirectory() as root:
    if arguments.soak:
      sys.exit(not stays_flat(pathlib.Path(root), arguments.soak))
    for number in arguments.speeds:
      print_speed(pathlib.Path(root), number, arguments.measured_seconds)
    if arguments.seeds:
      sys.exit(not survives(pathlib.Path(root), arguments))


def print_speed(root: pathlib.Path, number: int, seconds: float):
  """Prints the steps per second of so many workers that act at random."""
  name = f'speed{number}'
  process = pace.start(
    root,
    name,
    f'Collection.workers = {number}',
    'Schedule.random_agent_steps = 1000000',
    'Schedule.env_steps = 2000000',
    'Replay.capacity = 1000000',
    'Schedule.eval_interval = 2000000',  # Workers wait meanwhile.
    seconds=0.05,
  )
  pace.wait_until(process, lambda: _heard(root / name) == number)
  before = _last(root / name)
  time.sleep(seconds)
  after = _last(root / name)
  process.terminate()
  process.wait()
  steps, took = (y - x for x, y in zip(before, after, strict=True))
  print(
    f'{number} workers: {steps / took:.1f} steps per second, '
    f'{steps / took / number:.2f} each',
    flush=True,
  )


def stays_flat(root: pathlib.Path, minutes: float) -> bool:
  """Returns whether a run with two workers keeps memory and files flat."""
  process = pace.start(
    root,
    'soak',
    *('Collection.workers = 2', 'Schedule.env_steps = 2000000'),
    seconds=0.05,
  )
  pace.wait_until(process, lambda: len(pace.at_work(process)) == 2)
  return processes.stay_flat(process, minutes)


def survives(root: pathlib.Path, arguments: argparse.Namespace) -> bool:
  """Disturbs a run; prints the outcome; returns whether all is well."""
  params = (
    f'Collection.workers = {arguments.workers}',
    f'Schedule.env_steps = {arguments.env_steps}',
  )
  returns = []
  for seed in range(arguments.seeds):
    process = pace.start(root, f'straight{seed}', *params, seed=seed)
    _succeed(process.wait(), root, f'straight{seed}')
    returns.append(_last_return(root / f'straight{seed}'))
  run = disturbed(root, params, arguments)
  _succeed(run.process.wait(), root, 'run')
  lengths = pace.episodes(root / 'run')
  cut = [n for own in lengths.values() for n in own[:-1] if n != pace.LENGTH]
  last = _last_return(root / 'run')
  mean, deviation = np.mean(returns), np.std(returns)
  steps = sum(map(sum, lengths.values()))
  table = {
    'workers killed, stopped, slowed; the run killed': (
      f'{arguments.kills}, {arguments.stops}, {arguments.slow}; '
      f'{arguments.run_kills}'
    ),
    'seconds until a killed worker is missed': _spread(run.seconds['missed']),
    'seconds until another is at work': _spread(run.seconds['replaced']),
    'seconds until a stopped one is replaced': _spread(run.seconds['stopped']),
    'steps asked for, in the replay': f'{arguments.env_steps}, {steps}',
    'episodes cut short': len(cut),
    'return in the end': f'{last:.1f}',
    'of runs not disturbed': f'{mean:.1f}, deviation {deviation:.1f}',
  }
  print('\n'.join(f'{name + ":":<50}{value}' for name, value in table.items()))
  is_whole = steps == arguments.env_steps
  return is_whole and last > mean - _SOLVED * max(deviation, 1.0)


class Disturbed:
  """A run whose workers have faults, and which is killed itself.

  Attributes:
    process: that of the last start.
    seconds: until a killed worker was missed, until another was at work, and
      until one was at work in place of a stopped one.
  """

  def __init__(self, root, params, number):
    self._begin = functools.partial(
      pace.start, root, 'run', *params, seconds=0.2
    )
    self._log = root / 'run.log'
    self._number = number
    self.process = self._begin()
    self.seconds: dict[str, list[float]] = {
      'missed': [],
      'replaced': [],
      'stopped': [],
    }

  def wait(self):
    """Waits until all workers are at work."""
    pace.wait_until(self.process, self._are_there)

  def kill_run(self, victim):
    """Kills the run, and continues it."""
    del victim
    self.process.kill()
    self.process.wait()
    self.process = self._begin()

  def kill(self, victim):
    """Kills a worker."""
    said, began = self._said(), time.monotonic()
    victim.kill()
    pace.wait_until(self.process, lambda: self._said() > said)
    self.seconds['missed'].append(time.monotonic() - began)
    pace.wait_until(self.process, lambda: self._are_there(without=victim))
    self.seconds['replaced'].append(time.monotonic() - began)

  def stop(self, victim):
    """Stops a worker for ever."""
    began = time.monotonic()
    victim.send_signal(signal.SIGSTOP)
    pace.wait_until(self.process, lambda: self._are_there(without=victim))
    self.seconds['stopped'].append(time.monotonic() - began)

  def slow(self, victim):
    """Stops a worker for a while, which nobody misses."""
    said = self._said()
    victim.send_signal(signal.SIGSTOP)
    time.sleep(_SLOW_SECONDS)
    victim.send_signal(signal.SIGCONT)
    assert self._said() == said

  def _are_there(self, without=None):
    there = pace.at_work(self.process)
    return without not in there and len(there) == self._number

  def _said(self):
    return self._log.read_text().count(' is lost ')


def disturbed(root, params, arguments) -> Disturbed:
  """Returns a run that has had all its faults."""
  chosen = random.Random(0)
  run = Disturbed(root, params, arguments.workers)
  faults = [run.kill] * arguments.kills + [run.kill_run] * arguments.run_kills
  faults += [run.stop] * arguments.stops + [run.slow] * arguments.slow
  chosen.shuffle(faults)
  for fault in faults:
    run.wait()
    time.sleep(chosen.uniform(0, 4))
    print(fault.__name__, flush=True)
    fault(chosen.choice(pace.at_work(run.process)))
  return run


def _succeed(code, root, name):
  if code:
    sys.exit((root / f'{name}.log').read_text())


def _heard(folder):
  """Returns of how many workers there has been a step."""
  with contextlib.suppress(FileNotFoundError):
    rows = run_folders.raw_table(folder, 'train')
    end = '/steps_per_second'
    return len(
      {k for row in rows for k, v in row.items() if v and k.endswith(end)}
    )
  return 0


def _last(folder):
  """Returns the agent steps and the time of the last row."""
  row = run_folders.raw_table(folder, 'train')[-1]
  return float(row['agent_steps']), float(row['wall_seconds'])


def _last_return(folder):
  return float(run_folders.table(folder, 'eval')[-1]['average_return'])


def _spread(seconds):
  if not seconds:
    return 'none'
  return f'{np.median(seconds):.1f} (at most {max(seconds):.1f})'


if __name__ == '__main__':
  main()
