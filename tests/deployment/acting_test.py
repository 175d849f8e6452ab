"""An exported policy acts as the agent does, in the environment's bounds."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from slac.deployment import acting
from slac.models import networks
from tests import tiny
from tests.agents import policies_test
from tests.deployment import exported

FIRST, T = tiny.FIRST, tiny.T
STREAM = policies_test.STREAM  # Three episodes, one of them shorter than T.
FIRSTS = [step_type == FIRST for step_type in STREAM]


def act_as_the_agent(policy, seen):
  """The agent's own actions along the stream."""
  state, actions = policy.get_initial_state(1), []
  for observation, step_type in zip(seen, STREAM, strict=True):
    observed = {
      name: tf.constant(observation[name][np.newaxis])
      for name in policy.time_step_spec.observation
    }
    step = policy.action(
      ts.TimeStep(
        tf.constant([step_type]), tf.zeros([1]), tf.ones([1]), observed
      ),
      state,
    )
    state = step.state
    actions.append(step.action[0].numpy())
  return np.stack(actions)


@pytest.fixture(scope='module')
def agent():
  return exported.make_agent('history')


@pytest.fixture(scope='module')
def policy(agent):
  return exported.policy(agent)


@pytest.mark.slow
@pytest.mark.parametrize(
  ('kind', 'images'),
  [
    *(('history', False), ('history', True), ('latent', False)),
    *(('latent', True), ('frames', False), ('state', False)),
    *(('both', False), ('both', True), ('encoded', False)),
  ],
)
def test_actions_are_the_agents_in_the_environments_bounds(kind, images):
  agent = exported.make_agent(kind)
  policy = exported.policy(agent, images=images)
  seen = exported.observations(len(STREAM))
  actions, _ = exported.act(policy, seen, FIRSTS)
  expected = exported.in_own_bounds(act_as_the_agent(agent.greedy_policy, seen))
  assert actions.dtype == np.float32
  np.testing.assert_allclose(actions, expected, rtol=1e-5, atol=1e-6)
  assert np.ptp(expected, axis=0).min() > 0.01  # They tell the images apart.


def test_the_first_variant_carries_features_and_the_other_images(agent, policy):
  images = exported.policy(agent, images=True)
  assert policy.initial_state()['past'].shape == (T - 1, 4)
  assert images.initial_state()['past_pixels'].shape == (T - 1, 64, 64, 3)
  pixels = tiny.pixels(2)
  _, state = policy({'pixels': pixels[0]}, policy.initial_state())
  features = agent.model.encoder(tf.constant(pixels[:1]))
  np.testing.assert_allclose(state['past'][-1], features[0], rtol=1e-5)


@pytest.mark.parametrize(
  ('bounds', 'expected'),
  [
    # By hand: the means are 0.2 and -0.7, of which tanh is 0.19738, -0.60437.
    ({'low': -2.0, 'high': 2.0}, [0.39475, -1.20874]),
    ({'low': 0.0, 'high': 1.0}, [0.59869, 0.19782]),
    ({'low': -1.0, 'high': 1.0}, [0.19738, -0.60437]),
    ({'low': -2.0, 'high': 2.0, 'dtype': np.float64}, [0.39475, -1.20874]),
  ],
)
def test_bounds_by_hand(bounds, expected):
  agent = tiny.agent()
  *_, (kernel, bias) = tiny.weights(agent._actor)
  kernel.assign(tf.zeros_like(kernel))
  bias.assign([0.2, -0.7, 0.0, 0.0])
  policy = exported.policy(agent, **bounds)
  action, _ = policy({'pixels': tiny.pixels()}, policy.initial_state())
  assert action.dtype == bounds.get('dtype', np.float32)
  np.testing.assert_allclose(action, expected, atol=1e-5)
  assert policy.about['action'] == {
    'shape': [2],
    'dtype': np.dtype(action.dtype).name,
    'minimum': [bounds['low']] * 2,
    'maximum': [bounds['high']] * 2,
  }


