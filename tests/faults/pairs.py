"""Signals in pairs, as terminals, shells and batch systems send them.

Whichever they are and however close, they are one request: the process ends
with the code of one of the two, and the last turn is in the checkpoint.
"""

import pathlib
import random

from slac.training import stopping
from tests.faults import disturbed_run, outcome, results

NAME = 'signals in pairs'
SECONDS = (0.005, 0.050)  # Between two of a pair, at most, by turns.


def survives(root: pathlib.Path, count: int, seed: int) -> bool:
  """Sends so many pairs to a run under `root`; returns if it survived all."""
  row = outcome.Outcome(NAME)
  run = disturbed_run.DisturbedRun(root, count, seed)
  choice = random.Random(seed)
  for number in range(count):
    pair = choice.choices(stopping.SIGNALS, k=2)
    gap = choice.uniform(0, SECONDS[number % 2])
    names = ' and '.join(s.name for s in pair)
    row.add(
      f'{names} after {1000 * gap:.1f} ms',
      'stopped and saved',
      run.interrupt(pair, gap, want_unsaved=number % 3 == 0),
    )
  run.finish(disturbed_run.NAME)
  if fault := results.faults(run.folder, run.finish('straight')):
    row.lost('the end of the run', fault)
  return row.report()
