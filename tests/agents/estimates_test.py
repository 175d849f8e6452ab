"""What agents say of the returns of whole episodes; ALM in alm_test.py."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from slac.agents import baselines
from slac.training import compiled
from tests import tiny
from tests.deployment import exported


class Constant:
  """A distribution whose actions all have a log-density of -3."""

  def __init__(self, inputs):
    self._size = len(inputs)

  def experimental_sample_and_log_prob(self, seed):
    assert seed.shape == [2]
    return tf.ones([self._size, 2]), tf.fill([self._size], -3.0)


def test_the_return_that_followed_has_the_entropies_that_q_counts(monkeypatch):
  agent = tiny.agent(
    agent_class=baselines.SacStateAgent,
    time_step_spec=ts.time_step_spec(tiny.BOTH_SPEC),
    SoftActorCritic__gamma=0.5,
    SoftActorCritic__reward_scale=2.0,
  )
  agent._log_alpha.assign(np.log(0.5))
  monkeypatch.setattr(agent, '_actor', Constant)
  # Actions that were taken are zero, those that are drawn are ones.
  critics = [lambda s, a, c=c: c + 2 * a[:, 0] for c in (8.0, 28.0)]
  monkeypatch.setattr(agent, '_critics', critics)
  seen = {'state': tiny.states(4), 'pixels': np.empty([0])}
  steps = seen, np.zeros([4, 2], np.float32), np.float32([8, 4, 2])
  # An entropy is worth 0.5 * 3, a step later 0.75; the least Q is 10.
  cut_off = agent.estimates(*steps, has_terminated=False)
  last = 4 + 0.75 + 5
  middle = 8 + 0.75 + 0.5 * last
  np.testing.assert_allclose(
    cut_off.seen, [16 + 0.75 + 0.5 * middle, middle, last]
  )
  np.testing.assert_allclose(cut_off.q, [18, 18, 18])
  found = agent.estimates(*steps, has_terminated=True)
  np.testing.assert_allclose(found.seen, [16 + 0.75 + 5.375, 8 + 0.75 + 2, 4])
  assert found.bound is None


@pytest.mark.parametrize('kind', ['history', 'latent', 'frames'])
def test_an_episode_is_seen_as_in_acting(kind):
  agent = exported.make_agent(kind)
  policy = compiled.CompiledPolicy(agent.greedy_policy)
  state, actions = policy.get_initial_state(), []
  observations = exported.observations(6)
  for t, observation in enumerate(observations):
    step_type = np.int32(ts.StepType.MID if t else ts.StepType.FIRST)
    nothing = np.float32(0)
    step = policy.action(
      ts.TimeStep(step_type, nothing, nothing, observation), state
    )
    state = step.state
    actions.append(step.action)
  actions = np.stack(actions)
  seen = {k: np.stack([x[k] for x in observations]) for k in observations[0]}
  actor_inputs, critic_inputs = agent._see_episode(seen, actions)
  assert len(actor_inputs) == len(critic_inputs) == 6 - tiny.T + 1
  pi = agent._actor(actor_inputs)
  found = pi.bijector(pi.distribution.mode())
  np.testing.assert_allclose(found, actions[tiny.T - 1 :], atol=1e-5)
  assert np.abs(np.diff(actions, axis=0)).max() > 1e-3  # They depend on it.
  estimates = agent.estimates(seen, actions, np.ones(5), has_terminated=True)
  assert estimates.q.shape == estimates.seen.shape == (6 - tiny.T,)


@pytest.mark.parametrize('kind', ['history', 'frames'])
def test_estimates_begin_where_a_window_is_full(kind, monkeypatch):
  agent = exported.make_agent(kind)
  agent._log_alpha.assign(-40.0)
  monkeypatch.setattr(agent, '_critics', 2 * [lambda x, a: a[:, 0]])
  monkeypatch.setattr(agent, '_gamma', 0.5)
  actions = np.stack([np.arange(6), np.zeros(6)], 1).astype(np.float32)
  rewards = np.float32([100, 100, 8, 4, 2])
  seen = {'pixels': tiny.pixels(6)}
  found = agent.estimates(seen, actions, rewards, has_terminated=True)
  np.testing.assert_allclose(found.q, [2, 3, 4])
  np.testing.assert_allclose(found.seen, [8 + 2 + 0.5, 4 + 1, 2], rtol=1e-5)
