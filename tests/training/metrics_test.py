"""Tests of slac/training/metrics.py: averages that resume, and a stopwatch."""

import time

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


def test_stopwatch_adds_up_and_resets():
  stopwatch = metrics.Stopwatch()
  for _ in range(2):
    with stopwatch('training'):
      time.sleep(0.01)
  with pytest.raises(ValueError), stopwatch('evaluation'):
    raise ValueError
  seconds = stopwatch.seconds()
  assert set(seconds) == {'training', 'evaluation'}
  assert 0.02 <= seconds['training'] < 0.2
  assert stopwatch.seconds() == {}
