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


def lines(
  commands: Sequence[plan.Command],
  experiments: Sequence[checking.Planned],
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
  runs, measured = pace.read(root), {}
  if runs.damaged:
    told = errors.listed(runs.damaged, ' ')
    yield f'{_runs(len(runs.damaged))} passed over: {told}'
  for item in experiments if may_measure else ():
    if _by_runs(runs, item) is None and _size(item) not in measured:
      yield f'Measuring for a minute how long {item.command.name} takes ...'
      measured[_size(item)] = _measure(item.command)
  known, unknown = collections.Counter(), collections.Counter()
  total = left = 0.0
  for command, item in zip(commands, experiments, strict=True):
    hours, text = _hours(runs, measured, item, root)
    if hours is None:
      unknown[text] += 1
    else:
      known[text] += 1
      total += hours
      left += _left(runs, command, item, hours)
  if known:
    yield (
      f'{_runs(known.total())}: {total:.1f} hours on this machine, one after '
      f'another, of which {left:.1f} are left.'
    )
  for text, number in known.items():
    yield f'For {_runs(number)} this rests on {text}.'
  for text, number in unknown.items():
    yield f'The hours of {_runs(number)} are unknown: {text}.'


def _hours(runs, measured, item, root) -> tuple[float | None, str]:
  """Returns the hours of a run, or None, and what they rest on, or why not."""
  hours = _by_runs(runs, item)
  if hours is not None:
    return hours, f'the pace of runs in {root} with the same settings'
  if _size(item) not in measured:
    return None, f'no run in {root} has the same settings'
  seconds, text = measured[_size(item)]
  if not seconds:
    return None, text
  return run_time.hours(item.schedule, item.settings, seconds), text


def _by_runs(runs: pace.Runs, item: checking.Planned) -> float | None:
  """Returns the hours of a run as runs with the same settings tell them."""
  found = runs.paces.get(frozenset(item.settings.items()))
  return found and found.hours(item.schedule, item.settings)


def _left(runs: pace.Runs, command, item, hours: float) -> float:
  """Returns how many of a run's hours are left."""
  total = sum(run_time.agent_steps(item.schedule, item.settings))
  if runs.finished.get(command.name, 0) > total:
    return 0.0
  return max(0.0, hours - runs.spent.get(command.name, 0.0))


def _runs(number: int) -> str:
  return '1 run' if number == 1 else f'{number} runs'


def _size(item: checking.Planned) -> frozenset[tuple[str, str]]:
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
