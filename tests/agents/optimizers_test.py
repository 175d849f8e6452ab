"""Adam against its formulas; updates that are not finite change nothing."""

import numpy as np
import pytest
import tensorflow as tf

from slac.agents import optimizers
from tests import tiny

SHAPES = ([3, 2], [], [4])
NAN, INF = float('nan'), float('inf')
BATCH, MODEL_BATCH = 3, 2
LOSSES = ('model/elbo', 'critic/loss', 'actor/loss', 'alpha/loss')
NORMS = tuple(
  f'{part}/gradient_norm' for part in ('model', 'critic', 'actor', 'alpha')
)


def run(optimizer, variables, steps):
  """Takes steps of given gradients, compiled."""

  @tf.function
  def apply(*gradients):
    optimizers.apply_gradients(optimizer, gradients, variables)

  for gradients in steps:
    apply(*gradients)


def test_two_steps_by_hand():
  x = tf.Variable(1.0)
  adam = optimizers.Adam(0.5, [x])
  # m = 0.1 * 2, v = 0.001 * 4; unbiased they are 2 and 4.
  run(adam, [x], [[tf.constant(2.0)]])
  np.testing.assert_allclose(x, 1.0 - 0.5 * 2 / 2, rtol=1e-6)
  # m = 0.18 - 0.1, v = 0.003996 + 0.001; unbiased 0.08 / 0.19 and
  # 0.004996 / 0.001999.
  run(adam, [x], [[tf.constant(-1.0)]])
  np.testing.assert_allclose(x, 0.5 - 0.5 * 0.42105263 / 1.5809016, rtol=1e-5)
  # At rest, the moments decay and push on: m = 0.072, v = 0.004991004;
  # unbiased by 1 - 0.9^3 = 0.271 and 1 - 0.999^3 = 0.002997001.
  before = x.numpy()
  run(adam, [x], [[tf.constant(0.0)]])
  step = 0.5 * (0.072 / 0.271) / np.sqrt(0.004991004 / 0.002997001)
  np.testing.assert_allclose(x, before - step, rtol=1e-5)


def test_epsilon_bounds_a_step_of_tiny_gradients():
  x = tf.Variable(0.0)
  # sqrt(v) = sqrt(0.001) * 1e-8, beside epsilon, 1e-8.
  run(optimizers.Adam(1.0, [x]), [x], [[tf.constant(1e-8)]])
  rate = np.sqrt(0.001) / 0.1
  expected = -rate * 1e-9 / (np.sqrt(0.001) * 1e-8 + 1e-8)
  np.testing.assert_allclose(x, expected, rtol=1e-4)


@pytest.fixture(scope='module')
def both():
  """Keras' Adam and ours, after the same steps, and what they moved."""
  rng = np.random.default_rng(0)

  def draw():
    return [tf.constant(rng.normal(size=s), tf.float32) for s in SHAPES]

  starts, steps = draw(), [draw() for _ in range(5)]
  keras = tf.keras.optimizers.Adam(0.01, epsilon=1e-8)
  results = []
  for make in (lambda v: keras, lambda v: optimizers.Adam(0.01, v)):
    variables = [tf.Variable(x) for x in starts]
    optimizer = make(variables)
    if optimizer is keras:
      keras.build(variables)
    run(optimizer, variables, steps)
    results.append((optimizer, variables))
  return results


def test_it_moves_variables_as_keras_does(both):
  (_, expected), (_, found) = both
  for x, y in zip(found, expected, strict=True):
    np.testing.assert_allclose(x, y, rtol=2e-6, atol=1e-7)


def test_a_checkpoint_of_keras_continues(both, tmp_path):
  (keras, _), (adam, variables) = both
  path = tf.train.Checkpoint(adam=keras).write(str(tmp_path / 'keras'))
  fresh = optimizers.Adam(0.5, variables)
  tf.train.Checkpoint(adam=fresh).read(path).assert_consumed()
  assert fresh._iterations == 5
  np.testing.assert_allclose(fresh.learning_rate, 0.01)
  for x, y in zip(fresh._variables, adam._variables, strict=True):
    # The operation takes 1 - 0.999 in float32: 0.00099999.
    np.testing.assert_allclose(x, y, rtol=2e-5, atol=1e-7)


