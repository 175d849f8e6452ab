"""SAC without a model: what it sees, what moves what, and a loss by hand."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.agents import baselines, policies
from slac.training import collecting, compiled, metrics, replay
from tests import tiny
from tests.agents import policies_test, sac_test
from tests.training import collecting_test

MID = tiny.MID
T, BATCH = tiny.T, 4
STATE_SIZE = 1
TIME_STEP_SPEC = ts.time_step_spec(
  {
    'pixels': tiny.PIXELS_SPEC,
    'state': tf.TensorSpec([STATE_SIZE], tf.float32, 'state'),
  }
)
AGENTS = [baselines.SacStateAgent, baselines.SacPixelsAgent]
LENGTHS = {baselines.SacStateAgent: 2, baselines.SacPixelsAgent: T + 1}


@pytest.fixture(autouse=True)
def _eager():
  # Tracing a graph takes much longer than one eager step.
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def make_agent(agent_class, action_size=2, **settings):
  return tiny.agent(
    agent_class=agent_class,
    action_size=action_size,
    time_step_spec=TIME_STEP_SPEC,
    **settings,
  )


def make_experience(agent_class, seed=0, **changes):
  length = LENGTHS[agent_class]
  experience = tiny.experience(BATCH, length=length, seed=seed)
  if agent_class is baselines.SacStateAgent:
    state = np.random.default_rng(seed).normal(size=[BATCH, length, 1])
    changes = {'observation': {'state': tf.cast(state, tf.float32)}, **changes}
  return experience._replace(**changes)


def variables_of(agent):
  groups = sac_test.all_variables(agent)
  if hasattr(agent, '_encoder'):
    groups['encoder'] = list(agent._encoder.variables)
    groups['target encoder'] = list(agent._target_encoder.variables)
  return groups


def values(agent):
  return tf.nest.map_structure(lambda v: v.numpy(), variables_of(agent))


def moved(before, after):
  """The groups that differ by more than a target's rounding."""
  return {
    name
    for name, arrays in before.items()
    if any(
      np.any(np.abs(a - b) > 3e-7)
      for a, b in zip(arrays, after[name], strict=True)
    )
  }


def all_equal(one, two):
  for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(two), strict=True):
    np.testing.assert_array_equal(a, b)


def of_multiples_of_the_state(**settings):
  """An agent without a temperature, of critics s and 2 s, targets 4 s and 3 s.

  This is so for s > 0.
  """
  agent = make_agent(baselines.SacStateAgent, **settings)
  critics = [*agent._critics, *agent._target_critics]
  for critic, factor in zip(critics, (1, 2, 4, 3), strict=True):
    for kernel, bias in tiny.weights(critic):
      bias.assign(tf.zeros_like(bias))
      kernel.assign(tf.scatter_nd([[0, 0]], [1.0], kernel.shape))
    kernel.assign(factor * kernel)
  agent._log_alpha.assign(-40.0)
  return agent


# With s = 3, r = 2 and s' = 5: y = 2 + 0.99 * 15 = 16.85, or 2 where the task
# itself ended.
@pytest.mark.parametrize(
  ('discount', 'loss'),
  [
    (1.0, (13.85**2 + 10.85**2) / 2),
    (0.0, (1**2 + 4**2) / 2),
  ],
)
def test_critic_loss_of_one_pair_by_hand(discount, loss):
  agent, pair = of_multiples_of_the_state(), tf.ones([BATCH, 1])
  # What belongs to the second step plays no part but for its state.
  experience = make_experience(
    baselines.SacStateAgent,
    observation={'state': tf.stack([3 * pair, 5 * pair], axis=1)},
    reward=tf.concat([2 * pair, 100 * pair], axis=1),
    discount=tf.concat([discount * pair, (1 - discount) * pair], axis=1),
  )
  found = agent.train(experience).extra['critic/loss'].numpy()
  assert found == pytest.approx(loss, rel=1e-5)


