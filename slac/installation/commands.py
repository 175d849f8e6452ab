"""The console scripts of an installed package, such as `slac-train`.

Each runs its module as `python -m` does, so that --help and a wrong flag are
answered before TensorFlow is loaded.
"""

import functools
import os
import sys


def _run(module: str) -> None:
  # -P: a file of the same name in the working directory is not meant.
  words = [sys.executable, '-P', '-m', module, *sys.argv[1:]]
  os.execv(sys.executable, words)


train = functools.partial(_run, 'train_eval')
play = functools.partial(_run, 'slac.play')
probe = functools.partial(_run, 'slac.probe')
doctor = functools.partial(_run, 'slac.doctor')
replication = functools.partial(_run, 'slac.replication')
sweep = functools.partial(_run, 'slac.sweep')
benchmark = functools.partial(_run, 'slac.benchmark')
