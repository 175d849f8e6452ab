"""Tests of slac/training/metrics.py: averages that resume, and a stopwatch."""

import numpy as np
import pytest
import tensorflow as tf

from slac.training import metrics


def test_averages_are_means_since_the_last_result():
  averages = metrics.Averages()
  averages.add_vector(('b', 'a'), tf.constant([3.0, 1.0]))
  averages.add({'a': 2.0})
  assert averages.result() == {'a': 1.5, 'b': 3.0}
  assert averages.result() == {}
  averages.add({'a': float('nan')})
  assert np.isnan(averages.result()['a'])


def test_averages_resume_exactly():
  values = np.random.default_rng(0).normal(size=100).astype(np.float32)
  straight, half = metrics.Averages(), metrics.Averages()
  for value in values[:50]:
    for averages in (straight, half):
      averages.add_vector(('a/b', 'e'), tf.stack([value, 2 * value]))
      averages.add({'c': 0.1})
  half.add({'d': 4.0})
  straight.add({'d': 4.0})
  resumed = metrics.Averages()
  resumed.set_state(half.get_state())
  for value in values[50:]:
    for averages in (straight, resumed):
      averages.add_vector(('a/b', 'e'), tf.stack([value, 2 * value]))
      averages.add({'c': 0.1})
  assert resumed.result() == straight.result()
  resumed.set_state(metrics.Averages().get_state())
  assert resumed.result() == {}


def test_stopwatch_adds_up_and_resets(monkeypatch):
  clock = [0.0]
  monkeypatch.setattr(metrics.time, 'perf_counter', lambda: clock[0])
  stopwatch = metrics.Stopwatch()
  for seconds in (1.5, 2.0):
    with stopwatch('training'):
      clock[0] += seconds
    clock[0] += 10.0  # Which nothing counts.
  with pytest.raises(ValueError), stopwatch('evaluation'):
    clock[0] += 0.25
    raise ValueError
  assert stopwatch.seconds() == {'training': 3.5, 'evaluation': 0.25}
  assert stopwatch.seconds() == {}