# With s = 3, r = 2, r' = 4 and s'' = 5: y = 2 + 0.99 * 4 + 0.99^2 * 15.
@pytest.mark.parametrize(('discount', 'target'), [(1.0, 20.6615), (0.0, 5.96)])
def test_critic_loss_of_two_steps_in_a_row_by_hand(discount, target):
  agent = of_multiples_of_the_state(NStepReturn__num_steps=2)
  assert agent.train_sequence_length == 3
  # No state is between, and of the last step nothing else plays a part.
  state, reward, discounts = (
    tf.tile(tf.constant([row]), [BATCH, 1])
    for row in ([3.0, np.nan, 5.0], [2.0, 4.0, np.nan], [1, discount, np.nan])
  )
  experience = tiny.experience(BATCH, length=3)._replace(
    observation={'state': state[..., tf.newaxis]},
    reward=reward,
    discount=discounts,
  )
  found = agent.train(experience).extra['critic/loss'].numpy()
  errors = np.array([3, 6]) - target
  assert found == pytest.approx(np.sum(errors**2) / 2, rel=1e-5)


def critic_loss(agent):
  """The loss, and metrics, of random stacks of images."""
  now, after = (
    tf.concat(tf.unstack(tiny.pixels(BATCH, T, seed=seed), axis=1), -1)
    for seed in (0, 1)
  )
  ones, action = tf.ones([BATCH]), tf.zeros([BATCH, 2])
  return agent.critic_loss(now, action, ones, ones, after, after, [1, 2])


def reached(agent):
  """The groups of variables that each loss has a gradient for."""
  now, _ = tf.unstack(
    agent._see(make_experience(baselines.SacPixelsAgent)), axis=1
  )
  losses = {
    'critic': lambda: critic_loss(agent)[0],
    'actor': lambda: agent.actor_loss(now, now, [3, 4])[0],
    'alpha': lambda: agent.alpha_loss(tf.ones([BATCH]))[0],
  }
  groups = {}
  for name, loss in losses.items():
    with tf.GradientTape() as tape:
      value = loss()
    groups[name] = sac_test.reached(tape, value, variables_of(agent))
  return groups


def test_the_critic_loss_alone_reaches_the_encoder():
  agent = make_agent(baselines.SacPixelsAgent)
  assert reached(agent) == {
    'critic': {'critic', 'encoder'},
    'actor': {'actor', 'critic'},
    'alpha': {'alpha'},
  }


@pytest.mark.parametrize(
  ('name', 'expected'),
  [
    ('critic', {'critic', 'encoder', 'target', 'target encoder'}),
    ('actor', {'actor'}),
    ('alpha', {'alpha'}),
  ],
)
def test_each_loss_of_a_step_moves_its_own_variables(
  name, expected, monkeypatch
):
  agent = make_agent(baselines.SacPixelsAgent)
  before, apply = values(agent), agent.apply

  def apply_one(gradients):
    zeros = tf.nest.map_structure(tf.zeros_like, gradients)
    apply({**zeros, name: gradients[name]})

  monkeypatch.setattr(agent, 'apply', apply_one)
  agent.train(make_experience(baselines.SacPixelsAgent))
  assert moved(before, values(agent)) == expected


@pytest.mark.parametrize('agent_class', AGENTS)
def test_targets_start_equal_and_follow(agent_class):
  agent = make_agent(agent_class)
  pairs = [('critic', 'target')]
  if agent_class is baselines.SacPixelsAgent:
    pairs.append(('encoder', 'target encoder'))
  before = values(agent)
  agent.train(make_experience(agent_class))
  after = values(agent)
  for online, target in pairs:
    all_equal(before[online], before[target])
    for old, new, mine in zip(
      before[target], after[target], after[online], strict=True
    ):
      expected = 0.995 * old + 0.005 * mine
      np.testing.assert_allclose(new, expected, rtol=1e-6, atol=1e-9)


def test_the_critics_target_is_of_the_target_encoder():
  agent = make_agent(baselines.SacPixelsAgent)
  _, before = critic_loss(agent)
  tiny.shake(agent._target_encoder, seed=1)
  _, after = critic_loss(agent)
  assert after['critic/q'] == before['critic/q']
  assert abs(after['critic/target'] - before['critic/target']) > 1e-3


