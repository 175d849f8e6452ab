"""Faults that a run outlives, and those that end it."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tree

from slac import console, errors
from slac.environments import checked
from slac.storage import files
from slac.training import schedule

# This many episodes in a row may fail; the last of them ends the run. With
# environments side by side, turns are counted in which any of them fails.
LIMIT = 3


class FiniteCheck:
  """Ends a run whose update had metrics that were not finite.

  Such an update has changed no variable (`optimizers.apply_if_finite`). It is
  looked at when the next update is about to begin, so that a GPU, from which
  the agent's action has come in between, need not be waited for. Its batch is
  kept until then.
  """

  def __init__(self, folder: pathlib.Path):
    """Takes the folder that the batch of such an update is written to."""
    self._folder = folder
    self._last: tuple | None = None

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
    counts = dataclasses.asdict(counters)
    arrays |= {f'metrics/{n}': np.asarray(v) for n, v in metrics.items()}
    arrays |= {f'counters/{n}': np.asarray(v) for n, v in counts.items()}
    try:
      files.write_arrays(path, arrays)
      files.fsync(path)
    except OSError as error:
      return f'its batch could not be written to {path} ({error.strerror})'
    return f'its batch is in {path}'


def count(
  failures: Sequence[checked.Failure],
  counters: schedule.Counters,
  save: Callable[[], None],
):
  """Warns that episodes have failed, if any have, and counts them.

  Of environments side by side, those that fail at the same time may have one
  cause: they are one in the row that ends a run.

  Args:
    failures: why environments have failed.
    counters: how far the run has come; the failures are counted there.
    save: writes a checkpoint, which is done before the run is ended.

  Raises:
    errors.UserError: (69) this was time `LIMIT` in a row.
  """
  if not failures:
    return
  counters.failed_episodes += len(failures)
  counters.failures_in_a_row += 1
  for failure in failures:
    console.warn(
      f'After {counters.env_steps:,} environment steps an episode ends, as '
      f'{failure}.'
    )
  if counters.failures_in_a_row >= LIMIT:
    save()
    raise errors.UserError(
      f'{counters.failures_in_a_row} episodes in a row have failed, the last '
      f'as {failures[-1]}; all is saved, so mend the environment and start the '
      'same command again.',
      failures[-1].exit_code,
    )


def attempt(
  name: str, counters: schedule.Counters, call: Callable[[], Any]
) -> Any:
  """Returns what `call` returns, or None if it raises an exception twice.

  Each time there is a warning, which says what `name` is and when it was.
  """
  for consequence in ('is tried once more', 'is left out'):
    try:
      return call()
    except Exception as error:
      console.warn(
        f'The {name} after {counters.env_steps:,} environment steps and '
        f'{counters.model_updates:,} model updates {consequence}: '
        f'{checked.one_line(error)}.'
      )
  return None
