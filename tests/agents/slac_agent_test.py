"""One gradient step of SLAC: what it differentiates, moves, draws, traces."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.policies import tf_policy
from tf_agents.trajectories import time_step as ts

from slac.agents import inputs, slac_agent
from slac.models import evidence
from tests import tiny

FIRST, MID, LAST = tiny.FIRST, tiny.MID, tiny.LAST
BATCH, MODEL_BATCH, STEPS = 3, 2, tiny.T + 1


def groups(agent):
  """The variables of each part."""
  return {
    'model': list(agent.model.variables),
    'actor': list(agent._actor.variables),
    'critic': [v for c in agent._critics for v in c.variables],
    'target': [v for c in agent._target_critics for v in c.variables],
    'alpha': [agent._log_alpha],
  }


def values(agent):
  return tf.nest.map_structure(lambda v: v.numpy(), groups(agent))


def moved(before, after):
  return {
    name
    for name, arrays in before.items()
    if any(np.any(a != b) for a, b in zip(arrays, after[name], strict=True))
  }


@pytest.fixture(scope='module')
def agent():
  return tiny.agent()


@pytest.fixture
def eagerly():
  """Has nothing traced, which takes longer than a few steps."""
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


@pytest.fixture
def plain(eagerly):
  """An agent that takes steps of the gradients themselves, uncompiled."""
  agent = tiny.agent(
    SlacAgent__pretraining_learning_rate=1.0, SlacAgent__model_learning_rate=1.0
  )
  for name, variables in groups(agent).items():
    for seed, v in enumerate(variables):
      rng = np.random.default_rng(seed)
      v.assign_add(rng.normal(0, 0.1, v.shape))
    if name != 'target':
      optimizer = tf.keras.optimizers.SGD(1.0)
      optimizer.build(variables)
      setattr(agent, f'_{name}_optimizer', optimizer)
  return agent


def step_of(agent, update, experience, seed=7):
  """What an update by SGD(1) subtracts from each variable, a fresh start."""
  before = values(agent)
  agent._generator.reset_from_seed(seed)
  info = update(experience)
  after = values(agent)
  for name, variables in groups(agent).items():
    for variable, value in zip(variables, before[name], strict=True):
      variable.assign(value)
  return tf.nest.map_structure(lambda a, b: a - b, before, after), info


def assert_same(one, two, **tolerance):
  for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(two), strict=True):
    np.testing.assert_allclose(a, b, **tolerance)


def largest(gradients):
  return max(np.abs(g).max() for g in tf.nest.flatten(gradients))


def test_it_is_an_agent_of_tf_agents(agent):
  assert isinstance(agent, tf_agent.TFAgent)
  assert isinstance(agent.policy, tf_policy.TFPolicy)
  assert isinstance(agent.collect_policy, tf_policy.TFPolicy)
  assert agent.train_sequence_length == STEPS
  assert agent.collect_data_spec.observation['pixels'].shape == [64, 64, 3]
  agent.initialize()


def test_experience_spec_is_a_trajectory_of_pixels(agent):
  spec = agent.training_data_spec
  tf.nest.assert_same_structure(spec, tiny.experience(1))
  for leaf, array in zip(
    tf.nest.flatten(spec), tf.nest.flatten(tiny.experience(1)), strict=True
  ):
    assert (leaf.shape, leaf.dtype) == (array.shape[2:], array.dtype)


def test_parts_have_the_sizes_of_their_inputs(agent):
  kernel = tiny.weights(agent._actor)[0][0]
  # T features and T - 1 actions.
  assert kernel.shape == [3 * 4 + 2 * 2, 6]
  for critic in agent._critics + agent._target_critics:
    assert tiny.weights(critic)[0][0].shape == [tiny.LATENT_SIZE + 2, 6]
  assert agent.num_parameters['model'] == sum(
    np.prod(v.shape) for v in agent.model.variables
  )


@pytest.mark.slow
def test_trace_names_the_metrics_and_nothing_is_traced_again(agent):
  names = agent.trace(BATCH)
  for seed in range(3):
    info = agent.train(tiny.experience(BATCH, seed=seed))
    model_info = agent._train_model(tiny.experience(MODEL_BATCH, seed=seed))
  assert isinstance(info, tf_agent.LossInfo)
  assert set(names) == {*info.extra, *model_info.extra}
  assert len(names) == len(set(names))
  assert agent._train.experimental_get_tracing_count() == 1
  assert agent._train_model.experimental_get_tracing_count() == 1
  for value in (info.loss, *info.extra.values()):
    assert value.shape == [] and np.isfinite(value)


def test_encoder_is_differentiated_for_the_models_sequences_alone(agent):
  agent.trace(BATCH)
  spec = tf.nest.map_structure(
    lambda s: tf.TensorSpec([BATCH, STEPS, *s.shape], s.dtype),
    agent.training_data_spec,
  )
  graph = agent._train.get_concrete_function(experience=spec).graph

  def batches(kind, index):
    return [
      op.inputs[index].shape[0]
      for op in graph.get_operations()
      if op.type == kind
    ]

  # Four convolutions of the encoder and four of the decoder, whose forward
  # pass is the other way round, but for the one to the image, which is both.
  frames = MODEL_BATCH * STEPS
  assert batches('Conv2DBackpropFilter', 2) == [frames] * 8
  others = (BATCH - MODEL_BATCH) * STEPS
  assert sorted(batches('Conv2D', 0)) == [others] * 4 + [frames] * 9
  assert agent._train.experimental_get_tracing_count() == 1


def test_pretraining_moves_the_model_alone(agent):
  before = values(agent)
  counter = agent.train_step_counter.numpy()
  info = agent._train_model(tiny.experience(MODEL_BATCH))
  assert moved(before, values(agent)) == {'model'}
  assert agent.train_step_counter.numpy() == counter
  assert isinstance(info, tf_agent.LossInfo)
  assert all(name.startswith('model/') for name in info.extra)


def test_training_moves_everything(agent):
  before = values(agent)
  counter = agent.train_step_counter.numpy()
  agent.train(tiny.experience(BATCH))
  assert moved(before, values(agent)) == set(before)
  assert agent.train_step_counter.numpy() == counter + 1


def test_the_model_has_a_learning_rate_of_its_own_while_it_is_alone(eagerly):
  """Adam's first step is the rate wherever there is a gradient.

  Its second one is at most 1.0014 of the rate, whatever the two gradients are:
  sqrt(w^2 / v + (1 - w)^2 / (1 - v)), where w = 0.09 / 0.19 and v = 0.000999 /
  0.001999 are the first one's shares in the two moments.
  """
  agent = tiny.agent(
    SlacAgent__pretraining_learning_rate=1e-2,
    SlacAgent__model_learning_rate=1e-3,
  )

  def longest_step(update, experience):
    before = values(agent)['model']
    update(experience)
    pairs = zip(before, values(agent)['model'], strict=True)
    return max(np.abs(after - value).max() for value, after in pairs)

  experience = tiny.experience(BATCH)
  alone = longest_step(agent._train_model, head_of(experience))
  assert alone == pytest.approx(1e-2, rel=1e-3)
  assert 0.5e-3 < longest_step(agent.train, experience) < 1.002e-3


def head_of(experience):
  return tf.nest.map_structure(lambda x: x[:MODEL_BATCH], experience)


def test_models_gradients_are_of_its_sequences_alone(plain):
  experience = tiny.experience(BATCH)
  other = tiny.experience(BATCH, seed=1)
  other = tf.nest.map_structure(
    lambda x, y: tf.concat([x[:MODEL_BATCH], y[MODEL_BATCH:]], axis=0),
    experience,
    other,
  )
  step, info = step_of(plain, plain.train, experience)
  other_step, _ = step_of(plain, plain.train, other)
  assert_same(step['model'], other_step['model'], rtol=0, atol=0)
  assert np.any(step['actor'][0] != other_step['actor'][0])

  # And are those of pretraining, for equal seeds.
  plain._generator.reset_from_seed(7)
  seeds = plain._draw_seeds(6)
  head = head_of(experience)
  _, gradients, metrics, _ = plain._model_gradients(
    head, head.observation, *seeds[:2]
  )
  gradients = dict(
    zip(
      [v.ref() for v in plain.model.trainable_variables],
      gradients,
      strict=True,
    )
  )
  expected = [gradients[v.ref()] for v in plain.model.variables]
  tolerance = 1e-5 * largest(expected)
  assert_same(step['model'], expected, rtol=1e-4, atol=tolerance)
  assert info.extra['model/elbo'].numpy() == pytest.approx(
    metrics['model/elbo'].numpy()
  )

  plain._draw_seeds = lambda n: seeds[:n]
  pretraining, _ = step_of(plain, plain._train_model, head_of(experience))
  assert_same(step['model'], pretraining['model'], rtol=1e-4, atol=tolerance)


def test_gradients_are_of_the_parameters_before_the_step(plain):
  """The step again from its definition, in method.md's words."""
  experience = tiny.experience(BATCH, [MID, FIRST, MID, MID])
  step, info = step_of(plain, plain.train, experience)

  plain._generator.reset_from_seed(7)
  seeds = plain._draw_seeds(6)
  model = plain.model
  samples, features = [], []
  for part, seed in ((slice(0, 2), seeds[0]), (slice(2, 3), seeds[2])):
    x = model.encoder(experience.observation['pixels'][part])
    states = model.infer(
      x, experience.action[part], experience.step_type[part], seed
    )
    features.append(x)
    samples.append(model.latent(states))
  z, features = tf.concat(samples, 0), tf.concat(features, 0)
  seen = evidence.Evidence(features, experience.action, experience.step_type, z)
  history = inputs.HistoryInput(inputs.Sizes(tiny.T, 4, tiny.LATENT_SIZE, 2))(
    seen
  )

  t = tiny.T - 1  # Of the last pair, (T, T + 1), counted from 0.
  with tf.GradientTape(persistent=True) as tape:
    critic_loss, _ = plain.critic_loss(
      z[:, t],
      experience.action[:, t],
      experience.reward[:, t],
      experience.discount[:, t],
      z[:, t + 1],
      history[:, 1],
      seeds[3],
    )
    actor_loss, _, log_pi = plain.actor_loss(history[:, 0], z[:, t], seeds[4])
    alpha_loss, _ = plain.alpha_loss(log_pi)
  variables = groups(plain)
  for name, loss in (
    ('critic', critic_loss),
    ('actor', actor_loss),
    ('alpha', alpha_loss),
  ):
    gradients = tape.gradient(loss, variables[name])
    scale = 1e-5 * largest(gradients)
    assert_same(step[name], gradients, rtol=1e-3, atol=scale)
  losses = [critic_loss, actor_loss, alpha_loss]
  total = sum(float(x) for x in losses) - info.extra['model/elbo'].numpy()
  assert info.loss.numpy() == pytest.approx(total, rel=1e-5)
  # The targets follow the critics as they are after the step.
  for critic, step_critic, target, step_target in zip(
    variables['critic'],
    step['critic'],
    variables['target'],
    step['target'],
    strict=True,
  ):
    expected = 0.005 * (target - (critic - step_critic))
    np.testing.assert_allclose(step_target, expected, rtol=0.01, atol=1e-6)


