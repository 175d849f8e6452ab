"""Aligned Latent Models: losses by hand, what they move, and what they do not.

By hand, networks are replaced by functions such that z' = z + a almost surely.
"""

import types

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tf_agents.trajectories import time_step as ts

from slac.agents import alm, alm_bound, alm_networks, optimizers, returns
from slac.training import collecting, compiled, metrics, replay
from tests import tiny
from tests.agents import baselines_test
from tests.training import collecting_test

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
  # It is TF-Agents' own, the same of all agents.
  agent.train_step_counter.assign(0)
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


def transition(**parts):
  """A batch of transitions, of which some parts matter."""
  step = alm.Transition(*[None] * len(alm.Transition._fields))
  return step._replace(**{'action': tf.zeros([B, 2]), **parts})


@pytest.fixture(scope='module')
def built():
  """An agent that is built once; see `agent`."""
  return make_agent()


@pytest.fixture
def agent(built, monkeypatch):
  """An agent whose variables are put back after a test."""
  del monkeypatch  # What it sets is taken back before.
  before = [(variable, variable.numpy()) for variable in built.variables]
  built.train_step_counter.assign(0)
  yield built
  for variable, value in before:
    variable.assign(value)


@pytest.fixture
def by_hand(agent, monkeypatch):
  """Has an agent without noise compute with functions in place of networks."""

  def replace(**networks):
    monkeypatch.setattr(agent, '_networks', types.SimpleNamespace(**networks))
    monkeypatch.setattr(
      agent._noise, 'sample_clipped', lambda pi, seed: pi.mean()
    )
    return agent

  return replace


def test_bound_of_one_sequence_by_hand(by_hand):
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


def test_estimates_of_an_episode_by_hand(by_hand, monkeypatch):
  agent = by_hand(
    encoder=lambda s: gaussian(2 * s),
    target_encoder=lambda s: gaussian(2 * s, 1.0),
    model=lambda z, a: gaussian(z + a, 1.0),
    reward=lambda z, a: 10 * total(a),
    value=lambda z, a: total(a),
    actor=lambda z: 0 * z + 1,
  )
  monkeypatch.setattr(agent, '_gamma', 0.5)
  monkeypatch.setattr(agent, '_kl_weight', 0.0)
  monkeypatch.setattr(agent, '_value_weight', 3.0)
  states = np.zeros([4, STATE], np.float32)
  actions = np.float32([[1, 0], [2, 0], [3, 0], [0, 0]])
  rewards = np.float32([8, 4, 2])
  seen = {'state': states}, actions, rewards
  found = agent.estimates(*seen, has_terminated=True)
  # Of three steps the first two are followed by K = 2.
  np.testing.assert_allclose(found.seen, [8 + 2 + 0.5, 4 + 1])
  np.testing.assert_allclose(found.q, [1, 2])
  # Rewards of the stored actions, and thrice the value 2 of the actor's.
  end = 0.25 * 3 * 2
  np.testing.assert_allclose(found.bound, [10 + 10 + end, 20 + 15 + end])
  cut_off = agent.estimates(*seen, has_terminated=False)
  np.testing.assert_allclose(
    cut_off.seen, found.seen + 2 * np.array([0.125, 0.25])
  )


def test_the_bound_of_an_episode_has_the_kl(by_hand, monkeypatch):
  agent = by_hand(
    encoder=lambda s: gaussian(0 * s),
    target_encoder=lambda s: gaussian(s, 1.0),
    # So that all z are 0, but for the noise that nothing here depends on.
    model=lambda z, a: gaussian(0 * z, 1.0),
    reward=lambda z, a: 0 * total(a),
    value=lambda z, a: 0 * total(a),
    actor=lambda z: z,
  )
  monkeypatch.setattr(agent, '_gamma', 0.5)
  monkeypatch.setattr(agent, '_kl_weight', 7.0)
  states = np.float32([[0, 0], [2, 0], [0, 4]])
  found = agent.estimates(
    {'state': states},
    np.zeros([3, 2], np.float32),
    np.zeros(2),
    has_terminated=True,
  )
  # KL(N(0, 1) || N(m, 1)) = m^2 / 2.
  np.testing.assert_allclose(found.bound, [-7 * (2 + 0.5 * 8)], rtol=1e-5)


