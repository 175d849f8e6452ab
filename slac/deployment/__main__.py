"""Measures how long an action takes: `python -m slac.deployment DIR`.

DIR is an exported policy. It acts on a random observation, again and again, and
this prints the median and the 99th percentile of the time per
action: that which passes, and that which processors work, which others on the
machine do not lengthen as much. `taskset -c 0` before it has it measure on one
core.
"""

import os
import pathlib
import time

from slac import errors
from slac.installation import streams

PROGRAM = 'slac.deployment'


def parse_arguments():
  """Returns the flags."""
  parser = errors.ArgumentParser(
    prog='python -m slac.deployment', description=__doc__
  )
  parser.add_argument('folder', type=pathlib.Path, help='an exported policy')
  parser.add_argument(
    '--actions', type=errors.count, default=1000, help='how many'
  )
  return parser.parse_args()


if __name__ == '__main__':
  streams.guard()
  parse_arguments()  # TensorFlow takes seconds.

import numpy as np

from slac import deployment


def main():
  """Runs the command line."""
  arguments = parse_arguments()
  with errors.reported_by(PROGRAM):
    policy = deployment.load(arguments.folder)
    seconds = measure(policy, arguments.actions)
    for name, values in zip(('passing', 'working'), seconds.T, strict=True):
      p50, p99 = 1000 * np.percentile(values, [50, 99])
      print(f'{name}: {p50:.2f} ms (p50), {p99:.2f} ms (p99)')
    print(
      f'{arguments.actions:,} actions on {len(os.sched_getaffinity(0))} of '
      f'{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}'
    )


def measure(policy: deployment.Policy, num_actions: int) -> np.ndarray:
  """Returns the seconds that each action takes, `[num_actions, 2]`.

  They are those that pass and those that processors work; a few actions before
  them warm up.
  """
  rng = np.random.default_rng(0)
  specs = policy.about['observation'].items()
  observation = {
    name: rng.integers(0, 256, spec['shape']).astype(spec['dtype'])
    for name, spec in specs
  }
  state = policy.initial_state()
  seconds = []
  for _ in range(20 + num_actions):
    start = np.array([time.perf_counter(), time.process_time()])
    _, state = policy(observation, state)
    end = np.array([time.perf_counter(), time.process_time()])
    seconds.append(end - start)
  return np.stack(seconds[-num_actions:])


if __name__ == '__main__':
  main()
