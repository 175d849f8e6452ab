"""Numbers that are not finite: kept out of every variable, then reported."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tree

from slac import console, errors
from slac.environments import checked
from slac.storage import files
from slac.training import schedule

LIMIT = 3  # Episodes that may fail in a row; the last of them ends the run.


class Watch:
  """Ends a run whose update had metrics that were not finite.

  Such an update has changed nothing (`apply_if_finite`). An update is looked at
  when the next one is about to begin: a GPU has been waited for by then, as the
  agent's action came from it in between, and a CPU never computes ahead. Its
  batch is kept till then.
  """

  def __init__(self, folder: pathlib.Path):
    """Takes the folder that the batch of such an update is written to."""
    self._folder = folder
    self._last = None

  def add(
    self,
    counters: schedule.Counters,
    experience: Any,
    names: tuple[str, ...],
    values: tf.Tensor,
  ):
    """Remembers an update until `check`.

    Args:
      counters: how far the run has come.
      experience: the batch, a structure of tensors.
      names: of the metrics.
      values: the metrics, `[len(names)]`.
    """
    self._last = dataclasses.replace(counters), experience, names, values

  def check(self):
    """Forgets the last update.

    Raises:
      errors.UserError: (70) its metrics were not all finite.
    """
    if self._last is None:
      return
    counters, experience, names, values = self._last
    self._last = None
    metrics = dict(zip(names, values.numpy(), strict=True))
    broken = {n: v for n, v in metrics.items() if not np.isfinite(v)}
    if not broken:
      return
    where = self._write(counters, experience, metrics)
    raise errors.UserError(
      f'After {counters.env_steps:,} environment steps, '
      f'{counters.model_updates:,} model updates and '
      f'{counters.gradient_steps:,} gradient steps the next update had '
      f'{", ".join(f"{name} = {value}" for name, value in broken.items())}: it '
      f'was not applied, {where}, and the checkpoints are as they were; start '
      'anew with --fresh and a smaller learning rate.',
      exit_code=70,
    )

  def _write(self, counters, experience, metrics) -> str:
    """Writes all about an update; returns what has become of its batch."""
    path = self._folder / f'not-finite-{counters.iterations:010d}.npz'
    arrays = {
      '/'.join(['batch', *map(str, name)]): leaf.numpy()
      for name, leaf in tree.flatten_with_path(experience)
    }
    for folder, values in (
      ('metrics', metrics),
      ('counters', dataclasses.asdict(counters)),
    ):
      arrays |= {f'{folder}/{n}': np.asarray(v) for n, v in values.items()}
    try:
      files.write_arrays(path, arrays)
      files.fsync(path)
    except OSError as error:
      return f'its batch could not be written to {path} ({error.strerror})'
    return f'its batch is in {path}'


def attempt(name: str, call: Callable[[], Any]) -> Any:
  """Returns what `call` returns, or None if it raises an exception twice.

  Each time there is a warning, of which `name` is the subject.
  """
  for consequence in ('is tried once more', 'is left out'):
    try:
      return call()
    except Exception as error:
      console.warn(f'{name} {consequence}: {checked.describe(error)}.')
  return None