@pytest.mark.parametrize('t', range(STEPS))
def test_the_last_transition_of_a_sequence_is_learned_from(plain, t):
  """Rewards and discounts of other steps are not the critics' business."""
  experience = tiny.experience(BATCH)
  reward, discount = experience.reward.numpy(), experience.discount.numpy()
  reward[:, t] += 1
  step, _ = step_of(plain, plain.train, experience)
  of_reward, _ = step_of(
    plain, plain.train, experience._replace(reward=tf.constant(reward))
  )
  discount[:, t] = 0
  of_discount, _ = step_of(
    plain, plain.train, experience._replace(discount=tf.constant(discount))
  )
  for other in (of_reward, of_discount):
    learned = np.any(step['critic'][0] != other['critic'][0])
    assert learned == (t == tiny.T - 1)
  # The model has no use for discounts.
  assert_same(step['model'], of_discount['model'], rtol=0, atol=0)


def test_returns_of_n_steps_are_from_step_T_to_the_last(eagerly):
  agent = tiny.agent(NStepReturn__num_steps=3)
  assert agent.train_sequence_length == tiny.T + 3
  assert agent.joined == (3,)  # No return may go on in another episode.
  experience = tiny.experience(BATCH, length=tiny.T + 3)
  calls, gradients = [], agent.gradients
  agent.gradients = lambda *args: calls.append(args) or gradients(*args)
  rows = []
  for name in ('_actor_input', '_critic_input'):
    made = getattr(agent, name)
    setattr(agent, name, lambda x, made=made: rows.append(made(x)) or rows[-1])
  losses, critic_loss = [], agent.critic_loss
  agent.critic_loss = lambda *args: losses.append(args) or critic_loss(*args)
  agent.train(experience)
  (now, after, _, _), (of_actor, of_critics) = calls[0], rows
  assert of_critics.shape[1] == 3 + 1
  assert_same(now, (of_actor[:, 0], of_critics[:, 0]), rtol=0, atol=0)
  assert_same(after, (of_actor[:, 3], of_critics[:, 3]), rtol=0, atol=0)
  _, action, reward, *_ = losses[0]
  np.testing.assert_array_equal(action, experience.action[:, tiny.T - 1])
  r = experience.reward.numpy()[:, tiny.T - 1 :]
  expected = r[:, 0] + 0.99 * r[:, 1] + 0.99**2 * r[:, 2]
  np.testing.assert_allclose(reward, expected, rtol=1e-5)