@pytest.mark.parametrize('reset', [True, False])
def test_actor_sees_the_same_stack_in_acting_and_in_training(reset):
  agent = make_agent(baselines.SacPixelsAgent)
  policy, actor = agent.collect_policy, policies_test.RecordingActor()
  policy._model._encoder, policy._actor = tf.identity, actor
  stream = policies_test.STREAM
  pixels = tiny.pixels(len(stream))
  policies_test.act(policy, {'pixels': pixels}, stream, reset)

  for start in range(len(stream) - T):
    window = slice(start, start + T + 1)
    experience = tiny.experience(1, stream[window])._replace(
      observation={'pixels': tf.constant(pixels[np.newaxis, window])}
    )
    now, after = agent._see(experience)[0].numpy()
    np.testing.assert_array_equal(actor.seen[start + T - 1], now)
    np.testing.assert_array_equal(actor.seen[start + T], after)
  # By hand at an episode's first and second step, and in its midst.
  for t, frames in ((0, [0, 0, 0]), (6, [5, 5, 6]), (9, [7, 8, 9])):
    expected = np.concatenate([pixels[i] for i in frames], axis=-1)
    np.testing.assert_array_equal(actor.seen[t], expected)


@pytest.mark.parametrize('agent_class', AGENTS)
def test_no_critic_learns_on_a_pair_that_joins_episodes(agent_class):
  agent = make_agent(agent_class, action_size=1)
  ring = replay.Replay(
    agent.training_data_spec, agent.train_sequence_length, 0, capacity=40
  )
  # Frames 0 to 3 and 4 to 6 are an episode each, and so on every 7 frames;
  # the first ends at a time limit, the second terminates.
  collector = collecting.Collector(
    [collecting_test.Counting()],
    ring,
    agent.training_data_spec,
    metrics.Stopwatch(),
  )
  random_policy = compiled.CompiledPolicy(
    policies.UniformPolicy(
      agent.time_step_spec,
      agent.action_spec,
      generator=tf.random.Generator.from_seed(0),
    )
  )
  for _ in range(50):  # The ring overflows.
    collector.step(random_policy)
  experience = tf.nest.map_structure(tf.constant, ring.sample(400))
  seen = agent._see(experience).numpy()
  if agent_class is baselines.SacPixelsAgent:
    assert np.all(seen == seen[:, :, :1, :1])
    seen = seen[:, :, 0, 0, ::3]
  seen = seen.astype(int)
  now, after = seen[:, 0, -1], seen[:, 1, -1]
  np.testing.assert_array_equal(after, now + 1)
  # From 3 to 4 and from 6 to 7 no action leads.
  assert set(now % 7) == {0, 1, 2, 4, 5}
  np.testing.assert_array_equal(
    experience.discount[:, -2], np.where(now % 7 == 5, 0, 1)
  )
  # Nor does a stack of images reach into the episode before.
  first = now - now % 7 + np.where(now % 7 < 4, 0, 4)
  for age in range(seen.shape[2]):
    for t, frame in enumerate((now, after)):
      np.testing.assert_array_equal(
        seen[:, t, -1 - age], np.maximum(frame - age, first)
      )


def draw_action(agent):
  spec = agent.time_step_spec
  step = tf.nest.map_structure(lambda s: tf.zeros([1, *s.shape], s.dtype), spec)
  policy = agent.collect_policy
  return policy.action(step, policy.get_initial_state(1)).action.numpy()


