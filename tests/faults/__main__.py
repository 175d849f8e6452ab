"""Whether a run survives its faults: `python -m tests.faults --kills 200`.

Trains tiny networks in processes that are killed, interrupted, starved and
misled, in the ways that are asked for, and starts them again. Prints for each
way how often it was tried and survived, and what was lost.
"""

import argparse
import functools
import pathlib
import sys
import tempfile

from tests.faults import (
  clock,
  damage,
  full_disk,
  kills,
  limits,
  pairs,
  streams,
  system_calls,
  tiny_runs,
)

SECONDS_TO_STOP = 10
PART_IN_SAVE = 1 / 4  # Of the kills, half of which are aimed at one.
AGENTS = {'slac': tiny_runs.SLAC, 'alm': tiny_runs.ALM}
# Methods that try everything once, and those that try as often as they are told
# to, by their options.
ONCE = {
  'damage': (damage, "to every file of a run's folder, in seven ways"),
  'streams': (streams, 'closed, broken and full'),
  'clock': (clock, 'that jumps back by a day'),
  'limits': (limits, 'of memory and open files'),
}
COUNTED = {
  'pairs': (pairs, 'signals in pairs, at most 50 ms apart'),
  'fill': (full_disk, 'disks filled from outside while the run lives'),
  'calls': (system_calls, 'SIGKILLs at chosen system calls of a save'),
}


def main():
  """Runs the command line; exits with 1 if anything was lost."""
  arguments = _parser().parse_args()
  with tempfile.TemporaryDirectory() as root:
    # All of them are tried, whatever becomes of the first.
    outcomes = [trial() for trial in _trials(arguments, pathlib.Path(root))]
  sys.exit(not all(outcomes))


def _parser():
  parser = argparse.ArgumentParser(
    prog='python -m tests.faults', description=__doc__
  )
  parser.add_argument('--kills', type=int, default=0, help='SIGKILLs')
  parser.add_argument(
    '--agent',
    choices=AGENTS,
    default='slac',
    help='whose run meets kills, signals and full disks',
  )
  parser.add_argument(
    '--signals', type=int, default=0, help='SIGTERMs and SIGINTs, by turns'
  )
  parser.add_argument(
    '--full', type=int, default=0, help='disks that take only small files'
  )
  for option, (_, text) in COUNTED.items():
    parser.add_argument(f'--{option}', type=int, default=0, help=text)
  for option, (_, text) in ONCE.items():
    parser.add_argument(f'--{option}', action='store_true', help=text)
  parser.add_argument('--seed', type=int, default=0, help='of the moments')
  return parser


def _trials(arguments, root):
  """Yields functions that try what was asked for, each in its own folder."""
  asked = vars(arguments)
  counts = {name: asked[name] for name in ('kills', 'signals', 'full')}
  seed = arguments.seed
  if any(counts.values()):
    yield functools.partial(
      kills.survives,
      root / 'kills',
      AGENTS[arguments.agent],
      **counts,
      seed=seed,
      seconds_to_stop=SECONDS_TO_STOP,
      part_in_save=PART_IN_SAVE,
    )
  for option, (method, _) in COUNTED.items():
    if asked[option]:
      yield functools.partial(
        method.survives, root / option, asked[option], seed
      )
  for option, (method, _) in ONCE.items():
    if asked[option]:
      yield functools.partial(method.survives, root / option)


if __name__ == '__main__':
  main()
