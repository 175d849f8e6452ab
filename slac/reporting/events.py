"""Encodes events for TensorBoard as bytes, to be appended to a file.

TensorFlow's own writer keeps events back, and an event that a full disk has cut
off makes all that follow it unreadable.
"""

import io
import itertools
import os
import platform
import re
import time
from collections.abc import Container, Iterable, Mapping

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as hparams
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.summary.writer import record_writer
from tensorboard.util import tensor_util

PATTERN = 'events.out.tfevents.*'  # The names of files of events.
_numbers = itertools.count()


def file_name(others: Iterable[str] = ()) -> str:
  """Returns a file name that is used once, and sorts behind the others.

  TensorBoard reads files in the order of their names, which begin with the
  time; but a clock may have been set back.
  """
  times = [re.match(r'events\.out\.tfevents\.(\d+)\.', name) for name in others]
  begun = max(
    [int(time.time()), *(int(match[1]) + 1 for match in times if match)]
  )
  return (
    f'events.out.tfevents.{begun:010d}.{platform.node()}.{os.getpid()}.'
    f'{next(_numbers)}'
  )


def header() -> bytes:
  """Returns the bytes that a file begins with."""
  return _record(file_version='brain.Event:2')


def scalars(
  step: int,
  values: Mapping[str, float],
  descriptions: Mapping[str, str | None],
) -> bytes:
  """Returns events with one float each.

  Args:
    step: The step of all.
    values: The floats by their tags.
    descriptions: What TensorBoard says of a tag; it reads what stands in the
      first event of each.
  """
  return b''.join(
    _value(
      step,
      name,
      np.float32(value),
      scalar_metadata.create_summary_metadata(None, descriptions.get(name)),
    )
    for name, value in values.items()
  )


def hyperparameters(
  run: str,
  settings: Mapping[str, bool | float | str],
  main: Container[str],
  metrics: Mapping[str, str],
) -> bytes:
  """Returns events with a run's line in TensorBoard's table of runs.

  Args:
    run: The run's name.
    settings: The settings by their names.
    main: The names of those that are shown at once; others have to be asked
      for.
    metrics: What columns are called, by the tags of their scalars.
  """
  # What is said of all runs; TensorBoard takes it from any one of them. In its
  # table those settings come first that are said to differ.
  experiment = hparams.experiment_pb(
    [api_pb2.HParamInfo(name=x, differs=x in main) for x in settings],
    [
      api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag), display_name=name)
      for tag, name in metrics.items()
    ],
  )
  session = hparams.session_start_pb(settings, group_name=run)
  return b''.join(
    # They are of TensorFlow's own class, beside which TensorBoard has another.
    _record(step=0, summary=summary_pb2.Summary.FromString(text))
    for text in (experiment.SerializeToString(), session.SerializeToString())
  )


def text(name: str, text: str) -> bytes:
  """Returns an event with a text, in Markdown."""
  metadata = text_metadata.create_summary_metadata(None, None)
  return _value(0, name, np.array(text.encode(), object), metadata)


def image(step: int, name: str, data: bytes, width: int, height: int) -> bytes:
  """Returns an event with an encoded picture, which the browser decodes.

  `tf.summary.image` would make a PNG of its pixels, and a GIF would not move.
  """
  content = [str(width).encode(), str(height).encode(), data]
  metadata = image_metadata.create_summary_metadata(None, None)
  return _value(step, name, np.array(content, object), metadata)


def _value(step, name, value, metadata):
  tensor = tensor_util.make_tensor_proto(value)
  summary = summary_pb2.Summary.Value(
    tag=name, tensor=tensor, metadata=metadata
  )
  return _record(step=step, summary=summary_pb2.Summary(value=[summary]))


def _record(**fields):
  event = event_pb2.Event(wall_time=time.time(), **fields)
  file = io.BytesIO()
  record_writer.RecordWriter(file).write(event.SerializeToString())
  return file.getvalue()
