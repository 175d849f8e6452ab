"""Estimates how long the runs of a sweep take on this machine.

What has run here with the same settings tells it best. Other settings are
measured for a minute.
"""

import ast
import collections
import json
import os
import pathlib
from collections.abc import Iterator, Sequence

from slac import errors
from slac.benchmark import run_time
from slac.environments import processes
from slac.sweep import checking, pace, plan

_MEASURING_SECONDS = 600  # At most, on a busy machine.


class Estimator:
  """Estimates the hours of one experiment after another."""

  def __init__(self, root: pathlib.Path, may_measure: bool):
    """Reads the runs in a folder."""
    self._root = root
    self._may_measure = may_measure
    self._runs = pace.read(root)
    self._measured = {}

  @property
  def damaged(self) -> list[str]:
    """What is wrong with the runs that tell nothing, in sentences."""
    return self._runs.damaged

  def needs_measuring(self, item: checking.Experiment) -> bool:
    """Whether neither a run nor a measurement tells how long it takes."""
    is_told = _size(item) in self._measured or self._by_runs(item) is not None
    return self._may_measure and not is_told

  def hours(self, item: checking.Experiment) -> tuple[float | None, str]:
    """Returns the hours of a run, and what they rest on.

    They are None if nothing could be measured; the text then says why.
    """
    hours = self._by_runs(item)
    if hours is not None:
      return hours, f'the pace of runs in {self._root} with the same settings'
    if not self._may_measure:
      return None, f'no run in {self._root} has the same settings'
    if self.needs_measuring(item):
      self._measured[_size(item)] = _measure(item.command)
    seconds, text = self._measured[_size(item)]
    if not seconds:
      return None, text
    return run_time.hours(item.schedule, item.settings, seconds), text

  def left(
    self, command: plan.Command, item: checking.Experiment, hours: float
  ) -> float:
    """Returns how many of a run's hours are left."""
    total = sum(run_time.agent_steps(item.schedule, item.settings))
    if self._runs.finished.get(command.name, 0) > total:
      return 0.0
    return max(0.0, hours - self._runs.spent.get(command.name, 0.0))

  def _by_runs(self, item):
    found = self._runs.paces.get(frozenset(item.settings.items()))
    return found and found.hours(item.schedule, item.settings)


def lines(
  commands: Sequence[plan.Command],
  experiments: Sequence[checking.Experiment],
  root: pathlib.Path,
  may_measure: bool,
) -> Iterator[str]:
  """Yields how many hours the commands take, and what that rests on.

  Args:
    commands: the runs.
    experiments: what each of them trains.
    root: the folder of runs.
    may_measure: whether to measure what no run tells.
  """
  estimator = Estimator(root, may_measure)
  if damaged := estimator.damaged:
    yield f'{_runs(len(damaged))} passed over: {errors.listed(damaged, " ")}'
  total, left, known, unknown = 0.0, 0.0, *(collections.Counter() for _ in 'ab')
  for command, item in zip(commands, experiments, strict=True):
    if estimator.needs_measuring(item):
      yield f'Measuring for a minute how long {item.command.name} takes ...'
    hours, text = estimator.hours(item)
    if hours is None:
      unknown[text] += 1
      continue
    known[text] += 1
    total += hours
    left += estimator.left(command, item, hours)
  if known:
    yield (
      f'{_runs(known.total())}: {total:.1f} hours on this machine, one after '
      f'another, of which {left:.1f} are left.'
    )
  for text, number in known.items():
    yield f'For {_runs(number)} this rests on {text}.'
  for text, number in unknown.items():
    yield f'The hours of {_runs(number)} are unknown: {text}.'


def _runs(number: int) -> str:
  return '1 run' if number == 1 else f'{number} runs'


def _size(item: checking.Experiment) -> frozenset[tuple[str, str]]:
  """Returns the settings that decide how long an update takes.

  Schedules are counted, a number with a point is a rate or the like, and of the
  environments with images of one size only the first is measured: most of the
  time goes into updates.
  """
  return frozenset(
    (name, text)
    for name, text in item.settings.items()
    if name == 'Schedule.batch_size'
    or name.endswith('.image_size')
    or (
      not name.startswith('Schedule.')
      and not name.split('.')[0].endswith('Environment')
      and not _is_float(text)
    )
  )


def _is_float(text: str) -> bool:
  try:
    return type(ast.literal_eval(text)) is float
  except (ValueError, SyntaxError):
    return False


def _measure(command: plan.Command) -> tuple[dict[str, float] | None, str]:
  """Measures the parts of a run in a process, whose memory it gives back.

  Returns:
    Their seconds, or None, and what they rest on, or why there are none.
  """
  arguments = (
    command.gin_files,
    command.gin_params,
    command.allow_gin_imports,
  )
  script = f'from slac.benchmark import run_time\nrun_time.main(*{arguments!r})'
  load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
  output, fault = processes.run_script(script, {}, _MEASURING_SECONDS)
  if fault:
    return None, f'measuring {command.name} failed ({fault})'
  seconds = json.loads(output.splitlines()[-1])
  return seconds, (
    f'a few steps and updates of {command.name}, measured now, before which '
    f'the load average of the {cores} cores was {load:.1f}'
  )
