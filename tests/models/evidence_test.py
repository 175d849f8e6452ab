"""Tests of slac/models/evidence.py: where two episodes join."""

import pytest
import tensorflow as tf

from slac.models import evidence

FIRST, MID, LAST = 0, 1, 2


@pytest.mark.parametrize(
  ('now', 'after', 'joins'),
  [
    (FIRST, MID, False),
    (MID, MID, False),
    (MID, LAST, False),
    (FIRST, LAST, False),
    (LAST, FIRST, True),
    (MID, FIRST, True),  # The environment was lost.
    (FIRST, FIRST, True),
    (LAST, MID, True),
    (LAST, LAST, True),
  ],
)
def test_joins_episodes(now, after, joins):
  step_type = tf.constant([[now, after], [MID, MID]])
  assert evidence.joins_episodes(step_type).numpy().tolist() == [
    [joins],
    [False],
  ]
