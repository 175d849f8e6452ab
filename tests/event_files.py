"""Reading back what was written for TensorBoard."""

import tensorflow as tf


def paths(folder):
  """Returns the files of events in a run's folder, in their order."""
  return sorted(folder.glob('events.out.tfevents.*'))


def values(folder):
  """Yields the step and the value of each summary, in a run's folder."""
  for path in paths(folder):
    for event in tf.compat.v1.train.summary_iterator(str(path)):
      for value in event.summary.value:
        yield event.step, value


def points(folder):
  """The steps of each tag, in the order in which they were written."""
  steps = {}
  for step, value in values(folder):
    steps.setdefault(value.tag, []).append(step)
  return steps
