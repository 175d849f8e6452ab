"""SAC's losses against numpy, and which of them moves what."""

import types

import gin
import numpy as np
import pytest
import tensorflow as tf

from slac.agents import policies, sac
from tests import tiny

SEED = tf.constant([3, 4])
BATCH, ACTOR_SIZE, CRITIC_SIZE, ACTIONS = 5, 4, 3, 2
GAMMA, TAU, RATE, SCALE = 0.9, 0.25, 1e-3, 3.0


class Agent(sac.SoftActorCritic):
  """Concrete enough to be built."""

  def _train(self, experience, weights=None):
    raise NotImplementedError

  def _make_policy(self, *specs, **seeded):
    return policies.TanhGaussianPolicy(*specs, **seeded)


def make_agent(shaken=True, **changes):
  with gin.unlock_config():
    gin.clear_config()
    agent = Agent(
      tiny.TIME_STEP_SPEC,
      tiny.action_spec(ACTIONS),
      seed=0,
      input_sizes=(ACTOR_SIZE, CRITIC_SIZE),
      window=1,
      jit_compile=False,
      hidden_size=6,
      stddev_scale=0.5,
      learning_rate=RATE,
      gamma=GAMMA,
      target_update_rate=TAU,
      reward_scale=SCALE,
      **changes,
    )
  if shaken:
    networks = [agent._actor, *agent._critics, *agent._target_critics]
    for seed, network in enumerate(networks):
      tiny.shake(network, seed)
    agent._log_alpha.assign(np.log(0.3))
  return agent


@pytest.fixture(scope='module')
def agent():
  """Nothing may change its variables."""
  return make_agent()


def vectors(size, seed):
  rng = np.random.default_rng(seed)
  return tf.constant(rng.uniform(-1, 1, [BATCH, size]), tf.float32)


def batch():
  return {
    'inputs': vectors(CRITIC_SIZE, 0),
    'action': vectors(ACTIONS, 1),
    'reward': vectors(1, 2)[:, 0],
    'discount': tf.constant([1.0, 1, 0, 1, 0]),
    'next_inputs': vectors(CRITIC_SIZE, 3),
    'next_actor_inputs': vectors(ACTOR_SIZE, 4),
  }


def value(critic, x, action):
  return tiny.mlp(critic, np.concatenate([x, action], 1), tiny.relu)[:, 0]


def draw(agent, x, seed=SEED):
  """The action the actor draws, and by numpy its log-probability."""
  action = agent._actor(x).sample(seed=seed).numpy().astype(np.float64)
  out = tiny.mlp(agent._actor, x.numpy(), tiny.relu)
  mean, stddev = out[:, :ACTIONS], 0.5 * np.exp(out[:, ACTIONS:])
  density = tiny.log_normal(np.arctanh(action), mean, stddev)
  return action, np.sum(density - np.log(1 - action**2), axis=1)


def hand_target(agent, reward, discount, next_inputs, next_actor_inputs):
  action, log_pi = draw(agent, next_actor_inputs)
  q1, q2 = (value(c, next_inputs, action) for c in agent._target_critics)
  next_value = np.minimum(q1, q2) - 0.3 * log_pi
  return SCALE * reward.numpy() + GAMMA * discount.numpy() * next_value


def test_critic_loss_is_half_the_squared_error_of_each_critic(agent):
  data = batch()
  loss, metrics = agent.critic_loss(**data, seed=SEED)
  target = hand_target(
    agent,
    *(data[k] for k in ('reward', 'discount', 'next_inputs')),
    data['next_actor_inputs'],
  )
  q = [value(c, data['inputs'], data['action']) for c in agent._critics]
  errors = [(q_i - target) for q_i in q]
  expected = sum(np.mean(0.5 * error**2) for error in errors)
  assert np.ptp([np.mean(q_i) for q_i in q]) > 0.01  # They are two critics.
  assert loss.numpy() == pytest.approx(expected, rel=1e-4)
  assert metrics['critic/loss'].numpy() == loss.numpy()
  for name, hand in (
    ('q', np.mean(q)),
    ('target', np.mean(target)),
    ('absolute_td_error', np.mean(np.abs(errors))),
  ):
    assert metrics[f'critic/{name}'].numpy() == pytest.approx(hand, rel=1e-3)


