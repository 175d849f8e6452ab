"""SIGKILLs, SIGTERMs and SIGINTs, and disks that take only small files.

One run meets them all, and a second process tries to work in its folder. In the
end all that it has computed and logged must equal, byte for byte, what a run
leaves that nobody has disturbed.
"""

import math
import pathlib
import signal

from tests.faults import disturbed_run, results, tiny_runs


def survives(
  root: pathlib.Path,
  kind: tiny_runs.Kind,
  kills: int,
  signals: int,
  full: int,
  seed: int = 0,
  seconds_to_stop: float = math.inf,
  part_in_save: float = 0.0,
) -> bool:
  """Disturbs a run under `root`; prints the outcome; returns if all is well.

  Args:
    root: An empty folder.
    kind: What kind of run it is.
    kills: How many SIGKILLs there are, half of them aimed at a save.
    signals: How many SIGTERMs and SIGINTs there are, after which the very last
      turn must be in the checkpoint.
    full: How often the disk is full, until the run gives up.
    seed: Decides the moments.
    seconds_to_stop: How long a stop by a signal may take. By default it may
      take as long as it does, as a busy machine has no say in whether anything
      was lost.
    part_in_save: What part of the kills must have hit a save; by default none,
      for the same reason.
  """
  run = disturbed_run.DisturbedRun(root, kills + signals + full, seed, kind)
  for number in range(signals):
    run.interrupt(
      [(signal.SIGTERM, signal.SIGINT)[number % 2]],
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
  run.finish(disturbed_run.NAME)
  straight = run.finish('straight')
  found, expected = results.checksum(run.folder), results.checksum(straight)
  rest = results.leftovers(run.folder)
  points = results.contradictions(run.folder)
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
    and run.in_save >= part_in_save * kills
  )
