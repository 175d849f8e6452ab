"""The variants of ALM: which loss moves what, and their terms by hand."""

import types

import numpy as np
import pytest
import tensorflow as tf

from slac.agents import alm_bound, alm_variants
from tests import tiny
from tests.agents import alm_test, baselines_test

LOSSES = {'model', 'estimates', 'critic', 'actor'}
B, SEED = alm_test.B, alm_test.SEED
gaussian, total = alm_test.gaussian, alm_test.total


@pytest.fixture(autouse=True)
def _eager():
  # Tracing a graph takes much longer than one eager step.
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize(
  ('agent_class', 'name', 'expected'),
  [
    ('AlmTd3Agent', 'actor', {'actor'}),
    (
      'AlmValueEncoderAgent',
      'critic',
      {'critics', 'target critics', 'encoder', 'target encoder'},
    ),
    (
      'AlmReconstructionAgent',
      'model',
      {'encoder', 'target encoder', 'model', 'decoder'},
    ),
    ('AlmEntropyAgent', 'actor', {'actor'}),
  ],
)
def test_the_loss_of_a_variant_moves_its_own_variables(
  agent_class, name, expected
):
  agent = alm_test.make_agent(agent_class=getattr(alm_variants, agent_class))
  for other in LOSSES - {name}:
    agent._optimizers[other].learning_rate.assign(0.0)
  before = alm_test.values(agent)
  info = agent.train(alm_test.make_experience(agent))
  assert np.isfinite(info.loss)
  assert baselines_test.moved(before, alm_test.values(agent)) == expected


def bare(agent_class, **attributes):
  """An agent without noise that is all of functions."""
  agent = object.__new__(agent_class)
  for name, value in attributes.items():
    object.__setattr__(agent, name, value)
  return agent


def test_td3s_actor_learns_through_the_critics_action():
  weight = tf.Variable(0.5)
  agent = bare(
    alm_variants.AlmTd3Agent,
    _networks=types.SimpleNamespace(value=lambda z, a: total(a) ** 2),
    pi=lambda z: gaussian(weight * z),
    _act=lambda z, seed: weight * z,
  )
  with tf.GradientTape() as tape:
    loss, _ = agent.actor_loss(
      alm_test.transition(encoded=gaussian(tf.ones([B, 2]))), SEED
    )
  # a = w [1, 1] and Q = (2 w)^2.
  np.testing.assert_allclose(loss, -1, rtol=1e-4)
  np.testing.assert_allclose(tape.gradient(loss, weight), -4, rtol=1e-4)


def test_reconstruction_by_hand(monkeypatch):
  monkeypatch.setattr(
    alm_bound,
    'unroll',
    lambda networks, states, actions, seed: (
      tf.ones([B, 3, 2]),
      tf.constant([[2.0, 3.0]] * B),
    ),
  )
  agent = bare(
    alm_variants.AlmReconstructionAgent,
    _networks=types.SimpleNamespace(decoder=lambda z: 2 * z),
    _kl_weight=3.0,
  )
  # Two of six numbers are 1 away from what is decoded.
  states = tf.tile([[[2.0, 2], [3, 2], [2, 1]]], [B, 1, 1])
  loss, _ = agent.model_loss(states, None, SEED)
  log_likelihood = 4 * tiny.log_normal(0, 0, 1) + 2 * tiny.log_normal(1, 0, 1)
  np.testing.assert_allclose(loss, 3 * 5 - log_likelihood, rtol=1e-5)


def test_entropy_is_a_gain_and_a_part_of_the_next_value():
  agent = bare(
    alm_variants.AlmEntropyAgent,
    _entropy_weight=0.5,
    _networks=types.SimpleNamespace(
      actor=lambda z: gaussian(z, 2.0), target_value=lambda z, a: 7 + total(z)
    ),
  )
  entropy = 2 * (np.log(2) + 0.5 * np.log(2 * np.pi * np.e))
  z = tf.zeros([B, 2])
  np.testing.assert_allclose(agent._bonus(z), B * [0.5 * entropy], rtol=1e-5)
  np.testing.assert_allclose(
    agent._next_value(z, SEED), B * [7 + 0.5 * entropy], rtol=1e-5
  )


