"""Exports the policy of a run: a SavedModel with policy.json beside it."""

import contextlib
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec

from slac import errors
from slac.deployment import acting, description, halving, records
from slac.installation import packages
from slac.storage import files, run_folder
from slac.training import experiment

# What this version, and TF-Agents in 0.1.0, may have written into the folder.
_FILES_OF_A_POLICY = {
  *('assets', 'fingerprint.pb', 'saved_model.pb', 'variables'),
  *('keras_metadata.pb', 'policy_specs.pbtxt', description.NAME),
  records.NAME,
}


def export(
  parts: experiment.Experiment,
  folder: pathlib.Path,
  env_steps: int,
  greedy: bool = True,
  images: bool = False,
  half: bool = False,
):
  """Writes the policy of an agent for `slac.deployment.load`.

  It takes the folder's place when it is whole, so that nothing can cut it off.

  Args:
    parts: the experiment, whose agent has been trained.
    folder: a new one, or one with a policy in it.
    env_steps: after how many environment steps this is.
    greedy: whether it acts at its mode, instead of a sample.
    images: whether it carries images from step to step and encodes all of them
      anew, instead of their features.
    half: whether its parameters are kept in 16 bits, see `halving`.

  Raises:
    errors.UserError: 74 if the disk does not take it; 73 if something else
      than a policy is there.
  """
  module, about = build(parts, env_steps, greedy, images)
  write(halving.Halved(module) if half else module, about, folder)


def is_current(folder: pathlib.Path, env_steps: int) -> bool:
  """Whether a policy is there that was exported after so many steps."""
  with contextlib.suppress(errors.UserError):
    return description.read(folder)['env_steps'] == env_steps
  return False


def has_finished(run: pathlib.Path, resolved: Mapping[str, str]) -> bool:
  """Whether a run with these settings has exported the policy of its end.

  Nothing is built or changed for the answer.

  Args:
    run: the run's folder, which need not be there.
    resolved: what `bindings.resolved` returns.

  Raises:
    errors.UserError: (74) its config.json is damaged, or it holds what no run
      makes.
  """
  if not (run / 'config.json').exists():
    return False
  run_folder.refuse_what_no_run_makes(run)
  config = run_folder.read_config(run / 'config.json')
  budget = resolved.get(run_folder.BUDGET, '')
  # What a call returns, no text tells.
  if config != run_folder.complete(resolved) or not budget.isdecimal():
    return False
  with contextlib.suppress(errors.UserError):
    return description.read(run / 'policy')['env_steps'] >= int(budget)
  return False


def build(
  parts: experiment.Experiment, env_steps: int, greedy: bool, images: bool
) -> tuple[acting.Acting, dict[str, Any]]:
  """Returns what is saved, and its description; see `export`."""
  agent = parts.agent
  spec = parts.own_action_spec
  policy = agent.greedy_policy if greedy else agent.policy
  module = acting.Acting(policy, spec, images)
  about = {
    'format': description.FORMAT,
    'task': parts.task,
    'env_steps': env_steps,
    'action_repeat': parts.schedule.action_repeat,
    'greedy': policy.is_greedy,
    'observation': _arrays(module.observation_spec),
    'action': {
      **_array(spec),
      'minimum': _bound(spec.minimum, spec),
      'maximum': _bound(spec.maximum, spec),
    },
    'state': _arrays(module.state_spec),
    'version': packages.version(),
  }
  return module, about


def write(module: tf.Module, about: dict[str, Any], folder: pathlib.Path):
  """Writes a SavedModel and its description, both or nothing; see `export`."""
  try:
    check_can_replace(folder)
    with files.new_folder(folder) as temporary:
      tf.saved_model.save(module, str(temporary))
      files.write_json(temporary / description.NAME, about)
  except (OSError, tf.errors.OpError) as error:
    fault = str(error).splitlines()[0]
    raise errors.UserError(
      f'Cannot write the policy to {folder}: {fault}; make room and start the '
      'same command again.',
      74,
    ) from error


def check_can_replace(folder: pathlib.Path):
  """Raises a UserError (73) if something else than a policy is there."""
  is_other = folder.is_symlink() or (folder.exists() and not folder.is_dir())
  if is_other or folder.name in ('', '..'):
    raise errors.UserError(
      f'{folder} cannot be replaced by a policy: name a new folder.', 73
    )
  others = {path.name for path in folder.glob('*')} - _FILES_OF_A_POLICY
  if others:
    raise errors.UserError(
      f'{folder} holds {min(others)}, which is no part of a policy: name a new '
      'folder.',
      73,
    )


def _arrays(specs):
  return {name: _array(spec) for name, spec in specs.items()}


def _array(spec):
  spec = tensor_spec.to_array_spec(spec)
  return {'shape': list(spec.shape), 'dtype': spec.dtype.name}


def _bound(values, spec):
  return np.broadcast_to(values, spec.shape).astype(float).tolist()
