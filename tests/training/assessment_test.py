"""What is said of a model in evaluation episodes."""

import numpy as np
import tensorflow as tf

from slac.models import latents
from slac.training import assessment, evaluation
from tests import tiny

N, LENGTH = 20, tiny.T + 1  # Agent steps of an episode, steps of a sequence.


def make_episode(seed=0, n=N, has_terminated=False):
  rng = np.random.default_rng(seed)
  actions = rng.uniform(-1, 1, [n + 1, 2]).astype(np.float32)
  actions[-1] = 0.0
  return evaluation.Episode(
    1.0,
    tiny.pixels(n + 1, seed=seed),
    actions,
    rewards=np.arange(n, dtype=np.float32),
    has_terminated=has_terminated,
  )


def test_sequences_are_as_the_replay_has_them():
  episode = make_episode(has_terminated=True)
  steps = assessment.sequences(episode, LENGTH)
  count = assessment.SEQUENCES
  assert steps.observation['pixels'].shape == (count, LENGTH, 64, 64, 3)
  for name, first, last in (
    ('step_type', [0, 1, 1, 1], [1, 1, 1, 2]),
    ('next_step_type', [1, 1, 1, 1], [1, 1, 2, 0]),
    ('reward', [0, 1, 2, 3], [17, 18, 19, 0]),
    ('discount', [1, 1, 1, 1], [1, 1, 0, 1]),
  ):
    found = getattr(steps, name).numpy()
    assert found[0].tolist() == first and found[-1].tolist() == last, name
  for found, known in (
    (steps.action, episode.actions),
    (steps.observation['pixels'], episode.pixels),
  ):
    np.testing.assert_array_equal(found[0], known[:LENGTH])
    np.testing.assert_array_equal(found[-1], known[-LENGTH:])
  cut_off = assessment.sequences(make_episode(), LENGTH)
  assert np.all(cut_off.discount == 1.0)
  assert cut_off.reward.dtype == cut_off.discount.dtype == tf.float32
  assert assessment.sequences(make_episode(n=LENGTH - 2), LENGTH) is None


def test_metrics_are_those_of_the_models_loss_on_all_episodes():
  agent = tiny.agent()
  model = tiny.shake(agent.model)
  episodes = [make_episode(seed) for seed in (1, 2)]
  found = assessment.of_episodes(agent, [*episodes, make_episode(n=2)])
  assert tuple(found) == assessment.names(agent)
  seeds = latents.split_seed(tf.zeros([2], tf.int32))
  expected = []
  for episode in episodes:
    steps = assessment.sequences(episode, LENGTH)
    features = model.encode(steps.observation)
    states = model.infer(features, steps.action, steps.step_type, seeds[0])
    loss, metrics = model.loss(states, steps, seeds[1])
    images = steps.observation['pixels'] / 255
    difference = images - model.decoder(model.latent(states))
    error = np.mean(np.square(difference))
    expected.append([-loss, metrics['model/kl'], error])
  np.testing.assert_allclose(
    list(found.values()), np.mean(expected, axis=0), rtol=1e-4
  )


def test_nothing_is_drawn_or_learned():
  agent = tiny.agent()
  before = [v.numpy() for v in agent.variables]
  episodes = [make_episode()]
  first = assessment.of_episodes(agent, episodes)
  assert assessment.of_episodes(agent, episodes) == first
  after = [v.numpy() for v in agent.variables]
  for x, y in zip(before, after, strict=True):
    np.testing.assert_array_equal(x, y)
  assert len(before) > 50 and not np.any(np.isnan(list(first.values())))


def test_of_an_agent_without_a_model_and_of_short_episodes_nothing():
  spec = tiny.ts.time_step_spec(tiny.BOTH_SPEC)
  baseline = tiny.agent(
    agent_class=tiny.baselines.SacStateAgent, time_step_spec=spec
  )
  assert assessment.names(baseline) == ()
  assert assessment.of_episodes(baseline, [make_episode()]) == {}
  assert assessment.of_episodes(tiny.agent(), [make_episode(n=2)]) == {}
