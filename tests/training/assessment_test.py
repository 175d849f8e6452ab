"""What is said of a model in evaluation episodes."""

import numpy as np
import pytest
import tensorflow as tf

from slac.agents import returns
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
  before = [variable.numpy() for variable in agent.variables]
  found = assessment.of_episodes(agent, [*episodes, make_episode(n=2)])
  # Nothing is drawn or learned, and of short episodes there is nothing.
  assert assessment.of_episodes(agent, episodes) == found
  for variable, value in zip(agent.variables, before, strict=True):
    np.testing.assert_array_equal(variable, value)
  assert assessment.of_episodes(agent, [make_episode(n=2)]) == {}
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
    [found[name] for name in assessment.OF_MODEL],
    np.mean(expected, axis=0),
    rtol=1e-4,
  )


def test_of_an_agent_without_a_model_no_more_than_its_q():
  spec = tiny.ts.time_step_spec(tiny.BOTH_SPEC)
  baseline = tiny.agent(
    agent_class=tiny.baselines.SacStateAgent, time_step_spec=spec
  )
  episode = make_episode()._replace(states=tiny.states(N + 1))
  assert assessment.names(baseline) == ('q_bias',)
  assert tuple(assessment.of_episodes(baseline, [episode])) == ('q_bias',)


def test_the_bias_of_q_and_of_a_bound_is_over_all_steps():
  """As an agent says that has both, of three steps and of one."""

  class Knowing:
    model, estimated, train_sequence_length = None, ('q', 'bound'), LENGTH

    def estimates(self, observation, actions, rewards, has_terminated):
      assert len(observation['state']) == len(actions) == len(rewards) + 1
      assert len(observation['pixels']) == len(actions) and has_terminated
      seen = np.full(1 if rewards[0] else 3, 10.0)
      q, bound = (14.0, 7.0) if rewards[0] else (8.0, 9.0)
      return returns.Estimates(seen, 0 * seen + q, 0 * seen + bound)

  long = make_episode(has_terminated=True)._replace(states=tiny.states(N + 1))
  other = long._replace(rewards=long.rewards + 1)
  found = assessment.of_episodes(Knowing(), [long, other])
  assert found == {'q_bias': (3 * -2 + 4) / 4, 'bound_bias': (3 * -1 - 3) / 4}
  assert assessment.names(Knowing()) == tuple(found)
  assert assessment.of_episodes(Knowing(), [make_episode(n=2)]) == {}


def test_alm_says_how_far_its_q_and_its_bound_are_off():
  agent = tiny.agent(
    agent_class=tiny.alm.AlmAgent,
    time_step_spec=tiny.ts.time_step_spec(tiny.BOTH_SPEC),
  )
  episode = make_episode()._replace(states=tiny.states(N + 1))
  estimates = evaluation.estimates(agent, episode)
  found = assessment.of_episodes(agent, [episode])
  assert tuple(found) == assessment.names(agent) == ('q_bias', 'bound_bias')
  bias = np.mean(estimates.bound) - np.mean(estimates.seen)
  assert found['bound_bias'] == pytest.approx(bias, rel=1e-4)