def test_nothing_follows_a_termination_but_a_time_limit_hides_the_future(agent):
  data = batch()

  def target(discount, next_inputs):
    changed = {'discount': tf.fill([BATCH], discount)}
    _, metrics = agent.critic_loss(
      **{**data, **changed, 'next_inputs': next_inputs}, seed=SEED
    )
    return metrics['critic/target'].numpy()

  here, there = data['next_inputs'], data['next_inputs'] + 1
  reward = SCALE * np.mean(data['reward'])
  assert target(0.0, here) == pytest.approx(reward, rel=1e-5)
  assert target(0.0, there) == target(0.0, here)
  assert abs(target(1.0, here) - reward) > 0.01
  assert target(1.0, there) != target(1.0, here)


def all_variables(agent):
  return {
    'critic': sac._variables(agent._critics),
    'target': sac._variables(agent._target_critics),
    'actor': list(agent._actor.variables),
    'alpha': [agent._log_alpha],
  }


def reached(tape, loss, variables):
  """The names of the groups of variables that a loss has a gradient for."""
  gradients = tape.gradient(loss, variables)
  return {
    name
    for name, group in gradients.items()
    if any(g is not None and np.any(g) for g in group)
  }


def test_no_gradient_passes_through_the_target(agent):
  data = batch()
  with tf.GradientTape() as tape:
    tape.watch(data)
    loss, _ = agent.critic_loss(**data, seed=SEED)
  variables = {**all_variables(agent), **{k: [v] for k, v in data.items()}}
  assert reached(tape, loss, variables) == {'critic', 'inputs', 'action'}


def test_critic_gradient_is_that_of_the_hand_loss():
  agent, data = make_agent(), batch()
  with tf.GradientTape() as tape:
    loss, _ = agent.critic_loss(**data, seed=SEED)
  biases = [tiny.weights(c)[-1][1] for c in agent._critics]
  # d/d bias of 1/2 mean (Q - y)^2 is mean (Q - y).
  target = hand_target(
    agent,
    *(data[k] for k in ('reward', 'discount', 'next_inputs')),
    data['next_actor_inputs'],
  )
  for critic, gradient in zip(
    agent._critics, tape.gradient(loss, biases), strict=True
  ):
    error = value(critic, data['inputs'], data['action']) - target
    np.testing.assert_allclose(gradient, [error.mean()], rtol=1e-3)


def test_actor_loss_is_alpha_log_pi_minus_the_lesser_value(agent):
  x, z = vectors(ACTOR_SIZE, 5), vectors(CRITIC_SIZE, 6)
  loss, metrics, log_pi = agent.actor_loss(x, z, SEED)
  action, hand_log_pi = draw(agent, x)
  q1, q2 = (value(c, z, action) for c in agent._critics)
  assert np.any(q1 < q2) or np.any(q2 < q1)
  expected = np.mean(0.3 * hand_log_pi - np.minimum(q1, q2))
  assert loss.numpy() == pytest.approx(expected, rel=1e-4)
  np.testing.assert_allclose(log_pi, hand_log_pi, rtol=1e-3, atol=1e-3)
  entropy = metrics['actor/entropy'].numpy()
  assert entropy == pytest.approx(-hand_log_pi.mean(), rel=1e-3)


