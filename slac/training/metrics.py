"""Averages of what updates and episodes report, and where the time goes."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf


class Averages:
  """Averages scalars from one result to the next."""

  def __init__(self):
    self._values = {}
    self._vectors = {}

  def add(self, values: Mapping[str, float]) -> None:
    """Collects scalars."""
    for name, value in values.items():
      self._values.setdefault(name, []).append(float(value))

  def add_vector(self, names: tuple[str, ...], values: tf.Tensor) -> None:
    """Collects a vector of scalars; it is kept, so no device is waited for."""
    self._vectors.setdefault(names, []).append(values)

  def result(self) -> dict[str, float]:
    """Returns the mean of each scalar since the last result, and resets."""
    self._fetch()
    means = {n: float(np.mean(values)) for n, values in self._values.items()}
    self._values = {}
    return means

  def get_state(self) -> dict[str, Any]:
    """Returns names, their counts, and all values in one array."""
    self._fetch()
    return {
      'names': list(self._values),
      'counts': [len(values) for values in self._values.values()],
      'values': np.concatenate([np.zeros(0), *self._values.values()]),
    }

  def set_state(self, state: Mapping[str, Any]) -> None:
    """Restores what `get_state` returned."""
    ends = np.cumsum(state['counts'], dtype=int)[:-1]
    parts = np.split(np.asarray(state['values'], np.float64), ends)
    self._values = {
      name: part.tolist()
      for name, part in zip(state['names'], parts, strict=False)
    }

  def _fetch(self):
    """Turns the vectors into numbers, those of the same names at once."""
    for names, vectors in self._vectors.items():
      columns = tf.stack(vectors, axis=1).numpy().tolist()
      for name, column in zip(names, columns, strict=True):
        self._values.setdefault(name, []).extend(column)
    self._vectors = {}


class Stopwatch:
  """Adds up the seconds spent under each name."""

  def __init__(self):
    self._seconds = {}

  @contextlib.contextmanager
  def __call__(self, name: str) -> Iterator[None]:
    """Counts the time in a with statement under `name`."""
    begin = time.perf_counter()
    try:
      yield
    finally:
      spent = time.perf_counter() - begin
      self._seconds[name] = self._seconds.get(name, 0.0) + spent

  def seconds(self) -> dict[str, float]:
    """Returns the seconds by name since the last call, and resets."""
    seconds, self._seconds = self._seconds, {}
    return seconds