def test_no_gradient_reaches_the_last_action_of_the_bound(by_hand, monkeypatch):
  weight = tf.Variable(0.1)
  agent = by_hand(
    encoder=lambda s: gaussian(weight * s),
    target_encoder=gaussian,
    model=lambda z, a: gaussian(z + a),
    reward=lambda z, a: 0 * total(z),
    value=lambda z, a: total(a),
    actor=lambda z: z,
  )
  monkeypatch.setattr(agent, '_kl_weight', 0.0)
  with tf.GradientTape() as tape:
    loss, _ = agent.model_loss(tf.ones([B, 3, 2]), tf.zeros([B, 3, 2]), SEED)
  np.testing.assert_allclose(loss, -0.2, rtol=1e-3)
  assert tape.gradient(loss, weight) == 0


def test_lambda_returns_by_hand():
  # G_2 = 7; G_1 = 3 + 0.5 (0.8 * 7 + 0.2 * 7); G_0 = 2 + 0.5 (0.8 * 5 + ...).
  found = returns.of_lambda(
    tf.constant([[2.0, 3]]), tf.constant([[5.0, 7]]), 0.5, 0.2
  )
  np.testing.assert_allclose(found, [[2 + 2 + 0.1 * 6.5, 6.5]])


@pytest.fixture
def imagining(by_hand):
  """Returns an agent whose actor is a = w z, and w = 0.5."""

  def replace(**networks):
    weight = tf.Variable(0.5)
    zero = lambda z, *others: 0 * total(z)  # noqa: E731
    others = {
      'reward': zero,
      'value': zero,
      'classifier': types.SimpleNamespace(log_ratio=zero),
      'model': lambda z, a: gaussian(z + a),
      'actor': lambda z: weight * z,
    }
    return by_hand(**{**others, **networks}), weight

  return replace


def slope(agent, weight):
  """The actor's loss and its derivative, from z_0 = [1, 1]."""
  with tf.GradientTape() as tape:
    loss, _ = agent.actor_loss(
      transition(encoded=gaussian(tf.ones([B, 2]))), SEED
    )
  slope = tape.gradient(loss, weight, unconnected_gradients='zero')
  return loss.numpy(), slope.numpy()


def test_actor_loss_by_hand(imagining):
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
def test_no_gradient_of_the_actor_passes(networks, imagining):
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
  networks, by_return_0, by_return_1, imagining
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
def test_critic_loss_by_hand(discount, loss, by_hand):
  agent = by_hand(
    critics=[lambda z, a: z[:, 0], lambda z, a: 2 * z[:, 0]],
    target_value=lambda z, a: tf.minimum(4 * z[:, 0], 3 * z[:, 0]),
    actor=lambda z: z,
  )
  ones = tf.ones([B])
  found, _ = agent.critic_loss(
    transition(
      reward=2 * ones,
      discount=discount * ones,
      encoded=gaussian(tf.fill([B, 1], 3.0)),
      next_encoded=gaussian(tf.fill([B, 1], 5.0)),
    ),
    SEED,
  )
  np.testing.assert_allclose(found, loss, rtol=1e-4)


def variables_of(agent):
  """All that may be moved, by the names that the tests use."""
  nets = agent._networks
  groups = {name: nets.trained[name] for name in nets.trained}
  groups |= {
    'target encoder': [nets.target_encoder],
    'target critics': nets.target_critics,
  }
  return {name: alm_networks.variables(m) for name, m in groups.items()}


def values(agent):
  return tf.nest.map_structure(lambda v: v.numpy(), variables_of(agent))


@pytest.mark.parametrize(
  ('name', 'expected'),
  [
    ('model', {'encoder', 'model', 'target encoder'}),
    ('estimates', {'reward', 'classifier'}),
    ('critic', {'critics', 'target critics'}),
    ('actor', {'actor'}),
  ],
)
def test_each_loss_moves_its_own_variables(name, expected, agent):
  for other in {'model', 'estimates', 'critic', 'actor'} - {name}:
    agent._optimizers[other].learning_rate.assign(0.0)
  before = values(agent)
  agent.train(make_experience(agent))
  assert baselines_test.moved(before, values(agent)) == expected


def test_targets_start_equal_and_follow(agent):
  before = values(agent)
  agent.train(make_experience(agent))
  after = values(agent)
  for name in ('encoder', 'critics'):
    for old, mine, target in zip(
      *(before[f'target {name}'], after[name], after[f'target {name}']),
      strict=True,
    ):
      np.testing.assert_allclose(target, 0.995 * old + 0.005 * mine, rtol=1e-5)
    for online, target in zip(
      before[name], before[f'target {name}'], strict=True
    ):
      np.testing.assert_array_equal(online, target)