def test_no_gradient_of_actor_or_critics_reaches_the_model(plain):
  """Rewards so large that their gradients could not be overlooked."""
  experience = tiny.experience(BATCH)
  step, _ = step_of(plain, plain.train, experience)
  plain._reward_scale = 1e6
  scaled, _ = step_of(plain, plain.train, experience)
  assert largest(scaled['critic']) > 1e3 * largest(step['critic'])
  assert_same(step['model'], scaled['model'], rtol=0, atol=0)


def test_gradients_stop_where_the_inputs_are_made(plain):
  seen, gradients_of = [], plain.gradients

  def recording(now, after, *rest):
    seen.extend([*now, *after])
    return gradients_of(now, after, *rest)

  plain.gradients = recording
  with tf.GradientTape() as tape:
    plain.train(tiny.experience(BATCH))
    total = sum(tf.reduce_sum(x) for x in seen)
  assert len(seen) == 4
  gradients = tape.gradient(total, plain.model.trainable_variables)
  assert all(gradient is None for gradient in gradients)


@pytest.mark.parametrize('batch_size', [MODEL_BATCH, 1])
def test_a_batch_may_be_no_larger_than_the_models(plain, batch_size):
  experience = tiny.experience(batch_size)
  step, info = step_of(plain, plain.train, experience)
  assert np.isfinite(info.loss)
  assert all(largest(part) > 0 for part in step.values())
  seeds = plain._draw_seeds(2)
  plain._draw_seeds = lambda n: (seeds * 3)[:n]
  step, _ = step_of(plain, plain.train, experience)
  pretraining, _ = step_of(plain, plain._train_model, experience)
  assert_same(step['model'], pretraining['model'], rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_equal_seeds_give_equal_numbers_and_a_checkpoint_goes_on(
  dtype, tmp_path
):
  experience = tiny.experience(BATCH)
  one, two = (
    tiny.agent(seed=5, LatentModel__compute_dtype=dtype) for _ in range(2)
  )
  # The states of their generators, too.
  assert_same(one.variables, two.variables, rtol=0, atol=0)
  assert_same(draw_action(one), draw_action(two), rtol=0, atol=0)

  one.train(experience)
  path = tf.train.Checkpoint(agent=one).save(str(tmp_path / 'c'))
  expected = one.train(experience), draw_action(one)
  after = values(one)
  # Another history, then back to where the checkpoint was written.
  for _ in range(2):
    one.train(tiny.experience(BATCH, seed=9))
    draw_action(one)
  status = tf.train.Checkpoint(agent=one).restore(path)
  status.assert_consumed()
  again = one.train(experience), draw_action(one)
  assert_same(again, expected, rtol=0, atol=0)
  assert_same(values(one), after, rtol=0, atol=0)


def gradients_of(agent, experience):
  """The metrics of both parts, and each variable's gradient."""
  seeds = [tf.constant([i, 7]) for i in range(4)]
  _, model, metrics, evidence = agent._model_gradients(
    experience, experience.observation, *seeds[:2]
  )
  _, sac, sac_metrics = agent._sac_gradients(evidence, experience, seeds[2:])
  return {**metrics, **sac_metrics}, {'model': model, **sac}


def test_bfloat16_agrees_with_float32():
  """Losses to a thousandth, gradients to `tiny.BFLOAT16_ERROR`.

  Two batches' gradients are farther from each other than that.
  """
  experience = tiny.experience(8)
  sizes = {
    'LatentModel__base_depth': 8,
    'LatentModel__feature_size': 32,
    'LatentModel__hidden_size': 32,
    'LatentModel__latent1_size': 8,
    'LatentModel__latent2_size': 16,
    'SoftActorCritic__hidden_size': 32,
  }
  (exact, exact_gradients), (metrics, gradients) = (
    gradients_of(
      tiny.agent(LatentModel__compute_dtype=dtype, **sizes), experience
    )
    for dtype in ('float32', 'bfloat16')
  )
  different = 0
  for name, value in exact.items():
    tolerance = {'rtol': 1e-3, 'atol': 1e-6}
    np.testing.assert_allclose(metrics[name], value, **tolerance, err_msg=name)
    different += bool(metrics[name] != value)
  assert different > 3  # Or bfloat16 was not used.
  for name, group in exact_gradients.items():
    for g, other in zip(group, gradients[name], strict=True):
      error = np.linalg.norm(g - other)
      assert error <= tiny.BFLOAT16_ERROR * np.linalg.norm(g), g.shape


def test_bfloat16_is_used_where_rounding_does_no_harm(agent):
  half = tiny.agent(LatentModel__compute_dtype='bfloat16')
  experience = tiny.experience(BATCH)

  def types(agent, kind):
    graph = agent._train.get_concrete_function(experience=experience).graph
    operations = [op for op in graph.get_operations() if op.type == kind]
    return sorted(op.outputs[0].dtype.name for op in operations)

  for kind, exact, rounded in (
    # Exact: the model's pass through the encoder and the decoder's last layer.
    # Rounded: the pass without a gradient, and the decoder's gradients.
    ('Conv2D', 4 + 1, 4 + 4),
    # Rounded: the decoder's hidden layers and the encoder's gradients.
    ('Conv2DBackpropInput', 0, 3 + 4),
    ('Conv2DBackpropFilter', 8, 0),
  ):
    expected = ['bfloat16'] * rounded + ['float32'] * exact
    assert types(half, kind) == expected, kind
    assert types(agent, kind) == ['float32'] * (rounded + exact), kind


@pytest.mark.slow
@pytest.mark.long
def test_xla_compiles_the_updates_if_told_to(agent):
  compiled = tiny.agent(SlacAgent__jit_compile=True)
  experience = tiny.experience(MODEL_BATCH)
  for a, expected in ((agent, False), (compiled, True)):
    for update in (a._train, a._train_model):
      graph = update.get_concrete_function(experience=experience)
      assert graph.function_def.attr['_XlaMustCompile'].b == expected
  # It does so at the first call, here of the model, whose operations are many.
  before = [variable.numpy() for variable in compiled.model.variables]
  info = compiled._train_model(experience=experience)
  assert all(np.isfinite(value) for value in tf.nest.flatten(info.extra))
  after = compiled.model.variables
  assert all(np.any(x != y) for x, y in zip(before, after, strict=True))


def draw_action(agent):
  step = ts.restart({'pixels': tf.constant(tiny.pixels(1))}, batch_size=1)
  policy = agent.collect_policy
  return policy.action(step, policy.get_initial_state(1)).action


def test_seeds_of_a_step_are_distinct_and_move_on(agent):
  seeds = [s.numpy().tolist() for _ in range(2) for s in agent._draw_seeds(5)]
  assert len({tuple(seed) for seed in seeds}) == 10
  other = tiny.agent(seed=1)
  assert other._draw_seeds(1)[0].numpy().tolist() not in seeds


def test_the_encoder_sees_the_augmented_images_and_the_target_stays(plain):
  """White images as the augmentation of the training images."""
  calls, perceived, fitted = [], [], []

  def whiten(pixels, seed):
    calls.append(seed.numpy().tolist())
    np.testing.assert_array_equal(pixels, experience.observation['pixels'])
    return tf.fill(pixels.shape, tf.constant(255, tf.uint8))

  def recording(evidence, *arguments):
    perceived.append(evidence)
    return sac_gradients(evidence, *arguments)

  sac_gradients, loss = plain._sac_gradients, plain.model.loss
  plain._sac_gradients = recording
  plain.model.loss = lambda states, experience, seed: (
    fitted.append(experience.observation['pixels'].numpy()),
    loss(states, experience, seed),
  )[1]
  plain._augmentation = whiten
  experience = tiny.experience(BATCH)
  white = tf.fill([1, 1, 64, 64, 3], tf.constant(255, tf.uint8))
  expected = np.tile(plain.model.encoder(white), [BATCH, STEPS, 1])
  plain.train(experience)
  np.testing.assert_allclose(perceived[0].features, expected, atol=1e-4)
  experience = head_of(experience)
  plain._train_model(experience)
  for images in fitted:
    np.testing.assert_array_equal(images, experience.observation['pixels'])
  assert len(fitted) == 2 and len({tuple(seed) for seed in calls}) == 2


@pytest.fixture
def of_both():
  """An agent of images and state vectors, uncompiled."""
  tf.config.run_functions_eagerly(True)
  yield tiny.agent(
    time_step_spec=ts.time_step_spec(tiny.BOTH_SPEC),
    LatentModel__proprioception=tiny.proprioception,
  )
  tf.config.run_functions_eagerly(False)


def test_states_are_augmented_nowhere_and_seen_everywhere(of_both):
  assert list(of_both.training_data_spec.observation) == ['pixels', 'state']
  kernel = tiny.weights(of_both._actor)[0][0]
  # T features, of the image and the state vector, and T - 1 actions.
  assert kernel.shape == [3 * (4 + 2) + 2 * 2, 6]
  perceived, sac_gradients = [], of_both._sac_gradients

  def recording(evidence, *arguments):
    perceived.append(evidence)
    return sac_gradients(evidence, *arguments)

  of_both._sac_gradients = recording
  of_both._augmentation = lambda pixels, seed: 255 - pixels
  experience = tiny.experience(BATCH, has_state=True)
  expected = of_both.model.encode(
    {**experience.observation, 'pixels': 255 - experience.observation['pixels']}
  )
  before = values(of_both)
  info = of_both.train(experience)
  # Of the sequences with a model loss and of those without.
  np.testing.assert_allclose(perceived[0].features, expected, atol=1e-5)
  assert np.isfinite(info.extra['model/log_p_states'])
  assert moved(before, values(of_both)) == set(before)


def test_the_model_s_updates_move_what_is_of_state_vectors(of_both):
  part = of_both.model.proprioception
  before = [v.numpy() for v in part.trainable_variables]
  of_both._train_model(tiny.experience(MODEL_BATCH, has_state=True))
  after = [v.numpy() for v in part.trainable_variables]
  assert len(before) == 2 * 6
  assert all((a != b).any() for a, b in zip(before, after, strict=True))


def test_an_agent_of_images_keeps_no_states():
  agent = tiny.agent(time_step_spec=ts.time_step_spec(tiny.BOTH_SPEC))
  assert list(agent.training_data_spec.observation) == ['pixels']
  assert agent.model.proprioception is None


def test_split_cuts_a_batch():
  head, tail = slac_agent.split({'x': tf.range(5)}, 2)
  assert head['x'].numpy().tolist() == [0, 1]
  assert tail['x'].numpy().tolist() == [2, 3, 4]


def test_model_learns():
  """Sixty updates on two sequences explain them better."""
  agent = tiny.agent(SlacAgent__pretraining_learning_rate=1e-2)
  experience = tiny.experience(MODEL_BATCH)
  elbo = [
    agent._train_model(experience).extra['model/elbo'].numpy()
    for _ in range(60)
  ]
  assert np.mean(elbo[-5:]) > np.mean(elbo[:5]) + 1000