def test_actions_stay_within_bounds_where_tanh_is_one(agent):
  spec = exported.Recorder(
    np.float32([0.1, -0.3]), np.float32([0.7, 0.9])
  ).action_spec()
  module = acting.Acting(agent.greedy_policy, spec, False)
  for end in (-1.0, 1.0):
    action = module._rescaled(tf.constant([[end, end]])).numpy()
    assert np.all(spec.minimum <= action) and np.all(action <= spec.maximum)


def test_one_row_of_a_batch_begins_anew_and_the_other_goes_on(policy):
  pixels = tiny.pixels(2, 6)
  is_first = np.zeros([6, 2], bool)
  is_first[0] = True
  is_first[3, 1] = True
  state, actions = policy.initial_state(2), []
  for t in range(6):
    action, state = policy({'pixels': pixels[:, t]}, state, is_first[t])
    actions.append(action)
  actions = np.stack(actions, axis=1)
  assert actions.shape == (2, 6, 2)
  rows = [[{'pixels': image} for image in row] for row in pixels]
  alone = [exported.act(policy, row)[0] for row in rows]
  begun = exported.act(policy, rows[1][3:])[0]
  np.testing.assert_allclose(actions[0], alone[0], rtol=1e-5)
  np.testing.assert_allclose(actions[1, :3], alone[1][:3], rtol=1e-5)
  np.testing.assert_allclose(actions[1, 3:], begun, rtol=1e-5)
  assert np.abs(alone[1][3:5] - begun[:2]).max() > 1e-3


def test_the_first_step_is_one_whatever_it_is_said_to_be(policy):
  seen = exported.observations(5)
  said, state = exported.act(policy, seen, [True, False, False, False, False])
  unsaid, _ = exported.act(policy, seen)
  np.testing.assert_array_equal(said, unsaid)
  # A state that has been used forgets all at a first step.
  again, _ = exported.act(
    policy, seen, [True, False, False, False, False], state
  )
  np.testing.assert_array_equal(said, again)
  goes_on, _ = exported.act(policy, seen, state=state)
  assert np.abs(goes_on[:2] - said[:2]).max() > 1e-3


def test_numpy_comes_in_and_out(policy):
  for size in (None, 1, 3):
    batch = [] if size is None else [size]
    before = policy.initial_state(size)
    kept = {name: value.copy() for name, value in before.items()}
    pixels = tiny.pixels(*batch)
    action, state = policy({'pixels': pixels}, before, is_first=True)
    assert type(action) is np.ndarray and action.shape == (*batch, 2)
    assert before.keys() == state.keys() == policy.about['state'].keys()
    for name, value in state.items():
      assert type(value) is np.ndarray
      assert value.shape == before[name].shape
      assert value.shape[: len(batch)] == tuple(batch)
      np.testing.assert_array_equal(before[name], kept[name])
    # The same again is the same.
    repeated, _ = policy({'pixels': pixels}, before, is_first=True)
    np.testing.assert_array_equal(action, repeated)


def test_samples_have_the_actors_distribution(agent):
  n = 4000
  policy = exported.policy(agent, greedy=False)
  assert policy.about['greedy'] is False
  pixels = tiny.pixels(2)

  def repeat(image):
    return {'pixels': np.repeat(image[np.newaxis], n, axis=0)}

  def to_normal(actions):
    unit = 2 * (actions - exported.LOW) / (exported.HIGH - exported.LOW) - 1
    return np.arctanh(unit.astype(np.float64))

  first, state = policy(repeat(pixels[0]), policy.initial_state(n, seed=3))
  step = ts.restart({'pixels': tf.constant(pixels[:1])}, 1)
  own = agent.policy._distribution(step, agent.policy.get_initial_state(1))
  normal = own.action.distribution
  mean, stddev = normal.mean().numpy()[0], normal.stddev().numpy()[0]
  u = to_normal(first)
  np.testing.assert_allclose(u.mean(0), mean, atol=4 * stddev.max() / n**0.5)
  np.testing.assert_allclose(u.std(0), stddev, rtol=0.05)
  # A Gaussian's log-probability is on average that of its entropy.
  log_p = normal.log_prob(u.astype(np.float32)).numpy()
  assert log_p.mean() == pytest.approx(-normal.entropy()[0].numpy(), abs=0.1)
  assert abs(np.corrcoef(u.T)[0, 1]) < 0.07
  assert len(np.unique(u[:, 0])) > 0.99 * n  # No two rows draw the same.

  # The seed decides the draws, which go on from step to step.
  second, _ = policy(repeat(pixels[0]), state, is_first=True)
  noise = (to_normal(second) - u) / stddev
  assert np.abs(noise).mean() == pytest.approx(2 / np.pi**0.5, rel=0.05)
  for seed, same in ((3, True), (4, False)):
    other, _ = policy(repeat(pixels[0]), policy.initial_state(n, seed=seed))
    assert np.array_equal(first, other) == same


