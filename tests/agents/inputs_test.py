"""What actor and critics see, on sequences small enough to write down."""

import numpy as np
import pytest
import tensorflow as tf

from slac.agents import inputs
from slac.models import evidence

FIRST, MID, LAST = 0, 1, 2


def steps(*step_type):
  """Features 10, 11, ..., actions 1, 2, ..., latents 100, 101, ..., [1, n]."""
  numbers = tf.range(len(step_type), dtype=tf.float32)[
    tf.newaxis, :, tf.newaxis
  ]
  return evidence.Evidence(
    features=10 + numbers,
    actions=1 + numbers,
    step_type=tf.constant([step_type]),
    latents=100 + numbers,
  )


def history(*step_type, length=3):
  make = inputs.HistoryInput(
    inputs.Sizes(length, feature=1, latent=9, action=1)
  )
  rows = make(steps(*step_type))
  assert rows.shape == [1, len(step_type) - length + 1, make.size]
  return rows[0].numpy().tolist()


def stacks(*step_type, length=3):
  """Of images 10, 11, ... of one pixel and one channel."""
  pixels = tf.range(10, 10 + len(step_type))[tf.newaxis, :, None, None, None]
  found = inputs.frame_stacks(pixels, tf.constant([step_type]), length)
  assert found.shape == [1, len(step_type) - length + 1, 1, 1, length]
  return found[0, :, 0, 0].numpy().tolist()


def test_a_stack_is_the_last_images_and_the_first_one_again_before_it():
  assert stacks(FIRST, MID, MID, MID) == [[10, 11, 12], [11, 12, 13]]
  assert stacks(MID, FIRST, MID, MID) == [[11, 11, 12], [11, 12, 13]]
  assert stacks(MID, LAST, FIRST, MID) == [[12, 12, 12], [12, 12, 13]]
  assert stacks(FIRST, LAST, FIRST, LAST) == [[12, 12, 12], [12, 12, 13]]
  assert stacks(MID, MID, LAST, FIRST) == [[10, 11, 12], [13, 13, 13]]
  assert stacks(FIRST, length=1) == [[10]]


def test_the_channels_of_an_image_stay_together():
  pixels = tf.constant([[1, 2, 3], [4, 5, 6]])[tf.newaxis, :, None, None]
  found = inputs.frame_stacks(pixels, tf.constant([[MID, MID]]), 2)
  assert found.numpy().ravel().tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize('start', [FIRST, MID])
def test_history_is_features_and_the_actions_between_them(start):
  now, after = history(start, MID, MID, MID)
  assert now == [10, 11, 12, 1, 2]
  assert after == [11, 12, 13, 2, 3]


def test_history_before_the_first_step_is_padded():
  assert history(MID, FIRST, MID, MID) == [
    [11, 11, 12, 0, 2],
    [11, 12, 13, 2, 3],
  ]
  assert history(LAST, FIRST, MID, MID)[0] == [11, 11, 12, 0, 2]
  assert history(MID, MID, FIRST, MID) == [
    [12, 12, 12, 0, 0],
    [12, 12, 13, 0, 3],
  ]
  assert history(MID, MID, LAST, FIRST) == [
    [10, 11, 12, 1, 2],
    [13, 13, 13, 0, 0],
  ]


def test_the_last_of_two_episodes_in_a_window_counts():
  assert history(FIRST, LAST, FIRST, MID) == [
    [12, 12, 12, 0, 0],
    [12, 12, 13, 0, 3],
  ]
  assert history(MID, FIRST, FIRST, FIRST) == [
    [12, 12, 12, 0, 0],
    [13, 13, 13, 0, 0],
  ]


def test_history_of_one_step_is_its_feature():
  assert history(MID, FIRST, MID, length=1) == [[10], [11], [12]]


def test_each_sequence_of_a_batch_has_its_own_padding():
  both = evidence.Evidence(
    *[
      tf.concat(pair, axis=0)
      for pair in zip(steps(MID, MID, MID), steps(MID, FIRST, MID), strict=True)
    ]
  )
  rows = inputs.HistoryInput(inputs.Sizes(3, 1, 9, 1))(both)
  assert rows[:, 0].numpy().tolist() == [[10, 11, 12, 1, 2], [11, 11, 12, 0, 2]]


def test_history_of_vectors_is_in_order_of_time():
  rng = np.random.default_rng(0)
  features = rng.normal(size=[2, 3, 4]).astype(np.float32)
  actions = rng.normal(size=[2, 3, 2]).astype(np.float32)
  make = inputs.HistoryInput(inputs.Sizes(3, 4, 9, 2))
  rows = make(
    evidence.Evidence(
      tf.constant(features),
      tf.constant(actions),
      tf.fill([2, 3], MID),
      tf.zeros([2, 3, 9]),
    )
  )
  assert make.size == 3 * 4 + 2 * 2
  for b in range(2):
    expected = np.concatenate([*features[b], *actions[b, :2]])
    np.testing.assert_array_equal(rows[b, 0], expected)


def test_latent_input_is_the_latent_at_the_end_of_each_window():
  make = inputs.LatentInput(inputs.Sizes(3, feature=1, latent=1, action=1))
  rows = make(steps(MID, FIRST, MID, MID))
  assert rows[0, :, 0].numpy().tolist() == [102, 103]
  assert make.size == 1
  assert inputs.LatentInput(inputs.Sizes(3, 4, 9, 2)).size == 9