def test_estimates_count_the_entropies_that_q_counts(monkeypatch):
  agent = alm_test.make_agent(agent_class=alm_variants.AlmEntropyAgent)
  monkeypatch.setattr(
    agent,
    '_networks',
    types.SimpleNamespace(
      encoder=lambda s: gaussian(s),
      target_encoder=lambda s: gaussian(s, 1.0),
      model=lambda z, a: gaussian(z, 1.0),
      reward=lambda z, a: 0 * total(a),
      value=lambda z, a: 0 * total(a) + 16,
      actor=lambda z: gaussian(z, 1.0),
    ),
  )
  for name, value in {
    '_gamma': 0.5,
    '_kl_weight': 0.0,
    '_value_weight': 1.0,
    '_bonus': lambda z: 8 * z[..., 0],
  }.items():
    monkeypatch.setattr(agent, name, value)
  # The bonuses of four steps and of what follows the last: 0, 8, 16, 24, 32.
  states = np.float32([[t, 0] for t in range(5)])
  seen = {'state': states}, np.zeros([5, 2], np.float32), np.zeros(4)
  found = agent.estimates(*seen, has_terminated=True)
  later = [4 + 4 + 3, 8 + 6, 12]  # 24 / 8 is the last, as 32 is of no step.
  np.testing.assert_allclose(found.seen, later, rtol=1e-5)
  # Two bonuses each, and Q of the end.
  end = 16 / 4
  bound = [4 + 4 + end, 8 + 6 + end, 12 + end]
  np.testing.assert_allclose(found.bound, bound, rtol=1e-5)
  cut_off = agent.estimates(*seen, has_terminated=False)
  # 32 and Q of the last step count now, 4, 3 and 2 steps later.
  more = (32 + 16) * np.array([1 / 16, 1 / 8, 1 / 4])
  np.testing.assert_allclose(cut_off.seen, found.seen + more, rtol=1e-5)
  bound[2] += 32 / 4
  np.testing.assert_allclose(cut_off.bound, bound, rtol=1e-5)


def test_the_stochastic_actor_by_hand():
  actor = alm_variants.StochasticActor(3, 2, 6, min_stddev=0.1, max_stddev=2.0)
  *_, (kernel, bias) = tiny.weights(actor)
  kernel.assign(tf.zeros_like(kernel))
  bias.assign([0.5, -3.0, -50.0, 50.0])
  pi = actor(tf.ones([1, 3]))
  np.testing.assert_allclose(pi.mean()[0], np.tanh([0.5, -3.0]), rtol=1e-6)
  # The upper limit is passed by softplus(-1.9) = 0.139.
  np.testing.assert_allclose(pi.stddev()[0], [0.1, 2.139], rtol=1e-2)


def test_actions_of_the_stochastic_actor_are_clipped():
  agent = bare(
    alm_variants.AlmEntropyAgent,
    _networks=types.SimpleNamespace(actor=lambda z: gaussian(z)),
  )
  z = tf.Variable([[-3.0, 0.5]])
  with tf.GradientTape() as tape:
    action = agent._act(z, SEED)
  np.testing.assert_allclose(action, [[-1, 0.5]], atol=1e-4)
  np.testing.assert_allclose(tape.gradient(action, z), [[1, 1]], atol=1e-4)


def test_no_gradient_passes_the_latents_that_entropies_are_of(monkeypatch):
  weight = tf.Variable(0.5)

  def nothing(z, *_):
    return 0 * total(z)

  agent = alm_test.make_agent(agent_class=alm_variants.AlmEntropyAgent)
  monkeypatch.setattr(
    agent,
    '_networks',
    types.SimpleNamespace(
      reward=nothing,
      value=nothing,
      classifier=types.SimpleNamespace(log_ratio=nothing),
      model=lambda z, a: gaussian(z + a),
      actor=lambda z: gaussian(weight * z),
    ),
  )
  monkeypatch.setattr(agent, '_bonus', total)
  loss, slope = alm_test.slope(agent, weight)
  assert abs(loss) > 0.1 and slope == 0