def test_actor_gradient_is_reparameterised():
  """Moving a parameter by epsilon moves the hand loss by the gradient."""
  agent = make_agent()
  x, z = vectors(ACTOR_SIZE, 5), vectors(CRITIC_SIZE, 6)
  bias = tiny.weights(agent._actor)[-1][1]
  with tf.GradientTape() as tape:
    loss, _, _ = agent.actor_loss(x, z, SEED)
  gradient = tape.gradient(loss, bias).numpy()
  start, epsilon = bias.numpy(), 1e-2
  for i in range(len(start)):
    sides = []
    for sign in (1, -1):
      moved = start.copy()
      moved[i] += sign * epsilon
      bias.assign(moved)
      action, log_pi = draw(agent, x)
      q = np.minimum(*[value(c, z, action) for c in agent._critics])
      sides.append(np.mean(0.3 * log_pi - q))
    slope = (sides[0] - sides[1]) / (2 * epsilon)
    assert gradient[i] == pytest.approx(slope, rel=0.05, abs=0.01)
  assert np.all(np.abs(gradient) > 0.01)


def test_alpha_loss_and_its_gradient(agent):
  # The target entropy is -2: here the entropy is -(1 + 4) / 2 = -2.5.
  with tf.GradientTape() as tape:
    loss, metrics = agent.alpha_loss(tf.constant([1.0, 4.0]))
  assert loss.numpy() == pytest.approx(np.log(0.3) * (-2.5 + 2), rel=1e-6)
  gradient = tape.gradient(loss, agent._log_alpha).numpy()
  assert gradient == pytest.approx(-0.5)
  assert metrics['alpha/alpha'].numpy() == pytest.approx(0.3)


@pytest.mark.parametrize(
  ('log_pi', 'direction'), [([2.5, 2.5], 1), ([1.5, 1.5], -1)]
)
def test_temperature_drives_the_entropy_to_its_target(log_pi, direction):
  agent = make_agent(shaken=False)
  assert agent.alpha.numpy() == 1
  with tf.GradientTape() as tape:
    loss, _ = agent.alpha_loss(tf.constant(log_pi))
  gradient = tape.gradient(loss, agent._log_alpha)
  agent.apply({**zero_gradients(agent), 'alpha': [gradient]})
  # Adam's first step is the learning rate.
  assert np.log(agent.alpha) == pytest.approx(direction * RATE, rel=1e-3)


def step_gradients(agent):
  data = batch()
  now = (vectors(ACTOR_SIZE, 5), data['inputs'])
  after = (data['next_actor_inputs'], data['next_inputs'])
  names = 'action', 'reward', 'discount'
  # Of the last step nothing is used.
  experience = types.SimpleNamespace(
    **{name: tf.stack([data[name], np.nan * data[name]], 1) for name in names}
  )
  seeds = [SEED, tf.constant([5, 6])]
  return agent.gradients(now, after, experience, seeds)


def test_each_loss_has_the_gradients_of_its_own_variables(agent):
  data, variables = batch(), all_variables(agent)
  loss, gradients, metrics = step_gradients(agent)
  with tf.GradientTape(persistent=True) as tape:
    critic_loss, _ = agent.critic_loss(**data, seed=SEED)
    actor_loss, _, log_pi = agent.actor_loss(
      vectors(ACTOR_SIZE, 5), data['inputs'], tf.constant([5, 6])
    )
    alpha_loss, _ = agent.alpha_loss(log_pi)
  losses = {'critic': critic_loss, 'actor': actor_loss, 'alpha': alpha_loss}
  assert set(gradients) == set(losses)
  for name, own in losses.items():
    expected = tape.gradient(own, variables[name])
    for a, b in zip(gradients[name], expected, strict=True):
      np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
  assert reached(tape, actor_loss, variables) == {'actor', 'critic'}
  assert reached(tape, alpha_loss, variables) == {'alpha'}
  total = sum(x.numpy() for x in losses.values())
  assert loss.numpy() == pytest.approx(total, rel=1e-5)
  squares = sum(np.sum(np.square(g)) for g in gradients['actor'])
  norm = metrics['actor/gradient_norm'].numpy()
  assert norm == pytest.approx(np.sqrt(squares), rel=1e-5)


def zero_gradients(agent):
  variables = all_variables(agent)
  del variables['target']
  return tf.nest.map_structure(tf.zeros_like, variables)