def test_variables_and_moments_must_match():
  x, y = tf.Variable(1.0), tf.Variable(1.0)
  adam = optimizers.Adam(0.5, [x, y])
  with pytest.raises(ValueError):
    adam.apply_gradients([(tf.constant(1.0), x)])


@pytest.mark.parametrize('jit_compile', [False, True])
def test_it_is_decided_where_the_update_is_compiled(jit_compile):
  variable = tf.Variable([1.0, 2.0])
  optimizer = optimizers.Adam(0.5, [variable])

  def apply():
    optimizer.apply_gradients([(tf.constant([1.0, -1.0]), variable)])

  @tf.function(jit_compile=jit_compile)
  def update(a, b):
    optimizers.apply_if_finite({'a': a, 'b': b}, apply)

  def state():
    return [v.numpy().tolist() for v in (variable, *optimizer._variables)]

  before = state()
  for broken in (NAN, INF, -INF):
    update(tf.constant(0.0), tf.constant(broken))
    update(tf.constant(broken), tf.constant(0.0))
    assert state() == before
  update(tf.constant(0.0), tf.constant(-1e38))
  # Adam's first step is the learning rate.
  np.testing.assert_allclose(variable, [0.5, 2.5], rtol=1e-5)


@pytest.mark.parametrize('jit_compile', [False, True])
def test_losses_are_minimised_in_turn_or_not_at_all(jit_compile):
  """The second loss sees what the first has moved; both move by their rates."""
  x, y, finished = tf.Variable(1.0), tf.Variable(1.0), tf.Variable(0)
  variables = {'one': [x], 'two': [y]}
  adams = {name: optimizers.Adam(0.5, v) for name, v in variables.items()}

  def finish():
    finished.assign_add(1)

  @tf.function(autograph=False, jit_compile=jit_compile)
  def update(factor, second_factor):
    return optimizers.minimise_in_turn(
      {
        'one': lambda: (factor * x, {}),
        'two': lambda: (second_factor * y, {'seen': x + 0.0}),
      },
      variables,
      adams,
      10.0,
      finish,
    )

  def state():
    moments = [v for adam in adams.values() for v in adam._variables]
    return [v.numpy().tolist() for v in (x, y, finished, *moments)]

  before = state()
  for broken in (NAN, INF):
    update(tf.constant(1.0), tf.constant(broken))
    update(tf.constant(broken), tf.constant(1.0))
    assert state() == before
  metrics = update(tf.constant(3.0), tf.constant(-30.0))
  assert metrics['one/gradient_norm'] == 3
  assert metrics['two/gradient_norm'] == 30
  # Adam's first step is the learning rate.
  np.testing.assert_allclose(metrics['seen'], 0.5, rtol=1e-5)
  np.testing.assert_allclose([x, y, finished], [0.5, 1.5, 1], rtol=1e-5)
  # A tenth of the gradient, which has been clipped to 10.
  np.testing.assert_allclose(adams['two']._variables[1], -1.0, rtol=1e-5)


@pytest.fixture(scope='module')
def compiled():
  return tiny.agent()


@pytest.fixture
def eager(compiled, monkeypatch):
  """The same agent, uncompiled; what a test sets in it is taken back."""
  before = [(v, v.numpy()) for v in variables(compiled)]
  tf.config.run_functions_eagerly(True)
  yield compiled
  tf.config.run_functions_eagerly(False)
  for variable, value in before:
    variable.assign(value)


def variables(agent):
  """All that an update may change, but for the state of its random draws."""
  networks = [agent.model, agent._actor, *agent._critics]
  adams = [
    getattr(agent, f'_{name}_optimizer')
    for name in ('model', 'critic', 'actor', 'alpha')
  ]
  return [
    *(v for n in [*networks, *agent._target_critics] for v in n.variables),
    *(v for adam in adams for v in adam._variables),
    agent._log_alpha,
    agent.train_step_counter,
  ]


