"""Tells variants of a task apart, and names them by what differs.

Nothing has to be declared for that: runs say in their config.json what they
were made with.
"""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from slac.replication import ours
from slac.storage import run_folder

_AGENT = 'Experiment.agent'
_SMALL = 1e-3  # Numbers up to here are written as 1e-4 is.


def group(
  runs: Sequence[ours.Run],
) -> dict[str, dict[str, list[ours.Run]]]:
  """Returns the runs by their tasks, then by the names of their variants.

  A name lists the settings that differ between the runs of some task, such as
  'model_learning_rate = 1e-4'; where none does it is empty. So a variant has
  the same name in all tasks. They are in the order of their values. Of runs of
  different agents the agent is named, not all that follows from it.
  """
  by_task = {}
  for run in sorted(runs, key=lambda run: run.task):
    by_task.setdefault(run.task, []).append(run)
  names = {
    name
    for found in by_task.values()
    for name in _telling([run.config for run in found])
  }
  configs = [
    [run_folder.experiment(run.config) for run in found]
    for found in by_task.values()
  ]
  names = sorted(names, key=lambda name: (name != _AGENT, name))
  labels = _labels(names, [c for found in configs for c in found])
  if any(_collide(found, names, labels) for found in configs):
    labels = {name: name for name in names}
  groups = {}
  for (task, found), own in zip(by_task.items(), configs, strict=True):
    groups[task] = {}
    pairs = zip(found, own, strict=True)
    for run, config in sorted(pairs, key=lambda pair: _order(pair[1], names)):
      groups[task].setdefault(_name(config, labels), []).append(run)
  return groups


def _telling(configs) -> set[str]:
  """Returns the settings that tell the runs of a task apart."""
  by_agent = {}
  for config in configs:
    by_agent.setdefault(config.get(_AGENT), []).append(config)
  agent = [_AGENT] if len(by_agent) > 1 else []
  return {*agent, *(n for same in by_agent.values() for n in differing(same))}


def differing(configs: Sequence[Mapping[str, str]]) -> list[str]:
  """Returns the names of the settings that are not the same in all.

  Those of single trials do not count; see `run_folder.experiment`. One that
  counts for some runs only has to differ among these.
  """
  pairs = [(config, run_folder.experiment(config)) for config in configs]

  def values(name):
    return {
      config.get(name)
      for config, counted in pairs
      if name in counted or name not in config
    }

  names = sorted({name for _, counted in pairs for name in counted})
  return [name for name in names if len(values(name)) > 1]


def short(name: str) -> str:
  """Returns a setting's name without that of what it belongs to."""
  return name.rsplit('.', 1)[-1]


def _labels(names, configs) -> dict[str, str]:
  """Returns how settings are written: in short, where that is one value."""
  values = {}
  for config in configs:
    found = {}
    for name in names:
      if name in config:
        found.setdefault(short(name), set()).add(config[name])
    for label, texts in found.items():
      values[label] = max(values.get(label, 0), len(texts))
  return {n: short(n) if values.get(short(n)) == 1 else n for n in names}


def _collide(configs, names, labels) -> bool:
  """Whether different configurations of a task would have the same name."""
  different = {tuple(config.get(n) for n in names) for config in configs}
  return len({_name(config, labels) for config in configs}) < len(different)


def _name(config, labels) -> str:
  texts = [
    f'{label} = {_text(config[name])}'
    for name, label in labels.items()
    if name in config
  ]
  # Two settings may be one value, as a macro's are.
  named = ', '.join(dict.fromkeys(texts))
  return named or ', '.join(f'{label} not set' for label in labels.values())


def _value(text: str) -> Any:
  """Returns the literal that a text is, else the text."""
  try:
    return ast.literal_eval(text)
  except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
    return text


def _text(text: str) -> str:
  value = _value(text)
  if type(value) is float and 0 < abs(value) <= _SMALL:
    return np.format_float_scientific(value, trim='-', exp_digits=1)
  return text


def _order(config, names):
  """Returns a key that sorts numbers by size, and texts after them."""
  values = [_value(config.get(name, '')) for name in names]
  return [
    (0, value, '') if type(value) in (int, float) else (1, 0, str(value))
    for value in values
  ]