def test_each_loss_is_of_what_the_one_before_it_has_left(agent, monkeypatch):
  """All that the actor's loss sees is moved by large steps before it."""
  before, seen = values(agent), []
  actor_loss = agent.actor_loss

  def seeing(step, seed):
    seen.append(values(agent))
    return actor_loss(step, seed)

  monkeypatch.setattr(agent, 'actor_loss', seeing)
  agent.train(make_experience(agent))
  trained = {'encoder', 'model', 'reward', 'classifier', 'critics'}
  assert baselines_test.moved(before, seen[0]) == trained


def test_both_batches_are_halves_of_one(agent, monkeypatch):
  assert agent.updates(5)['train'].batch_size == 10
  assert agent.train_sequence_length == K + 1
  experience = make_experience(agent)
  discount = np.random.default_rng(1).integers(2, size=[2 * B, K + 1])
  experience = experience._replace(discount=tf.cast(discount, tf.float32))
  # Those of the second half are from the last step but one to the last.
  states = experience.observation['state'][B:]
  state, next_state = states[:, -2], states[:, -1]
  encode = agent._networks.target_encoder
  expected = {
    'state': state,
    **{
      name: getattr(experience, name)[B:, -2]
      for name in ('action', 'reward', 'discount')
    },
    'encoded': encode(state).mean(),
    'next_encoded': encode(next_state).mean(),
  }
  seen, critic_loss = [], agent.critic_loss

  def seeing(step, seed):
    seen.append(step._asdict())
    return critic_loss(step, seed)

  monkeypatch.setattr(agent, 'critic_loss', seeing)
  agent.train(experience)
  for name, value in expected.items():
    found = seen[0][name]
    found = found.mean() if 'encoded' in name else found
    np.testing.assert_array_equal(found, value, err_msg=name)


def test_the_classifier_learns_a_known_log_ratio(by_hand):
  """Encoded is N(1, 1) and imagined N(-1, 1): the log ratio of z' is 2 z'."""
  ones = tf.ones([256, 1])
  classifier = alm_networks.Classifier(1 + 2 + 1, hidden_size=16)
  agent = by_hand(
    model=lambda z, a: gaussian(-tf.ones_like(z), 1.0),
    reward=lambda z, a: 0 * total(z),
    classifier=classifier,
  )
  step = transition(
    action=tf.zeros([256, 2]),
    reward=tf.zeros([256]),
    encoded=gaussian(0 * ones, 1.0),
    next_encoded=gaussian(ones, 1.0),
  )
  variables = classifier.trainable_variables
  adam = optimizers.Adam(0.01, variables)
  tf.config.run_functions_eagerly(False)

  @tf.function(autograph=False)
  def learn(seed):
    with tf.GradientTape() as tape:
      loss, _ = agent.estimates_loss(step, seed)
    gradients = tape.gradient(loss, variables)
    optimizers.apply_gradients(adam, gradients, variables)

  for i in range(400):
    learn(tf.constant([i, 0]))
  next_z = tf.constant([[-1.0], [0.0], [1.0]])
  found = classifier.log_ratio(tf.zeros([3, 1]), tf.zeros([3, 2]), next_z)
  np.testing.assert_allclose(found, 2 * next_z[:, 0], atol=0.4)


def test_reward_and_classifier_by_hand(by_hand):
  # Three of four are told apart; the reward is 2 too much.
  agent = by_hand(
    model=lambda z, a: gaussian(z + 1),
    reward=lambda z, a: total(a) + 2,
    classifier=types.SimpleNamespace(
      log_ratio=lambda z, a, next_z: tf.math.log(3.0) * next_z[:, 0]
    ),
  )
  zeros = tf.zeros([4, 2])
  _, metrics = agent.estimates_loss(
    transition(
      action=zeros,
      reward=tf.zeros([4]),
      encoded=gaussian(zeros - 2),
      next_encoded=gaussian(tf.constant([[9.0, 9], [9, 9], [1, 1], [-1, -1]])),
    ),
    SEED,
  )
  # C is 1/4 of both imagined, as z' = -1, 3/4 of one encoded, 1/4 of the other.
  loss = -(2 * np.log(3 / 4) + np.log(3 / 4) + np.log(1 / 4)) / 4
  found = [
    metrics[name]
    for name in ('reward/loss', 'classifier/loss', 'classifier/accuracy')
  ]
  np.testing.assert_allclose(found, [4, loss, 3 / 4], rtol=1e-4)