def broken_by(agent, update, experience):
  """Names the metrics that are not finite; asserts that nothing moved."""
  before = [v.numpy() for v in variables(agent)]
  info = update(experience)
  for variable, value in zip(variables(agent), before, strict=True):
    np.testing.assert_array_equal(variable, value)
  return {name for name, x in info.extra.items() if not np.isfinite(x)}


def with_reward(position, reward):
  experience = tiny.experience(BATCH)
  rewards = experience.reward.numpy()
  rewards[position] = reward
  return experience._replace(reward=tf.constant(rewards))


@pytest.mark.parametrize(
  ('position', 'reward', 'expected'),
  [
    # One of the model's sequences, but not its last pair.
    ((0, 0), NAN, {'model/elbo', 'model/gradient_norm'}),
    ((0, 0), INF, {'model/elbo', 'model/gradient_norm'}),
    # A last pair, but of a sequence that the model's loss does not use.
    ((MODEL_BATCH, -2), NAN, {'critic/loss', 'critic/gradient_norm'}),
    ((MODEL_BATCH, -2), -INF, {'critic/loss', 'critic/gradient_norm'}),
  ],
)
def test_one_bad_reward_changes_nothing(compiled, position, reward, expected):
  experience = with_reward(position, reward)
  broken = broken_by(compiled, compiled.train, experience)
  assert broken & {*LOSSES, *NORMS} == expected


def test_pretraining_by_a_bad_reward_changes_nothing(eager):
  experience = tf.nest.map_structure(
    lambda x: x[:MODEL_BATCH], with_reward((1, 2), NAN)
  )
  broken = broken_by(eager, eager._train_model, experience)
  assert {'model/elbo', 'model/gradient_norm'} <= broken


def test_after_it_the_next_good_batch_is_learned_from(compiled):
  compiled.train(with_reward((0, 0), NAN))
  before = [v.numpy() for v in variables(compiled)]
  counter = compiled.train_step_counter.numpy()
  compiled.train(tiny.experience(BATCH))
  after = [v.numpy() for v in variables(compiled)]
  assert all(np.any(a != b) for a, b in zip(before, after, strict=True))
  assert all(np.all(np.isfinite(value)) for value in after)
  assert compiled.train_step_counter.numpy() == counter + 1


def weight_of(agent, part):
  if part == 'alpha':
    return agent._log_alpha
  module = {
    'model': agent.model.reward,
    'actor': agent._actor,
    'critic': agent._critics[1],
    'target': agent._target_critics[0],
  }[part]
  return tiny.weights(module)[-1][1]


@pytest.mark.parametrize(
  ('part', 'value', 'expected'),
  [
    ('model', NAN, {'model/elbo'}),
    # Its values are in the critics' loss and in the actor's.
    ('critic', NAN, {'critic/loss', 'actor/loss'}),
    ('target', -INF, {'critic/loss'}),
    # The entropy is in all three.
    ('actor', NAN, {'critic/loss', 'actor/loss', 'alpha/loss'}),
    # The temperature is 0.
    ('alpha', -INF, {'alpha/loss'}),
  ],
)
def test_a_bad_weight_changes_nothing(eager, part, value, expected):
  weight = weight_of(eager, part)
  weight.assign(tf.fill(weight.shape, value))
  broken = broken_by(eager, eager.train, tiny.experience(BATCH))
  assert broken & set(LOSSES) == expected


@tf.custom_gradient
def poisoned(loss):
  """The loss itself, whose gradient is infinite."""
  return loss, lambda upstream: upstream * INF


@pytest.mark.parametrize('part', ['model', 'critic', 'actor', 'alpha'])
def test_a_bad_gradient_of_a_finite_loss_changes_nothing(
  eager, part, monkeypatch
):
  owner, name = {
    'model': (eager.model, 'loss'),
    'critic': (eager, 'critic_loss'),
    'actor': (eager, 'actor_loss'),
    'alpha': (eager, 'alpha_loss'),
  }[part]
  method = getattr(owner, name)

  def poisoned_method(*arguments):
    loss, *rest = method(*arguments)
    return poisoned(loss), *rest

  monkeypatch.setattr(owner, name, poisoned_method)
  experience = tiny.experience(BATCH)
  broken = broken_by(eager, eager.train, experience)
  assert broken == {f'{part}/gradient_norm'}