@pytest.mark.parametrize(
  ('kind', 'greedy'),
  [
    *(('latent', False), ('frames', False), ('state', False)),
    # It draws no action, but a latent.
    ('noisy latent', True),
  ],
)
def test_every_policy_that_draws_does_so_anew_at_each_step(kind, greedy):
  policy = exported.policy(exported.make_agent(kind), greedy)
  (seen,) = exported.observations(1)
  state, actions = policy.initial_state(), []
  for _ in range(3):
    action, state = policy(seen, state, is_first=True)
    actions.append(action)
  assert len(np.unique(actions, axis=0)) == 3


def test_of_alm_both_policies_are_greedy_and_say_so():
  agent = exported.make_agent('encoded')
  for greedy in (True, False):
    assert exported.policy(agent, greedy=greedy).about['greedy'] is True


def test_a_greedy_policy_draws_nothing(policy):
  seen = exported.observations(4)
  one, state = exported.act(policy, seen, state=policy.initial_state(seed=1))
  two, _ = exported.act(policy, seen, state=policy.initial_state(seed=2))
  np.testing.assert_array_equal(one, two)
  assert state['seed'].tolist() == [1, 0]
  assert policy.about['greedy'] is True


def test_of_both_observations_features_are_carried_or_both():
  agent = exported.make_agent('both')
  pixels, state = tiny.pixels(), tiny.states()
  seen = {'pixels': pixels, 'state': state}
  policy = exported.policy(agent)
  assert set(policy.about['observation']) == {'pixels', 'state'}
  _, after = policy(seen, policy.initial_state())
  features = agent.model.encoder(pixels[np.newaxis])[0]
  embedding = agent.model.proprioception.embed(state[np.newaxis])[0]
  expected = np.concatenate([features, embedding])
  np.testing.assert_allclose(after['past'][-1], expected, rtol=1e-5)
  policy = exported.policy(agent, images=True)
  _, after = policy(seen, policy.initial_state())
  np.testing.assert_array_equal(after['past_pixels'][-1], pixels)
  np.testing.assert_array_equal(after['past_state'][-1], state)


@pytest.mark.parametrize('kind', ['history', 'latent', 'frames', 'state'])
def test_it_holds_what_it_acts_with_and_no_more(kind):
  agent = exported.make_agent(kind)
  spec = exported.Recorder().action_spec()
  module = acting.Acting(agent.greedy_policy, spec, False)
  size = networks.num_parameters
  number = size(agent._actor)
  if kind != 'state':
    number += size(agent._encoder if kind == 'frames' else agent.model.encoder)
  if kind == 'latent':
    model = agent.model
    posterior = (model._q_z1_first, model._q_z1, model._p_z2_first, model._p_z2)
    number += sum(size(network) for network in posterior)
  held = [v.shape.num_elements() for v in module.variables]
  assert sum(held) == number


def test_a_model_of_bfloat16_is_exported_as_float32():
  model = tiny.model(compute_dtype='bfloat16')
  pixels = {'pixels': tf.constant(tiny.pixels(2, T))}
  full = model.encoder(pixels['pixels'])
  np.testing.assert_array_equal(model.encode(pixels), full)
  rounded = model.encode(pixels, model.compute_dtype)
  assert np.abs(rounded - full).max() > 1e-4