def broken_by(agent, experience):
  """Names the metrics that are not finite; asserts that nothing moved."""
  draws = agent._generator.state
  state = [v for v in agent.variables if v is not draws]
  assert len(state) > 100  # Networks, their targets, moments, the counter.
  before = [v.numpy() for v in state]
  info = agent.train(experience)
  for variable, value in zip(state, before, strict=True):
    np.testing.assert_array_equal(variable, value)
  return {name for name, x in info.extra.items() if not np.isfinite(x)}


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_one_bad_reward_undoes_the_losses_before_it(agent, bad):
  experience = make_experience(agent)
  reward = experience.reward.numpy()
  reward[B, -2] = bad
  experience = experience._replace(reward=tf.constant(reward))
  broken = broken_by(agent, experience)
  assert {'reward/loss', 'estimates/gradient_norm', 'critic/loss'} <= broken
  assert 'model/loss' not in broken
  # The next good batch is learned from.
  before = values(agent)
  agent.train(make_experience(agent))
  assert baselines_test.moved(before, values(agent)) == set(before)


@tf.custom_gradient
def poisoned(loss):
  """The loss itself, whose gradient is infinite."""
  return loss, lambda upstream: upstream * np.inf


@pytest.mark.parametrize('name', ['model', 'estimates', 'critic', 'actor'])
def test_a_bad_gradient_of_a_finite_loss_changes_nothing(
  name, agent, monkeypatch
):
  method = getattr(agent, f'{name}_loss')

  def poisoned_method(*arguments):
    loss, metrics = method(*arguments)
    return poisoned(loss), metrics

  monkeypatch.setattr(agent, f'{name}_loss', poisoned_method)
  assert f'{name}/gradient_norm' in broken_by(agent, make_experience(agent))


def test_gradients_are_clipped_and_their_norms_told(agent, monkeypatch):
  applied = []
  monkeypatch.setattr(agent, '_gradient_limit', 1e-3)
  monkeypatch.setattr(
    optimizers,
    'apply_gradients',
    lambda adam, gradients, variables: applied.append(
      tf.linalg.global_norm(gradients)
    ),
  )
  info = agent.train(make_experience(agent))
  np.testing.assert_allclose(applied, 4 * [1e-3], rtol=1e-4)
  assert info.extra['critic/gradient_norm'] > 0.1


def test_bfloat16_agrees_with_float32(monkeypatch):
  """Losses to a hundredth, gradients to `tiny.BFLOAT16_ERROR`."""
  gradients = []

  def keep(optimizer, of_loss, variables):
    del optimizer, variables
    gradients.extend(of_loss)

  monkeypatch.setattr(optimizers, 'apply_gradients', keep)
  sizes = {
    'AlmNetworks__latent_size': 8,
    'AlmNetworks__hidden_size': 32,
    'AlmNetworks__model_hidden_size': 64,
  }
  exact, rounded = (
    make_agent(Mlp__compute_dtype=dtype, **sizes)
    for dtype in ('float32', 'bfloat16')
  )
  for variable, value in zip(rounded.variables, exact.variables, strict=True):
    variable.assign(value)
  experience = make_experience(exact, batch_size=64)
  expected, metrics = (a.train(experience).extra for a in (exact, rounded))
  for name in (name for name in expected if '/loss' in name):
    assert metrics[name] != expected[name], name  # Or bfloat16 is not used.
    np.testing.assert_allclose(metrics[name], expected[name], rtol=0.01)
  half = len(gradients) // 2
  for g, other in zip(gradients[:half], gradients[half:], strict=True):
    assert other.dtype == tf.float32
    error = np.linalg.norm(g - other)
    assert error <= tiny.BFLOAT16_ERROR * np.linalg.norm(g), g.shape


