"""Random crops: of which images, by how much, how often."""

import numpy as np
import tensorflow as tf

from slac.agents import augmentations

SIZE = 12


def crops(pixels, seed=(1, 2)):
  return augmentations.random_crop(tf.constant(pixels), seed).numpy()


def numbered(batch_size, length):
  """Images whose values tell the row and the column, `[B, n, 12, 12, 2]`."""
  grid = np.stack(np.mgrid[:SIZE, :SIZE], axis=-1).astype(np.uint8)
  return np.tile(grid, [batch_size, length, 1, 1, 1])


def shifts(cropped):
  """How far each image was moved, `[B, n, 2]`, from its middle."""
  return cropped[:, :, SIZE // 2, SIZE // 2].astype(int) - SIZE // 2


def test_crops_are_of_the_image_padded_by_replication():
  rng = np.random.default_rng(0)
  pixels = rng.integers(0, 256, [20, 2, SIZE, SIZE, 3], np.uint8)
  cropped, moved = crops(pixels), shifts(crops(numbered(20, 2)))
  assert cropped.shape == pixels.shape and cropped.dtype == np.uint8
  padding = [(0, 0)] * 2 + [(4, 4)] * 2 + [(0, 0)]
  padded = np.pad(pixels, padding, mode='edge')
  for b in range(20):
    y, x = moved[b, 0] + 4
    expected = padded[b, :, y : y + SIZE, x : x + SIZE]
    np.testing.assert_array_equal(cropped[b], expected)


def test_a_sequence_is_cropped_as_one_and_every_crop_is_as_likely():
  moved = shifts(crops(numbered(8100, 2)))
  np.testing.assert_array_equal(moved[:, 0], moved[:, 1])
  found, counts = np.unique(moved[:, 0], axis=0, return_counts=True)
  assert found.tolist() == [[y, x] for y in range(-4, 5) for x in range(-4, 5)]
  np.testing.assert_allclose(counts, 100, atol=45)  # 4.5 sigma.


def test_crops_are_a_function_of_the_seed():
  pixels = numbered(10, 1)
  np.testing.assert_array_equal(crops(pixels), crops(pixels))
  assert np.any(crops(pixels) != crops(pixels, seed=(1, 3)))


def test_no_augmentation_changes_nothing():
  pixels = numbered(1, 1)
  assert augmentations.no_augmentation(pixels, (1, 2)) is pixels
