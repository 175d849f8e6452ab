"""The policies act on what training sees, and draw from their own seeds."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.trajectories import time_step as ts

from slac.agents import inputs, policies
from slac.models import ablations
from tests import tiny

tfd = tfp.distributions
FIRST, MID, LAST = tiny.FIRST, tiny.MID, tiny.LAST
T, ACTIONS = tiny.T, 2
# Three episodes: one longer than T, one shorter, one that goes on.
STREAM = [FIRST, MID, MID, MID, LAST, FIRST, LAST, FIRST, MID, MID, MID]


class RecordingActor(tf.Module):
  """A fixed distribution that keeps what it was given."""

  def __init__(self):
    super().__init__()
    self.seen = []

  def __call__(self, x):
    self.seen.append(x.numpy()[0])
    mean = tf.tile([[0.2, -0.7]], [len(x), 1])
    return tfd.TransformedDistribution(
      tfd.MultivariateNormalDiag(mean, [0.5, 0.5]), tfp.bijectors.Tanh()
    )


def history_policy(
  actor,
  model,
  greedy=False,
  input_class=inputs.HistoryInput,
  observation_spec=tiny.TIME_STEP_SPEC.observation,
):
  return policies.HistoryPolicy(
    ts.time_step_spec(observation_spec),
    tiny.action_spec(ACTIONS),
    T,
    model,
    input_class(inputs.Sizes(T, model.feature_size, tiny.LATENT_SIZE, ACTIONS)),
    actor,
    generator=tf.random.Generator.from_seed(0),
    greedy=greedy,
  )


def time_step(observation, step_type):
  return ts.TimeStep(
    tf.constant([step_type]),
    tf.zeros([1]),
    tf.ones([1]),
    {name: tf.constant(x[np.newaxis]) for name, x in observation.items()},
  )


def act(policy, stream, step_types, reset):
  """The actions along a stream, the state reset at FIRST or carried over."""
  state, actions = policy.get_initial_state(1), []
  for t, step_type in enumerate(step_types):
    if step_type == FIRST and reset:
      state = policy.get_initial_state(1)
    observation = {name: x[t] for name, x in stream.items()}
    step = policy.action(time_step(observation, step_type), state)
    state = step.state
    actions.append(step.action[0].numpy())
  return np.stack(actions)


def training_inputs(model, make, stream, actions):
  """Yields where each sequence of the stream begins, and its two inputs."""
  for start in range(len(STREAM) - T):
    window = slice(start, start + T + 1)
    evidence = model.perceive(
      {name: tf.constant(x[np.newaxis, window]) for name, x in stream.items()},
      tf.constant(actions[np.newaxis, window]),
      tf.constant([STREAM[window]]),
      [1, 2],
    )
    now, after = make(evidence)[0].numpy()
    yield start, now, after


@pytest.mark.parametrize('reset', [True, False])
@pytest.mark.parametrize('has_state', [False, True])
def test_actor_sees_the_same_in_acting_and_in_training(reset, has_state):
  actor, stream = RecordingActor(), {'pixels': tiny.pixels(len(STREAM))}
  spec, proprioception = tiny.TIME_STEP_SPEC.observation, None
  if has_state:
    spec, proprioception = tiny.BOTH_SPEC, tiny.proprioception
    stream['state'] = tiny.states(len(STREAM))
  model = tiny.model(observation_spec=spec, proprioception=proprioception)
  policy = history_policy(actor, model, observation_spec=spec)
  actions = act(policy, stream, STREAM, reset)
  acting = np.stack(actor.seen)

  features = model.encoder(tf.constant(stream['pixels'])).numpy()
  if has_state:
    embedding = model.proprioception.embed(stream['state'])
    features = np.concatenate([features, embedding], axis=-1)
  # Images, and states, are told apart.
  assert np.ptp(features[:, :4], axis=0).max() > 1e-3
  assert np.ptp(features[:, -1]) > 1e-3
  size = model.feature_size
  make = inputs.HistoryInput(inputs.Sizes(T, size, tiny.LATENT_SIZE, ACTIONS))
  for start, now, after in training_inputs(model, make, stream, actions):
    np.testing.assert_allclose(acting[start + T - 1], now, atol=1e-6)
    np.testing.assert_allclose(acting[start + T], after, atol=1e-6)
  # By hand at the second step of the second episode.
  f, a = features[5:7], actions[5]
  expected = np.concatenate([f[0], f[0], f[1], np.zeros(ACTIONS), a])
  np.testing.assert_allclose(acting[6], expected, atol=1e-6)
  # And at the very first step, for which no training sequence exists.
  expected = np.concatenate([features[0]] * 3 + [np.zeros(2 * ACTIONS)])
  np.testing.assert_allclose(acting[0], expected, atol=1e-6)


@pytest.mark.parametrize('reset', [True, False])
def test_actor_sees_the_same_latents_in_acting_and_in_training(reset):
  # A model without noise, in which they could differ.
  model = tiny.model(model_class=ablations.Deterministic)
  actor, pixels = RecordingActor(), tiny.pixels(len(STREAM))
  policy = history_policy(actor, model, input_class=inputs.LatentInput)
  stream = {'pixels': pixels}
  actions = act(policy, stream, STREAM, reset)
  acting = np.stack(actor.seen)
  assert acting.shape == (len(STREAM), tiny.LATENT_SIZE)
  assert np.ptp(acting, axis=0).max() > 0.01

  make = inputs.LatentInput(inputs.Sizes(T, 4, tiny.LATENT_SIZE, ACTIONS))
  for start, now, after in training_inputs(model, make, stream, actions):
    np.testing.assert_allclose(acting[start + T - 1], now, atol=1e-6)
    # The filter saw one step more, if they are all of one episode.
    if FIRST in STREAM[start + 1 : start + T + 1]:
      np.testing.assert_allclose(acting[start + T], after, atol=1e-6)
  # By hand at the first and the second step of the second episode.
  features = model.encoder(tf.constant(pixels))
  first = model.first_posterior(features[5:6], [0, 0])
  second = model.posterior_step(first, actions[5:6], features[6:7], [0, 0])
  np.testing.assert_allclose(acting[5], model.latent(first)[0], atol=1e-6)
  np.testing.assert_allclose(acting[6], model.latent(second)[0], atol=1e-6)


def test_latents_are_drawn_anew_at_each_step():
  actor, pixels = RecordingActor(), np.repeat(tiny.pixels(1), 3, axis=0)
  policy = history_policy(
    actor, tiny.model(), greedy=True, input_class=inputs.LatentInput
  )
  act(policy, {'pixels': pixels}, [FIRST] * 3, reset=True)
  assert len(np.unique(actor.seen, axis=0)) == 3


def test_policy_state_is_the_last_steps():
  policy = history_policy(RecordingActor(), tiny.model())
  state = policy.get_initial_state(5)
  assert state['observation']['pixels'].shape == [5, T - 1, 64, 64, 3]
  assert state['observation']['pixels'].dtype == tf.uint8
  assert state['action'].shape == [5, T - 1, ACTIONS]
  assert state['step_type'].numpy().tolist() == [[MID] * (T - 1)] * 5

  pixels, state = tiny.pixels(3), policy.get_initial_state(1)
  actions = []
  for t, step_type in enumerate([FIRST, MID, LAST]):
    step = policy.action(time_step({'pixels': pixels[t]}, step_type), state)
    state = step.state
    actions.append(step.action[0])
  np.testing.assert_array_equal(state['observation']['pixels'][0], pixels[1:])
  np.testing.assert_array_equal(state['action'][0], actions[1:])
  assert state['step_type'].numpy().tolist() == [[MID, LAST]]


def test_greedy_action_is_tanh_of_the_mean():
  model, stream = tiny.model(), {'pixels': tiny.pixels(2)}
  greedy = history_policy(RecordingActor(), model, greedy=True)
  actions = act(greedy, stream, [FIRST, MID], reset=True)
  np.testing.assert_allclose(actions, [np.tanh([0.2, -0.7])] * 2, rtol=1e-6)
  sampled = act(
    history_policy(RecordingActor(), model), stream, [FIRST, MID], reset=True
  )
  assert np.all(np.abs(sampled - actions) > 1e-3)


def test_sampled_actions_have_the_actors_distribution():
  policy = history_policy(RecordingActor(), tiny.model())
  u = np.arctanh(
    policy.action(first_steps(300), policy.get_initial_state(300)).action
  )
  np.testing.assert_allclose(u.mean(0), [0.2, -0.7], atol=0.1)  # 3.5 sigma.
  np.testing.assert_allclose(u.std(0), [0.5, 0.5], atol=0.07)


@pytest.mark.parametrize('greedy', [False, True])
def test_a_policy_of_the_state_remembers_nothing(greedy):
  actor = RecordingActor()
  spec = ts.time_step_spec({'state': tf.TensorSpec([3], tf.float32, 'state')})
  policy = policies.StatePolicy(
    spec,
    tiny.action_spec(2),
    actor,
    generator=tf.random.Generator.from_seed(0),
    greedy=greedy,
  )
  assert policy.get_initial_state(1) == ()
  actions = []
  for t, step_type in enumerate([FIRST, MID, LAST]):
    state = tf.fill([1, 3], float(t))
    step = policy.action(
      ts.TimeStep(
        tf.constant([step_type]), tf.zeros([1]), tf.ones([1]), {'state': state}
      )
    )
    assert step.state == ()
    actions.append(step.action[0].numpy())
  assert [seen.tolist() for seen in actor.seen] == [[0] * 3, [1] * 3, [2] * 3]
  distances = np.abs(actions - np.tanh([0.2, -0.7]))
  assert np.all(distances < 1e-6 if greedy else distances > 1e-3)


def random_policy(seed=0, policy_class=policies.TanhGaussianPolicy):
  return policy_class(
    tiny.TIME_STEP_SPEC,
    tiny.action_spec(3),
    generator=tf.random.Generator.from_seed(seed),
  )


def first_steps(batch_size):
  pixels = tf.zeros([batch_size, 64, 64, 3], tf.uint8)
  return ts.restart({'pixels': pixels}, batch_size)


def test_random_policy_is_tanh_of_a_normal_of_deviation_two():
  action = random_policy().action(first_steps(10_000)).action.numpy()
  assert action.shape == (10_000, 3)
  # |a| < tanh(x) if |u| < x = k sigma.
  for x, fraction in [(1, 0.3829), (2, 0.6827), (4, 0.9545)]:
    within = np.mean(np.abs(action) < np.tanh(x), axis=0)
    np.testing.assert_allclose(within, fraction, atol=0.02)
  np.testing.assert_allclose(np.mean(action > 0, axis=0), 0.5, atol=0.02)
  correlation = np.corrcoef(action.T)
  np.testing.assert_allclose(correlation, np.eye(3), atol=0.04)


def test_the_random_policy_of_gym_is_uniform():
  policy = random_policy(seed=1, policy_class=policies.UniformPolicy)
  action = policy.action(first_steps(10_000)).action.numpy()
  assert action.shape == (10_000, 3)
  for x in (-0.5, 0.0, 0.8):
    below = np.mean(action < x, axis=0)
    np.testing.assert_allclose(below, (x + 1) / 2, atol=0.02)
  assert np.abs(action).max() <= 1
  np.testing.assert_allclose(np.corrcoef(action.T), np.eye(3), atol=0.04)


@pytest.mark.parametrize(
  'policy_class', [policies.TanhGaussianPolicy, policies.UniformPolicy]
)
def test_draws_depend_on_the_seed_alone(policy_class):
  policy, steps = random_policy(policy_class=policy_class), first_steps(2)
  one, two = (policy.action(steps).action.numpy() for _ in range(2))
  assert np.all(one != two)
  policy.reseed(5)
  five = policy.action(steps, seed=[1, 1]).action.numpy()
  policy.reseed(6)
  six = policy.action(steps).action.numpy()
  policy.reseed(5)
  again = policy.action(steps, seed=[2, 2]).action.numpy()
  np.testing.assert_array_equal(five, again)
  assert np.all(five != six)


def test_spawned_generators_differ_and_come_back():
  def draws(seed):
    generators = policies.spawn_generators(seed, 3)
    return [g.uniform_full_int([2]).numpy().tolist() for g in generators]

  assert draws(1) == draws(1)
  everything = draws(1) + draws(2)
  assert len({tuple(draw) for draw in everything}) == 6
