"""The summary of a run that is printed at its start."""

import ast
import contextlib
import os
from collections.abc import Mapping
from typing import Any

from slac.config import bindings
from slac.storage import run_folder
from slac.training import devices, experiment, memory, replay

# By these settings one tells runs apart.
MAIN = (
  'Experiment.environment',
  'DmControlEnvironment.domain',
  'DmControlEnvironment.task',
  'GymEnvironment.task',
  'SawyerEnvironment.task',
  'ClawEnvironment.task',
  'MetaWorldEnvironment.task',
  'Experiment.agent',
  'Experiment.seed',
  'SlacAgent.model',
)


def of_run(
  parts: experiment.Experiment,
  replay: replay.Replay,
  origin: Mapping[str, Any],
) -> str:
  """Returns task, model, devices, replay and parameters, a line each.

  Args:
    parts: the parts of the run.
    replay: its replay.
    origin: what it begins with, see `transfer.Origin`.
  """
  agent, schedule = parts.agent, parts.schedule
  model = {}
  if agent.model:
    model = {
      'sigma^2': f'{agent.model.decoder_variance:g}',
      'convolutions': agent.compute_dtype,
    }
  begun = {}
  if origin:
    begun['begins with'] = f'{", ".join(origin["parts"])} of {origin["run"]}'
  if 'sha256' in origin:  # Nobody knows it once version.json is lost.
    begun['begins with'] += (
      f' after {origin["env_steps"]:,} environment steps, checkpoint of sha256 '
      f'{origin["sha256"]}'
    )
  lines = {
    'task': parts.task,
    'action repeat': schedule.action_repeat,
    **model,
    **begun,
    'environment steps': f'{schedule.env_steps:,}',
    'seed': parts.seed,
    'devices': ', '.join(devices.names()),
    'GL backend': os.environ['MUJOCO_GL'],
    'replay': (
      f'{replay.capacity:,} agent steps, {replay.nbytes / 1e9:.2f} GB of '
      f'{memory.available() / 1e9:.1f} GB available'
    ),
    'parameters': ', '.join(
      f'{name} {n:,}' for name, n in agent.num_parameters.items()
    ),
  }
  return '\n'.join(f'  {name + ":":<19}{v}' for name, v in lines.items())


def settings_table() -> str:
  """Returns the resolved settings as a table in Markdown."""
  rows = [f'| {name} | {text} |' for name, text in bindings.resolved().items()]
  return '\n'.join(['| setting | value |', '|---|---|', *rows])


def hyperparameters() -> dict[str, bool | float | str]:
  """Returns the settings that runs are compared by, as values.

  These are numbers, texts, truth values and the names of what is chosen, but
  for those that a run may go on with changed.
  """
  found = {}
  for name, text in bindings.resolved().items():
    value = text.removeprefix('@')
    with contextlib.suppress(ValueError, SyntaxError):
      value = ast.literal_eval(text)
    if isinstance(value, bool | int | float | str):
      found[name] = value
  others = ('import', *run_folder.MAY_CHANGE)
  return {name: x for name, x in found.items() if name not in others}
