"""Reading TensorFlow variables from a checkpoint, with readable faults."""

import os
import tempfile

import tensorflow as tf

from slac import errors


def read(
  prefix: str | os.PathLike,
  variables: tf.train.Checkpoint,
  partial: bool = False,
):
  """Loads `variables`, none of which may be missing.

  Args:
    prefix: what `variables.write` was given.
    variables: the objects to load, all of whose variables exist.
    partial: whether the checkpoint may hold others, too.

  Raises:
    errors.UserError: variables are missing or of another shape or type.
  """
  status = None
  try:
    status = variables.read(str(prefix))
    if partial:
      status.expect_partial()
    else:
      status.assert_consumed()
    status.assert_existing_objects_matched()
  except (AssertionError, ValueError, tf.errors.OpError) as error:
    if status:  # Or TensorFlow adds warnings in its own words.
      status.expect_partial()
    fault = _difference(prefix, variables, partial)
    raise errors.UserError(
      f'The variables in {prefix} are not those of this configuration: '
      f'{fault or str(error).splitlines()[0]}; use the configuration that '
      'they were saved with, or start anew with --fresh.'
    ) from error


def _difference(prefix, variables, partial) -> str:
  """Names the first variable that differs in name, shape or type."""
  with tempfile.TemporaryDirectory() as folder:
    # The one way to learn by which names TensorFlow would save them.
    here = _signatures(variables.write(os.path.join(folder, 'variables')))
  there = _signatures(str(prefix))
  for name in sorted(here if partial else {*here, *there}):
    if here.get(name) != there.get(name):
      return (
        f'{name} is {there.get(name, "missing")} there and '
        f'{here.get(name, "missing")} here'
      )
  return ''


def _signatures(prefix) -> dict[str, str]:
  """The type and shape of each variable in a checkpoint."""
  reader = tf.train.load_checkpoint(prefix)
  types = reader.get_variable_to_dtype_map()
  return {
    name.replace('/.ATTRIBUTES/VARIABLE_VALUE', ''): (
      f'{types[name].name} {shape}'
    )
    for name, shape in reader.get_variable_to_shape_map().items()
  }