@pytest.mark.parametrize('agent_class', AGENTS)
def test_equal_seeds_give_equal_numbers_and_a_checkpoint_goes_on(
  agent_class, tmp_path
):
  experience = make_experience(agent_class)
  one, two = (make_agent(agent_class) for _ in range(2))
  all_equal(one.train(experience), two.train(experience))
  path = tf.train.Checkpoint(agent=one).save(str(tmp_path / 'c'))
  expected = one.train(experience), draw_action(one)
  # Another history, then back to where the checkpoint was written.
  for _ in range(2):
    two.train(make_experience(agent_class, seed=9))
    draw_action(two)
  assert moved(values(one), values(two)) == set(values(one))
  tf.train.Checkpoint(agent=two).restore(path).assert_consumed()
  all_equal((two.train(experience), draw_action(two)), expected)
  all_equal(values(one), values(two))


def test_images_of_other_shapes_are_stacked_too():
  shape = (48, 80, 1)
  spec = ts.time_step_spec({'pixels': tf.TensorSpec(shape, tf.uint8)})
  agent = tiny.agent(agent_class=baselines.SacPixelsAgent, time_step_spec=spec)
  kernels = [layer.kernel.shape for layer in agent._encoder._layers]
  assert kernels[0] == [5, 5, T, 1] and kernels[-1] == [3 * 5 * 8, 4]
  before = values(agent)
  agent.train(tiny.experience(2, image_shape=shape))
  assert 'encoder' in moved(before, values(agent))


def test_only_what_is_needed_is_kept():
  state, pixels = (make_agent(agent_class) for agent_class in AGENTS)
  assert list(state.training_data_spec.observation) == ['state']
  assert list(pixels.training_data_spec.observation) == ['pixels']
  assert state.train_sequence_length == 2
  assert pixels.train_sequence_length == T + 1
  mlps = {
    'actor': ((4 * 6 + 6) + (6 * 6 + 6) + (6 * 4 + 4)),
    'critics': 2 * ((6 * 6 + 6) + (6 * 6 + 6) + (6 + 1)),
  }
  encoder = (
    (25 * 9 * 1 + 1) + (9 * 2 + 2) + (9 * 8 + 4) + (9 * 32 + 8) + 128 * 4 + 4
  )
  assert pixels.num_parameters == {'encoder': encoder, **mlps}


def test_images_are_kept_on_demand_and_change_nothing():
  plain, keeping = (
    tiny.agent(
      agent_class=baselines.SacStateAgent,
      time_step_spec=TIME_STEP_SPEC,
      SacStateAgent__keeps_pixels=keeps_pixels,
    )
    for keeps_pixels in (False, True)
  )
  kept = keeping.training_data_spec.observation
  assert sorted(kept) == ['pixels', 'state']
  experience = make_experience(baselines.SacStateAgent)
  both = {**experience.observation, 'pixels': tiny.pixels(BATCH, 2)}
  plain.train(experience)
  keeping.train(experience._replace(observation=both))
  all_equal(values(plain), values(keeping))
  # No image is needed to act.
  assert keeping.policy.time_step_spec == plain.policy.time_step_spec


def test_an_update_is_traced_ahead_and_tells_its_metrics():
  tf.config.run_functions_eagerly(False)
  agent = make_agent(baselines.SacStateAgent)
  names, step = agent.trace(BATCH), int(agent.train_step_counter)
  info = agent.train(make_experience(baselines.SacStateAgent))
  assert names == list(info.extra)
  assert agent._train.experimental_get_tracing_count() == 1
  assert int(agent.train_step_counter) == step + 1


def test_an_environment_without_a_state_is_refused():
  with pytest.raises(errors.UserError, match=r"offers pixels: .* 'state'"):
    tiny.agent(agent_class=baselines.SacStateAgent)


def test_the_next_action_is_of_what_the_encoder_itself_sees(monkeypatch):
  agent = make_agent(baselines.SacPixelsAgent)
  tiny.shake(agent._target_encoder, seed=1)
  seen, actor = [], agent._actor

  def act(inputs):
    seen.append(inputs)
    return actor(inputs)

  monkeypatch.setattr(agent, '_actor', act)
  critic_loss(agent)
  stacks = tf.concat(tf.unstack(tiny.pixels(4, 3, seed=1), axis=1), -1)
  np.testing.assert_allclose(seen[0], agent._encoder(stacks), rtol=1e-5)