@pytest.mark.parametrize(
  ('name', 'moved'),
  [
    ('critic', {'critic', 'target'}),
    ('actor', {'actor'}),
    ('alpha', {'alpha'}),
  ],
)
def test_each_gradient_moves_its_own_variables(name, moved):
  agent = make_agent(shaken=False)
  before = tf.nest.map_structure(lambda v: v.numpy(), all_variables(agent))
  _, gradients, _ = step_gradients(agent)
  agent.apply({**zero_gradients(agent), name: gradients[name]})
  after = tf.nest.map_structure(lambda v: v.numpy(), all_variables(agent))
  assert moved == {
    group
    for group, arrays in before.items()
    if any(np.any(a != b) for a, b in zip(arrays, after[group], strict=True))
  }
  # Adam's first step goes against the gradient by the learning rate.
  for old, new, gradient in zip(
    before[name], after[name], gradients[name], strict=True
  ):
    gradient = np.asarray(gradient)
    large = np.abs(gradient) > 1e-4
    step = (new - old)[large]
    np.testing.assert_allclose(
      step, -RATE * np.sign(gradient)[large], rtol=0.01
    )


def test_the_temperature_may_have_a_rate_of_its_own():
  agent = make_agent(shaken=False, temperature_learning_rate=0.02)
  variables = all_variables(agent)
  before = tf.nest.map_structure(lambda v: v.numpy(), variables)
  agent.apply(tf.nest.map_structure(tf.ones_like, zero_gradients(agent)))
  # Adam's first step is as long as the rate.
  for group, rate in (('alpha', 0.02), ('actor', RATE), ('critic', RATE)):
    for old, new in zip(before[group], variables[group], strict=True):
      np.testing.assert_allclose(new - old, -rate, rtol=0.01)


def test_targets_start_equal_and_follow_the_critics_after_each_step():
  agent = make_agent(shaken=False)
  critics, targets = (
    all_variables(agent)['critic'],
    all_variables(agent)['target'],
  )
  old = [t.numpy() for t in targets]
  for critic, target in zip(critics, old, strict=True):
    np.testing.assert_array_equal(critic, target)
  assert np.any(
    tiny.weights(agent._critics[0])[0][0]
    != tiny.weights(agent._critics[1])[0][0]
  )
  agent.apply(step_gradients(agent)[1])
  for critic, target, before in zip(critics, targets, old, strict=True):
    expected = (1 - TAU) * before + TAU * critic.numpy()
    np.testing.assert_allclose(target, expected, rtol=1e-6, atol=1e-9)


def test_parameter_counts(agent):
  hidden = 6 * 6 + 6
  assert agent.num_parameters == {
    'actor': (4 * 6 + 6) + hidden + (6 * 4 + 4),
    'critics': 2 * ((5 * 6 + 6) + hidden + (6 + 1)),
  }


def test_each_critic_drops_units_of_its_own_and_none_where_it_is_assessed():
  agent, seen = make_agent(), []

  def recording(critic):
    def call(inputs, action, dropout_seed=None):
      seen.append(dropout_seed)
      return critic(inputs, action)

    return call

  agent._critics = [recording(own) for own in agent._critics]
  agent._target_critics = [recording(own) for own in agent._target_critics]
  agent.critic_loss(**batch(), seed=SEED)
  agent.actor_loss(vectors(ACTOR_SIZE, 5), vectors(CRITIC_SIZE, 6), SEED)
  seeds = {tuple(seed.numpy()) for seed in seen}
  # In training the two losses have other seeds.
  assert len(seen) == 6 and len({tuple(s.numpy()) for s in seen[:4]}) == 4
  assert tuple(seen[4].numpy()) != tuple(seen[5].numpy())
  assert tuple(SEED.numpy()) not in seeds  # The action's.
  agent._see_episode = lambda *_: (
    vectors(ACTOR_SIZE, 5),
    vectors(CRITIC_SIZE, 6),
  )
  seen.clear()
  agent.estimates({}, np.zeros([5, ACTIONS], np.float32), np.ones(4), False)
  assert seen == [None] * 4
