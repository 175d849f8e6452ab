"""Aligned Latent Models: losses by hand, what they move, and what they do not.

By hand, networks are replaced by functions such that z' = z + a almost surely.
"""

import types

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tf_agents.trajectories import time_step as ts

from slac.agents import alm
from tests import tiny

B, STATE, K = 4, 2, 2
STATE_SPEC = ts.time_step_spec(
  {'state': tf.TensorSpec([STATE], tf.float32, 'state')}
)
SEED = [1, 2]
# So narrow that a sample is the mean.
NARROW = 1e-6


@pytest.fixture(autouse=True)
def _eager():
  # Tracing a graph takes much longer than one eager step.
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def make_agent(action_size=2, agent_class=alm.AlmAgent, **settings):
  agent = tiny.agent(
    agent_class=agent_class,
    action_size=action_size,
    time_step_spec=STATE_SPEC,
    **settings,
  )
  agent.train_step_counter.assign(
    0
  )  # TF-Agents' own: all agents have the same.
  return agent


def make_experience(agent, seed=0, batch_size=2 * B, **changes):
  length = agent.train_sequence_length
  action_size = agent.action_spec.shape[0]
  experience = tiny.experience(
    batch_size, length=length, seed=seed, action_size=action_size
  )
  shape = [batch_size, length, STATE]
  state = np.random.default_rng(seed).normal(size=shape)
  changes = {'observation': {'state': tf.cast(state, tf.float32)}, **changes}
  return experience._replace(**changes)


def gaussian(mean, stddev=NARROW):
  return tfd.Independent(tfd.Normal(mean, stddev * tf.ones_like(mean)), 1)


def total(*inputs):
  """The sum over the last axes of all inputs."""
  return tf.add_n([tf.reduce_sum(x, axis=-1) for x in inputs])


def by_hand(**networks):
  """An agent without noise that has these functions in place of networks."""
  agent = make_agent()
  agent._networks = types.SimpleNamespace(**networks)
  agent._noise.train = lambda mean, gradient_steps, seed: mean
  return agent


def test_bound_of_one_sequence_by_hand():
  agent = by_hand(
    encoder=lambda s: gaussian(2 * s),
    target_encoder=lambda s: gaussian(2 * s, 1.0),
    model=lambda z, a: gaussian(z + a, 0.001),
    reward=lambda z, a: total(z) + 10 * total(a),
    value=lambda z, a: 100 * total(z) + 1000 * total(a),
    actor=lambda z: 0.1 * z,
  )
  # Latents are [2, 4], and, with actions added, [3, 4] and [3, 3].
  states = tf.tile([[[1.0, 2], [1.0, 1], [1.0, 2]]], [B, 1, 1])
  actions = tf.tile([[[1.0, 0], [0, -1], [77, 77]]], [B, 1, 1])
  loss, metrics = agent.model_loss(states, actions, SEED)
  reward = (6 + 10) + (7 - 10)
  value = 600 + 1000 * 0.6
  # Encoded are [2, 2] and [2, 4]; a deviation of 0.001 against 1 costs 6.4.
  narrow = np.log(1 / 0.001) + 0.001**2 / 2 - 0.5
  kl = 4 * narrow + (1 + 4) / 2 + (1 + 1) / 2
  found = [metrics[f'model/{name}'] for name in ('reward', 'kl', 'value')]
  np.testing.assert_allclose(found, [reward, kl, value], rtol=1e-3)
  np.testing.assert_allclose(loss, -(reward - kl + value), rtol=1e-3)


def test_no_gradient_reaches_the_last_action_of_the_bound():
  weight = tf.Variable(0.1)
  agent = by_hand(
    encoder=lambda s: gaussian(weight * s),
    target_encoder=gaussian,
    model=lambda z, a: gaussian(z + a),
    reward=lambda z, a: 0 * total(z),
    value=lambda z, a: total(a),
    actor=lambda z: z,
  )
  agent._kl_weight = 0.0
  with tf.GradientTape() as tape:
    loss, _ = agent.model_loss(tf.ones([B, 3, 2]), tf.zeros([B, 3, 2]), SEED)
  np.testing.assert_allclose(loss, -0.2, rtol=1e-3)
  assert tape.gradient(loss, weight) == 0


def test_lambda_returns_by_hand():
  # G_2 = 7; G_1 = 3 + 0.5 (0.8 * 7 + 0.2 * 7); G_0 = 2 + 0.5 (0.8 * 5 + ...).
  found = alm.lambda_returns(
    tf.constant([[2.0, 3]]), tf.constant([[5.0, 7]]), 0.5, 0.2
  )
  np.testing.assert_allclose(found, [[2 + 2 + 0.1 * 6.5, 6.5]])