def test_bfloat16_is_of_the_second_hidden_layer(agent):
  rounded = make_agent(Mlp__compute_dtype='bfloat16')
  for built, second in ((agent, tf.float32), (rounded, tf.bfloat16)):
    networks = [m for parts in built._trained_modules().values() for m in parts]
    assert len(networks) == 7
    for network in networks:
      x = tf.ones([1, *network._network.input_shape[1:]])
      *first, hidden, output = network._network.layers
      for layer in first:
        x = layer(x)
        assert x.dtype == tf.float32
      kernel, bias = hidden.weights
      product = tf.matmul(*(tf.cast(y, second) for y in (x, kernel)))
      expected = tf.nn.elu(tf.cast(product, tf.float32) + bias)
      x = hidden(x)
      np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)
      assert x.dtype == output(x).dtype == tf.float32
      assert all(v.dtype == tf.float32 for v in network.trainable_variables)


def act(policy, state, n=1):
  """Actions in n equal states, `[n, A]`."""
  step = ts.TimeStep(
    tf.fill([n], tiny.MID),
    tf.zeros([n]),
    tf.ones([n]),
    {'state': tf.tile([state], [n, 1])},
  )
  return policy.action(step, ()).action.numpy()


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_equal_seeds_give_equal_numbers_and_a_checkpoint_goes_on(
  dtype, tmp_path
):
  agent, other = (make_agent(Mlp__compute_dtype=dtype) for _ in range(2))
  experience = make_experience(agent)
  state = [0.5, -1.0]

  def go_on(agent):
    return values(agent), agent.train(experience), values(agent)

  def draws(agent):
    return [
      act(policy, state) for policy in (agent.collect_policy, agent.policy)
    ]

  agent.train(experience)
  path = tf.train.Checkpoint(agent=agent).save(str(tmp_path / 'c'))
  counter = int(agent.train_step_counter)
  expected = go_on(agent), draws(agent)
  # Another history, then back to where the checkpoint was written.
  other.train(make_experience(other, seed=9))
  draws(other)
  tf.train.Checkpoint(agent=other).restore(path).assert_consumed()
  assert int(other.train_step_counter) == counter
  baselines_test.all_equal((go_on(other), draws(other)), expected)


def test_evaluation_is_the_mean_of_a_latent_that_is_drawn(agent, monkeypatch):
  assert agent.policy is agent.greedy_policy
  z = tfd.Independent(tfd.Normal(tf.zeros([1, 3]), 1.0), 1)
  monkeypatch.setattr(agent._networks, 'actor', lambda z: z)
  monkeypatch.setattr(agent.policy, '_encoder', lambda state: z)
  seed = tf.constant([5, 6])
  monkeypatch.setattr(agent.policy, '_next_seed', lambda: seed)
  found = act(agent.policy, [1.0, 2.0])
  np.testing.assert_array_equal(found, z.sample(seed=seed))


def test_noise_is_clipped_in_training_but_not_in_acting(agent, monkeypatch):
  n = 2000
  monkeypatch.setattr(agent._networks, 'actor', tf.zeros_like)
  latents = tf.zeros([n, 2])
  in_training = agent._act(latents, SEED).numpy()
  assert np.abs(in_training).max() == pytest.approx(0.3, rel=1e-6)
  # Of N(0, 1) 76 % lie beyond 0.3, and 32 % beyond 1, where actions end.
  assert np.mean(np.abs(in_training) > 0.299) == pytest.approx(0.76, abs=0.04)
  acting = agent.collect_policy
  monkeypatch.setattr(
    acting, '_encoder', lambda state: gaussian(tf.zeros([n, 2]))
  )
  found = act(acting, [1.0, 2.0], n)
  assert np.abs(found).max() == 1
  assert np.mean(np.abs(found) == 1) == pytest.approx(0.32, abs=0.04)


def test_the_noise_of_acting_falls_with_the_gradient_steps(agent):
  """From 1 to 0.1 in 100 steps, and no further."""
  stddevs = []
  for step in (0, 50, 100, 1000):
    agent.train_step_counter.assign(step)
    stddevs.append(agent.pi(tf.zeros([1, 3])).stddev()[0, 0])
  np.testing.assert_allclose(stddevs, [1.0, 0.55, 0.1, 0.1], rtol=1e-6)


