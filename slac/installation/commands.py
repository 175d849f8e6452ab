"""The console scripts of an installed package, such as `slac-train`.

Each runs its module as `python -m` does, so that --help and a wrong flag are
answered before TensorFlow is loaded.
"""

import os
import sys


def train() -> None:
  """Runs `train_eval.py`."""
  _run('train_eval')


def play() -> None:
  """Runs `slac.play`."""
  _run('slac.play')


def probe() -> None:
  """Runs `slac.probe`."""
  _run('slac.probe')


def doctor() -> None:
  """Runs `slac.doctor`."""
  _run('slac.doctor')


def replication() -> None:
  """Runs `slac.replication`."""
  _run('slac.replication')


def sweep() -> None:
  """Runs `slac.sweep`."""
  _run('slac.sweep')


def benchmark() -> None:
  """Runs `slac.benchmark`."""
  _run('slac.benchmark')


def _run(module: str) -> None:
  # -P: a file of the same name in the working directory is not meant.
  words = [sys.executable, '-P', '-m', module, *sys.argv[1:]]
  os.execv(sys.executable, words)
