"""Shows all trials of a sweep in one table, and ends the sweep when told to."""

import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

import ray
from ray import tune
from ray.tune import result as keys
from ray.util import scheduling_strategies

from slac.environments import signals
from slac.sweep import trial as trials_

_TABLE_SECONDS = 60.0
_RETRIES = 20  # On other nodes, or where the system has killed a process.
# At which Tune stores what it knows, and ends.
_TUNE_INTERRUPT = signal.SIGUSR1
_COLUMNS = ('task', 'variant', 'seed', 'phase', 'steps', 'return', 'time left')


class Board(tune.Callback):
  """Prints the table each minute.

  At the first signal to stop all trials save, which is waited for; a second one
  ends the sweep with what is stored, unless it comes within a second.
  """

  def __init__(self, rungs: Sequence[tuple[float, dict[str, float]]] = ()):
    """Creates a board.

    Args:
      rungs: the steps at which trials are compared, and the returns of those
        that have come there. Tune stores what it knows of trials, and of a
        callback, but not of what decides which are stopped.
    """
    self._rungs = rungs
    # Its node is the driver's, without which there is no sweep.
    here = scheduling_strategies.NodeAffinitySchedulingStrategy(
      ray.get_runtime_context().get_node_id(), soft=False
    )
    self._flag = (
      ray.remote(trials_.StopFlag)
      .options(name=trials_.STOP_FLAG, num_cpus=0, scheduling_strategy=here)
      .remote()
    )
    self._printed = time.monotonic()
    self._told = False
    self.signal: int | None = None
    self._when = 0.0  # The signal came, by the monotonic clock.

  def get_state(self) -> dict[str, Any] | None:
    """Is called by Tune when it stores what it knows."""
    return {'rungs': list(self._rungs)} if self._rungs else None

  def set_state(self, state: dict[str, Any]):
    """Is called by Tune when a sweep is continued."""
    pairs = zip(self._rungs, state['rungs'], strict=True)
    for (_, returns), (_, stored) in pairs:
      returns.update(stored)

  def heed(self, number: int, frame: Any):
    """Is the handler of the signals."""
    del frame
    now = time.monotonic()
    if not self.signal:
      print('Stopping all runs, which save first.', file=sys.stderr, flush=True)
      self.signal, self._when = number, now
    elif now - self._when >= signals.SECONDS_AS_ONE:
      os.kill(os.getpid(), _TUNE_INTERRUPT)

  def on_trial_start(self, iteration, trials, trial, **info):
    """Is called by Tune when a trial begins anywhere."""
    trial.max_failures = _RETRIES

  def on_trial_result(self, iteration, trials, trial, result, **info):
    """Is called by Tune with what `Trial.step` returns."""
    if 'fault' in result:  # It would be the same on another node.
      trial.max_failures = 0

  def on_trial_recover(self, iteration, trials, trial, **info):
    """Is called by Tune when a trial's node or process was lost."""
    name = trial.config['run']['name']
    print(f'{name} was lost with its node or process, and goes on.', flush=True)

  def on_step_end(self, iteration, trials, **info):
    """Is called by Tune several times a second, or whenever there is news."""
    if self.signal:
      if not self._told:
        self._flag.set.remote()
        self._told = True
      running = [trial for trial in trials if trial.status == 'RUNNING']
      if all(_has_saved(trial.last_result or {}) for trial in running):
        os.kill(os.getpid(), _TUNE_INTERRUPT)
    elif time.monotonic() - self._printed > _TABLE_SECONDS:
      self.show(trials)

  def show(self, trials: Sequence[Any]):
    """Prints the table now."""
    print(table(trials), flush=True)
    self._printed = time.monotonic()


def table(trials: Sequence[Any]) -> str:
  """Returns a line for each trial, under a line of titles."""
  rows = [_COLUMNS, *map(_row, trials)]
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  return '\n'.join(
    '  '.join(map(str.ljust, row, widths)).rstrip() for row in rows
  )


def _row(trial) -> tuple[str, ...]:
  run, last = trial.config['run'], trial.last_result or {}
  phase = last.get('phase', 'running')
  if last.get('stopped'):
    phase = 'saved'
  elif trial.status in ('PENDING', 'PAUSED'):
    phase = 'waiting'
  elif trial.status == 'ERROR':
    phase = 'failed'
  elif trial.status == 'TERMINATED' and phase != 'finished':
    phase = 'stopped early'
  score = last.get('average_return', math.nan)
  return (
    *(run['task'], run['variant'], str(run['seed']), phase),
    f'{last.get("env_steps", 0):,}',
    '' if math.isnan(score) else f'{score:.1f}',
    _duration(last.get('seconds_left', math.nan)),
  )


def _duration(seconds: float) -> str:
  if math.isnan(seconds):
    return ''
  hours, minutes = divmod(round(seconds / 60), 60)
  return f'{hours}:{minutes:02d} h'


def _has_saved(last) -> bool:
  return bool(last.get('stopped')) and not last.get(keys.SHOULD_CHECKPOINT)