def test_sequences_are_of_one_episode_and_steps_are_all_there_are(agent):
  """Episodes of 4 and of 3 steps, of which the second terminates."""
  spec = ts.time_step_spec({'state': tf.TensorSpec([1], tf.float32)})
  agent = tiny.agent(
    agent_class=alm.AlmAgent, action_size=1, time_step_spec=spec
  )
  ring = replay.Replay(
    agent.training_data_spec,
    agent.train_sequence_length,
    0,
    capacity=40,
    joined=agent.joined,
  )
  collector = collecting.Collector(
    [collecting_test.Counting()],
    ring,
    agent.training_data_spec,
    metrics.Stopwatch(),
  )
  policy = compiled.CompiledPolicy(agent.collect_policy)
  for _ in range(50):  # The ring overflows.
    collector.step(policy)
  batch = ring.sample(4000)
  frames = batch.observation['state'][:, :, 0].astype(int)
  # Only the step into the terminal state has no value after it.
  into = frames[:, 1:] % 7
  np.testing.assert_array_equal(batch.discount[:, -2], into[:, -1] != 6)
  # Frames 0 to 3 and 4 to 6 are an episode each, and so on every 7 frames.
  sequences, steps = np.split(frames, 2)
  np.testing.assert_array_equal(
    sequences - sequences[:, :1], [[0, 1, 2]] * 2000
  )
  assert set(sequences[:, 0] % 7) == {0, 1, 4}
  # Single steps are all that there are, each as probable as any other.
  np.testing.assert_array_equal(steps[:, -1] - steps[:, -2], 1)
  count = np.bincount(steps[:, -2] % 7, minlength=7)
  assert not count[[3, 6]].any()
  assert np.all(np.abs(count[[0, 1, 2, 4, 5]] - 400) < 120)


def test_the_lesser_of_two_critics_counts_and_of_two_targets(
  agent, monkeypatch
):
  nets = agent._networks
  for name, factors in (('critics', (1, 5)), ('target_critics', (4, 3))):
    own = [lambda z, a, f=f: f * z[:, 0] + a[:, 0] for f in factors]
    monkeypatch.setattr(nets, name, own)
  z, a = tf.constant([[1.0], [-1.0]]), tf.constant([[10.0], [20.0]])
  assert nets.value(z, a).numpy().tolist() == [11, 15]
  assert nets.target_value(z, a).numpy().tolist() == [13, 16]


def test_the_value_at_the_end_of_the_bound_has_its_weight(by_hand, monkeypatch):
  agent = by_hand(
    encoder=lambda s: gaussian(s),
    target_encoder=lambda s: gaussian(s, 1.0),
    model=lambda z, a: gaussian(z + a, 1.0),
    reward=lambda z, a: total(a),
    value=lambda z, a: 0 * total(z) + 5,
    actor=lambda z: z,
  )
  monkeypatch.setattr(agent, '_value_weight', 3.0)
  monkeypatch.setattr(agent, '_kl_weight', 0.0)
  steps = tf.ones([B, K + 1, 2])
  loss, _ = agent.model_loss(0 * steps, steps, SEED)
  np.testing.assert_allclose(loss, -(K * 2 + 3 * 5), rtol=1e-5)


def test_draws_of_an_update_are_independent(by_hand, monkeypatch):
  n, seen, seeds = 4000, [], []

  def unit(z, *_):
    return gaussian(0 * z, 1.0)

  def first(z, *_):
    return z[..., 0]

  def value(z, a):
    seen.append(z)
    return first(z)

  def noisy(pi, seed):
    seeds.append(tuple(seed.numpy()))
    return pi.mean()

  agent = by_hand(
    critics=[first, first],
    target_value=first,
    actor=lambda z: z,
    model=unit,
    encoder=unit,
    target_encoder=unit,
    reward=first,
    value=value,
    classifier=types.SimpleNamespace(log_ratio=first),
  )
  monkeypatch.setattr(agent._noise, 'sample_clipped', noisy)
  z = unit(tf.zeros([n, 1]))
  step = transition(
    action=tf.zeros([n, 1]),
    reward=tf.zeros([n]),
    discount=tf.ones([n]),
    encoded=z,
    next_encoded=z,
  )
  # E (z - 0.9 z')^2 of unit Gaussians.
  loss, _ = agent.critic_loss(step, SEED)
  assert loss.numpy() == pytest.approx(1 + 0.9**2, rel=0.1)
  seeds.clear()
  agent.actor_loss(step, SEED)
  assert len(set(seeds)) == K + 1
  nothing = tf.zeros([n, K + 1, 1])
  zs, _ = alm_bound.unroll(agent._networks, nothing, nothing, SEED)
  for z in (seen[0], zs):  # [n, steps, 1]
    correlation = np.corrcoef(z[..., 0].numpy().T)
    np.testing.assert_allclose(correlation, np.eye(len(correlation)), atol=0.1)
