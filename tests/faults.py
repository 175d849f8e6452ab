"""Whether a run survives its faults: `python -m tests.faults --kills 200`.

Trains tiny networks as a process that is killed (SIGKILL) at random times, at
least a quarter of them during a save, and started again each time. In the end
all that it has computed and logged must equal, byte for byte, what a run leaves
that nobody has disturbed. `--signals 20` are SIGTERM and SIGINT, after which
the very last turn must be in the checkpoint, within ten seconds. `--full 2`
starts it on a disk that takes only small files, until it gives up.
"""

import argparse
import hashlib
import itertools
import json
import math
import pathlib
import signal
import sys
import tempfile

from tests import disturbed_run, event_files, run_folders

SECONDS_TO_STOP = 10


def checksum(folder: pathlib.Path) -> str:
  """One sha256 over all that a run has computed and logged."""
  content = {
    'state': run_folders.digests(folder),
    'tables': [run_folders.table(folder, name) for name in ('train', 'eval')],
    'points': event_files.points(folder),
    'pictures': {
      path.name: hashlib.sha256(path.read_bytes()).hexdigest()
      for path in sorted((folder / 'videos').iterdir())
    },
  }
  return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def contradictions(folder: pathlib.Path) -> int:
  """Counts the steps in the logs that do not come after the one before."""
  sequences = [
    [disturbed_run.turns(row) for row in run_folders.table(folder, name)]
    for name in ('train', 'eval')
  ]
  sequences += event_files.points(folder).values()
  return sum(
    b <= a for steps in sequences for a, b in itertools.pairwise(steps)
  )


def leftovers(folder: pathlib.Path) -> list[str]:
  """Files that no run leaves at its end, and that nothing refers to."""
  checkpoints = folder / 'checkpoints'
  needed = {
    segment['name']
    for manifest in checkpoints.glob('*/manifest.json')
    for segment in json.loads(manifest.read_text())['segments']
  }
  found = [p.name for p in folder.rglob('*') if 'tmp' in p.name]
  found += [p.name for p in checkpoints.glob('damaged-*')]
  return found + [
    p.name for p in (checkpoints / 'replay').iterdir() if p.name not in needed
  ]


def main():
  """Runs the command line; exits with 1 if anything was lost."""
  parser = argparse.ArgumentParser(
    prog='python -m tests.faults', description=__doc__
  )
  parser.add_argument('--kills', type=int, default=0, help='SIGKILLs')
  parser.add_argument(
    '--signals', type=int, default=0, help='SIGTERMs and SIGINTs, by turns'
  )
  parser.add_argument('--full', type=int, default=0, help='full disks')
  parser.add_argument('--seed', type=int, default=0, help='of the moments')
  arguments = parser.parse_args()
  with tempfile.TemporaryDirectory() as root:
    ok = survives(
      pathlib.Path(root), **vars(arguments), seconds_to_stop=SECONDS_TO_STOP
    )
  sys.exit(not ok)


def survives(
  root: pathlib.Path,
  kills: int,
  signals: int,
  full: int,
  seed: int = 0,
  seconds_to_stop: float = math.inf,
) -> bool:
  """Disturbs a run under `root`; prints the outcome; returns if all is well.

  Args:
    root: An empty folder.
    kills: How many SIGKILLs there are.
    signals: How many SIGTERMs and SIGINTs there are.
    full: How often the disk is full.
    seed: Decides the moments.
    seconds_to_stop: How long a stop by a signal may take. By default it may
      take as long as it does, as a busy machine has no say in whether anything
      was lost.
  """
  run = disturbed_run.DisturbedRun(
    root, 200 + 25 * (kills + signals + full), seed
  )
  for number in range(signals):
    run.interrupt(
      (signal.SIGTERM, signal.SIGINT)[number % 2],
      in_start=number % 5 == 4,
      # By itself it often falls into a save, or before the first turn.
      want_unsaved=number % 3 == 0,
    )
  # While there are turns enough left for three attempts to save.
  for _ in range(full):
    run.fill_disk()
  # Every second one is aimed at a save, as not all of these hit theirs.
  for number in range(kills):
    run.kill(want_save=bool(number % 2), try_second=number == 0)
  run.finish(run.folder.name)
  run.finish('straight')
  found, expected = checksum(run.folder), checksum(root / 'straight')
  rest = leftovers(run.folder)
  points = contradictions(run.folder)
  table = {
    'kills, of them during a save': f'{kills}, {run.in_save}',
    'signals, of them during the start': f'{signals}, {run.in_start}',
    'seconds from a signal to the end, at most': f'{run.slowest_stop:.1f}',
    'signals after which the last turn was not saved': run.unsaved,
    'full disks, not met with patience': f'{full}, {run.impatient}',
    'second processes that were not refused': run.intruders,
    'starts from another than the newest checkpoint': run.wrong_resumes,
    'turns, seconds repeated after a kill, at most': (
      f'{run.turns_repeated:.0f}, {run.most_seconds_repeated:.1f}'
    ),
    'kills that cost more than a checkpoint interval': run.excess_repeats,
    'contradicting points in the logs': points,
    'leftovers on the disk': ', '.join(rest) or 0,
    'sha256 of the end': found,
    'sha256 without faults': expected,
  }
  print('\n'.join(f'{name + ":":<50}{value}' for name, value in table.items()))
  return (
    found == expected
    and not rest
    and not points
    and not run.unsaved
    and not run.impatient
    and not run.intruders
    and not run.wrong_resumes
    and not run.excess_repeats
    and run.slowest_stop < seconds_to_stop
    and run.in_save >= kills / 4
  )


if __name__ == '__main__':
  main()