def imagining(**networks):
  """An agent whose actor is a = w z, and w = 0.5."""
  weight = tf.Variable(0.5)
  zero = {
    'reward': lambda z, a: 0 * total(z),
    'value': lambda z, a: 0 * total(z),
    'classifier': types.SimpleNamespace(log_ratio=lambda z, a, y: 0 * total(z)),
    'model': lambda z, a: gaussian(z + a),
    'actor': lambda z: weight * z,
  }
  return by_hand(**{**zero, **networks}), weight


def slope(agent, weight):
  """The actor's loss and its derivative, from z_0 = [1, 1]."""
  with tf.GradientTape() as tape:
    loss, _ = agent.actor_loss(gaussian(tf.ones([B, 2])), SEED)
  slope = tape.gradient(loss, weight, unconnected_gradients='zero')
  return loss.numpy(), slope.numpy()


def test_actor_loss_by_hand():
  # z is 1, 1.5, 2.25, and a is half of it, in each of two dimensions.
  agent, weight = imagining(
    reward=lambda z, a: total(z) + 10 * total(a),
    value=lambda z, a: 100 * total(z) + total(a),
    classifier=types.SimpleNamespace(
      log_ratio=lambda z, a, y: total(z, a) + 30 * total(y)
    ),
  )
  g_0 = (2 + 10) + 0.1 * (2 + 1 + 30 * 3)
  g_1 = (3 + 15) + 0.1 * (3 + 1.5 + 30 * 4.5)
  v_1, v_2 = 300 + 1.5, 450 + 2.25
  return_1 = g_1 + 0.9 * v_2
  return_0 = g_0 + 0.9 * (0.5 * v_1 + 0.5 * return_1)
  loss, _ = slope(agent, weight)
  assert loss == pytest.approx(-(return_0 + 0.9 * return_1) / 2, rel=1e-4)


@pytest.mark.parametrize(
  'networks',
  [
    {'value': lambda z, a: total(a)},
    {
      'classifier': types.SimpleNamespace(
        log_ratio=lambda z, a, next_z: total(next_z)
      )
    },
  ],
)
def test_no_gradient_of_the_actor_passes(networks):
  """By the critics' actions, nor by the classifier's next latents."""
  loss, derivative = slope(*imagining(**networks))
  assert abs(loss) > 0.1
  assert derivative == 0


# In each of two dimensions a_0 = w and a_1 = w z_1, where z_1 = 1 + w = 1.5 is
# no function of w for the actor, but is for all that sees latents.
@pytest.mark.parametrize(
  ('networks', 'by_return_0', 'by_return_1'),
  [
    # Of a_0 and a_1: 1 and z_1.
    ({'reward': lambda z, a: total(a)}, 1 + 0.45 * 1.5, 1.5),
    # Of z_0 and z_1: 0 and 1.
    ({'reward': lambda z, a: total(z)}, 0.45, 1.0),
    # Of z_1 and z_2 = z_1 + a_1: 1 and 1 + z_1.
    ({'value': lambda z, a: total(z)}, 0.45 + 0.45 * 0.9 * 2.5, 0.9 * 2.5),
  ],
)
def test_actions_learn_through_model_and_reward(
  networks, by_return_0, by_return_1
):
  _, derivative = slope(*imagining(**networks))
  expected = -2 * (by_return_0 + 0.9 * by_return_1) / 2
  assert derivative == pytest.approx(expected, rel=1e-4)


# With z = 3, r = 2, z' = 5, critics z and 2 z, their targets 4 z and 3 z: y is
# 2 + 0.9 * 15, or 2 where the task itself ended.
@pytest.mark.parametrize(
  ('discount', 'loss'),
  [(1.0, (12.5**2 + 9.5**2) / 2), (0.0, (1**2 + 4**2) / 2)],
)
def test_critic_loss_by_hand(discount, loss):
  agent = by_hand(
    critics=[lambda z, a: z[:, 0], lambda z, a: 2 * z[:, 0]],
    target_value=lambda z, a: tf.minimum(4 * z[:, 0], 3 * z[:, 0]),
    actor=lambda z: z,
  )
  ones = tf.ones([B])
  found, _ = agent.critic_loss(
    gaussian(tf.fill([B, 1], 3.0)),
    tf.zeros([B, 2]),
    2 * ones,
    discount * ones,
    gaussian(tf.fill([B, 1], 5.0)),
    SEED,
  )
  np.testing.assert_allclose(found, loss, rtol=1e-4)
