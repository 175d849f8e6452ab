"""What is said of a model's knowledge, by numbers worked out by hand."""

import numpy as np
import tensorflow as tf
import tree

from slac.probe import knowledge
from slac.training import evaluation
from tests import tiny


def make_episode(pixels, states=None):
  actions = np.zeros([len(pixels), 2], np.float32)
  return evaluation.Episode(0.0, pixels, actions, states=states)


def dark(n):
  """Images of 2 by 2 pixels in 3 colours, all of them 51 of 255."""
  return np.full([n, 2, 2, 3], 51, np.uint8)


def test_what_acting_knows_of_a_step_is_of_the_window_that_ends_with_it():
  agent = tiny.agent()
  tiny.shake(agent.model)
  pixels = tiny.pixels(9, seed=1)
  seen = knowledge.see(agent, make_episode(pixels), pixels[0] / 255)
  assert seen.z.shape == (9 - tiny.T + 1, tiny.LATENT_SIZE)
  images = agent.model.decoder(tf.constant(seen.z)).numpy()
  error = np.square(pixels[tiny.T - 1 :] / 255 - images)
  np.testing.assert_allclose(seen.sums.all, error.sum(), rtol=1e-5)
  assert seen.sums.num_all == error.size == (9 - tiny.T + 1) * 64 * 64 * 3
  changed = pixels.copy()
  changed[5] = 255 - changed[5]
  other = knowledge.see(agent, make_episode(changed), pixels[0] / 255)
  differs = np.any(other.z != seen.z, axis=1)
  # Step 5 is the last of the window that begins with step 3.
  assert np.flatnonzero(differs).tolist() == [3, 4, 5]


def test_critics_see_the_same_latents():
  agent = tiny.agent()
  tiny.shake(agent.model)
  episode = make_episode(tiny.pixels(9, seed=1))
  _, critic_inputs = agent._see_episode(
    episode.observation(...), episode.actions
  )
  seen = knowledge.see(agent, episode, knowledge.background([episode]))
  np.testing.assert_array_equal(seen.z, critic_inputs)


def test_no_images_of_an_episode_are_kept():
  episode = make_episode(tiny.pixels(9, seed=1))
  seen = knowledge.see(tiny.agent(), episode, np.zeros([64, 64, 3]))
  kept = sum(np.asarray(x).nbytes for x in tree.flatten(seen))
  assert kept < 9 * 64 * 64


def seen_of(images, episodes):
  """What is kept of images of the last steps of each episode."""
  behind = knowledge.background(episodes)
  return [
    knowledge.Seen(
      np.zeros([len(own), 1]), knowledge.sums_of(own, each, behind)
    )
    for own, each in zip(images, episodes, strict=True)
  ]


def test_errors_are_of_all_pixels_and_of_the_foreground():
  first, second = dark(4), dark(3)
  first[3, 0, 1, 2] = 255  # 1.0 in one colour, where the background is 0.2.
  second[2, 1, 1] = 51 + 25  # Differs by less than a tenth.
  # A model that draws the background, and of the first episode's 2 last steps.
  images = [np.full([n, 2, 2, 3], 0.2) for n in (2, 3)]
  episodes = [make_episode(first), make_episode(second)]
  found = knowledge.errors_of(seen_of(images, episodes))
  numbers = (2 + 3) * 4 * 3
  fault = 0.8**2 + 3 * (25 / 255) ** 2
  np.testing.assert_allclose(found.all, fault / numbers, rtol=1e-5)
  np.testing.assert_allclose(found.foreground, 0.8**2 / 3, rtol=1e-5)
  np.testing.assert_allclose(found.share, 1 / 20)


def test_the_background_is_what_stands_still_in_all_episodes():
  # Every tenth image counts: of these three, and not those between.
  pixels = np.repeat(dark(1), 21, axis=0)
  pixels[1:10] = pixels[11:20] = 255
  other = dark(1)
  other[0, 0, 0] = 0
  found = knowledge.background([make_episode(pixels), make_episode(other)])
  np.testing.assert_allclose(found, np.full([2, 2, 3], 0.2))


def test_a_still_film_has_no_foreground():
  images = [np.full([2, 2, 2, 3], 0.4)]
  found = knowledge.errors_of(seen_of(images, [make_episode(dark(2))]))
  np.testing.assert_allclose(found.all, 0.04, rtol=1e-5)
  assert np.isnan(found.foreground) and found.share == 0


def test_the_probe_explains_as_much_as_ridge_regression_does():
  # One latent of mean 10 and deviation 2, two rows: the weight shrinks from 1
  # to 2 / (2 + ridge) = 1/6, and 5/6 of the deviation is left.
  z = np.array([[8.0], [12.0]])
  found = knowledge.linear_probe((z, z - 10), (z, z - 10))
  np.testing.assert_allclose(found, [1 - (5 / 6) ** 2])


def test_the_probe_finds_what_is_linear_in_the_latents():
  rng = np.random.default_rng(0)

  def draw():
    z = rng.normal(size=[5000, 3]) * [1.0, 0.01, 100.0]
    z[:, 1] += 7
    still, noise = np.full(5000, 3.0), rng.normal(size=5000)
    states = [z[:, 1], z[:, 0] - z[:, 2] / 100 + 5, noise, still]
    # The latents, and one that does not move.
    return np.column_stack([z, still]), np.stack(states, axis=1)

  found = knowledge.linear_probe(draw(), draw())
  np.testing.assert_allclose(found[:2], 1, atol=1e-4)
  assert abs(found[2]) < 0.01 and np.isnan(found[3])


def test_the_probe_is_tested_on_other_episodes():
  episodes = [
    make_episode(dark(4), np.arange(8.0).reshape(4, 2) + 100 * n)
    for n in range(3)
  ]
  seen = [knowledge.Seen(np.full([2, 5], n), None) for n in range(3)]
  (z, states), (other_z, other_states) = knowledge.halves(seen, episodes)
  assert z.tolist() == [[0] * 5] * 2
  assert states.tolist() == [[4, 5], [6, 7]]  # Of the last two steps.
  assert other_z[:, 0].tolist() == [1, 1, 2, 2]
  assert other_states[:, 0].tolist() == [104, 106, 204, 206]
