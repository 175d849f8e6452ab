"""Has a new run begin with parts of another run's agent.

So a model that was trained on one task is a start for another, or a run is gone
on with under another schedule. The rest of the agent begins as ever: moments of
optimizers, temperature, random generators, and all counters.
"""

import os
import pathlib
from collections.abc import Sequence

import tensorflow as tf

from slac import errors
from slac.agents import base
from slac.storage import checkpoints, manifests, run_folder, states, variables
from slac.training import schedule


class Origin:
  """The run that another one begins from, if any.

  Attributes:
    noted: what version.json notes of it: the other run's folder, the parts, its
      environment steps, and its checkpoint with the sha256. Folder and parts
      alone are known once version.json is lost. It is empty without another
      run, and until `load` for a new one.
  """

  def __init__(
    self,
    folder: pathlib.Path | None,
    source: str | None,
    parts: Sequence[str],
  ):
    """Looks whether the run has begun, and how.

    Args:
      folder: the run's own folder, which need not be there; None for a new one.
      source: the other run's folder, or None.
      parts: the names of parts, as in `Agent.num_parameters`.

    Raises:
      errors.UserError: (78) the run has begun otherwise.
    """
    self._source, self._parts = source, sorted(parts)
    saved = folder.glob('checkpoints/*checkpoint-*') if folder else ()
    # A process that was killed in its first save has left no more than this.
    self._has_begun = any(not p.name.startswith('tmp-') for p in saved)
    asked = {}
    if source is not None:
      run = str(pathlib.Path(source).resolve())
      asked = {'run': run, 'parts': self._parts}
    self.noted: dict = _recorded(folder, asked) if self._has_begun else {}

  def load(self, agent: base.Agent):
    """Gives an agent the other run's parts, unless the run has begun.

    A run that has goes on from its own checkpoint; the other one need not be
    there any more.

    Raises:
      errors.UserError: the agent has no such part (64); the other folder is
        that of no run (66), its checkpoints are gone (66) or damaged (74), or
        variables differ in shape (78). Nothing has been loaded then.
    """
    if self._has_begun or self._source is None:
      return
    known = agent.num_parameters
    for name in self._parts:
      if name not in known:
        near = errors.did_you_mean_or_all(name, known)
        raise errors.UserError(
          f'{type(agent).__name__} has no part {name!r}{near} to begin with: '
          'name others with --init_parts.',
          64,
        )
    wanted = tf.train.Checkpoint(agent=agent.saved_parts(self._parts))
    self.noted = {
      'run': str(pathlib.Path(self._source).resolve()),
      'parts': self._parts,
      **_load(pathlib.Path(self._source), wanted),
    }


def _recorded(folder, asked):
  """Returns what a run has noted of its origin, if that is what is asked."""
  run_folder.refuse_what_no_run_makes(folder)
  if not (folder / 'version.json').exists():  # It is warned of later.
    return asked
  starts = run_folder.read_starts(folder)
  with checkpoints.restoring(folder):
    origin = starts[-1].get('init_from', {}) if starts else {}
    begun = {key: origin[key] for key in ('run', 'parts') if origin}
    if begun == asked:
      return origin
    how = 'without --init_from'
    if begun:
      parts = ' '.join(begun['parts'])
      how = f'with --init_from={begun["run"]} --init_parts {parts}'
  raise errors.UserError(
    f'The run in {folder} was begun {how}: start it in the same way, or begin '
    'another one with --fresh or --name.'
  )


def _load(source, wanted):
  """Loads what is wanted of a run; returns what it is."""
  run_folder.check_is_run(source)
  run_folder.refuse_what_no_run_makes(source)
  path, manifest = checkpoints.newest(source / 'checkpoints')
  with checkpoints.restoring(path):
    state = states.read(path)['state']
    env_steps = schedule.Counters(**state['counters']).env_steps
  prefix = os.fspath(path / checkpoints.VARIABLES)
  if differences := variables.differences(prefix, wanted, partial=True):
    raise errors.UserError(
      f'{source} has other networks than this run is to begin with: '
      f'{errors.listed(differences, "; ")}: use settings and a task that give '
      'them the same shapes, or name other parts with --init_parts.'
    )
  variables.read(prefix, wanted, partial=True)
  return {
    'env_steps': env_steps,
    'checkpoint': path.name,
    'sha256': manifests.digest(manifest),
  }
