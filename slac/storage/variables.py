"""Reads TensorFlow variables, and says in one sentence which one differs."""

import contextlib
import os
import tempfile
from collections.abc import Iterator

import tensorflow as tf

from slac import errors


def read(
  prefix: str | os.PathLike,
  variables: tf.train.Checkpoint,
  partial: bool = False,
) -> None:
  """Loads the values of all `variables` from a checkpoint of TensorFlow's.

  Args:
    prefix: The path that `tf.train.Checkpoint.write` was given.
    variables: The objects to load; their variables must have been created.
    partial: Whether the checkpoint may hold other objects, too.

  Raises:
    UserError: If variables are missing, or have another shape or type.
  """
  status = None
  try:
    with _no_pattern(prefix) as path:
      status = variables.read(path)
    if partial:
      status.expect_partial()
    else:
      status.assert_consumed()
    status.assert_existing_objects_matched()
  except (AssertionError, ValueError, tf.errors.OpError) as error:
    if status:  # Keeps TensorFlow from adding warnings of its own.
      status.expect_partial()
    faults = differences(prefix, variables, partial)
    fault = faults[0] if faults else str(error).splitlines()[0]
    raise errors.UserError(
      f'The variables in {prefix} are not those of this configuration: '
      f'{fault}; use the configuration that '
      'they were saved with, or start anew with --fresh.'
    ) from error


@contextlib.contextmanager
def _no_pattern(prefix: str | os.PathLike) -> Iterator[str]:
  """Gives a path to the same files that TensorFlow takes for no pattern.

  Where a folder is named a[1], it would look for a folder a1.
  """
  folder, name = os.path.split(prefix)
  descriptor = os.open(folder, os.O_RDONLY)
  try:
    yield f'/proc/self/fd/{descriptor}/{name}'
  finally:
    os.close(descriptor)


def differences(
  prefix: str | os.PathLike,
  variables: tf.train.Checkpoint,
  partial: bool = False,
) -> list[str]:
  """Returns a clause for each variable that has another name, shape or type.

  Args:
    prefix, variables, partial: see `read`.
  """
  with tempfile.TemporaryDirectory() as folder:
    # Only writing the variables tells by which names TensorFlow saves them.
    here = _signatures(variables.write(os.path.join(folder, 'variables')))
  there, objects = _signatures(prefix), tuple(_objects(variables))
  return [
    f'{name} is {there.get(name, "missing")} there and '
    f'{here.get(name, "missing")} here'
    for name in sorted({*here, *there})
    if here.get(name) != there.get(name)
    and (name in here or not partial or name.startswith(objects))
  ]


def _objects(variables: tf.train.Checkpoint, above: str = '') -> Iterator[str]:
  """Yields what the names of each object's variables begin with."""
  for name, held in vars(variables).items():
    if isinstance(held, tf.train.Checkpoint):
      yield from _objects(held, f'{above}{name}/')
    elif isinstance(held, (tf.Module, list)):
      yield f'{above}{name}/'


def _signatures(prefix) -> dict[str, str]:
  """Returns the type and shape of each variable in a checkpoint, by name."""
  with _no_pattern(prefix) as path:
    reader = tf.train.load_checkpoint(path)
  types = reader.get_variable_to_dtype_map()
  return {
    name.replace('/.ATTRIBUTES/VARIABLE_VALUE', ''): (
      f'{types[name].name} {shape}'
    )
    for name, shape in reader.get_variable_to_shape_map().items()
  }
