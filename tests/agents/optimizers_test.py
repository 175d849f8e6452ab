"""Adam against its formulas; updates that are not finite change nothing."""

import numpy as np
import pytest
import tensorflow as tf

from slac.agents import optimizers
from tests import tiny

RATE, BETA1, BETA2, EPSILON = 0.01, 0.9, 0.999, 1e-3
NAN, INF = float('nan'), float('inf')
BATCH, MODEL_BATCH = 3, 2
LOSSES = ('model/elbo', 'critic/loss', 'actor/loss', 'alpha/loss')
NORMS = tuple(
  f'{part}/gradient_norm' for part in ('model', 'critic', 'actor', 'alpha')
)


def adam_by_hand(x, gradients):
  """Kingma and Ba's, with the epsilon of the end of their section 2."""
  m = v = np.zeros_like(x)
  for t, g in enumerate(gradients, start=1):
    m = BETA1 * m + (1 - BETA1) * g
    v = BETA2 * v + (1 - BETA2) * g**2
    rate = RATE * np.sqrt(1 - BETA2**t) / (1 - BETA1**t)
    x = x - rate * m / (np.sqrt(v) + EPSILON)
  return x, m, v


def test_it_is_adam_and_keeps_its_moments_in_order():
  rng = np.random.default_rng(0)
  shapes = [[3, 2], [], [4]]
  starts = [rng.normal(size=shape) for shape in shapes]
  gradients = [[rng.normal(size=shape) for shape in shapes] for _ in range(4)]
  variables = [tf.Variable(x, dtype=tf.float32) for x in starts]
  optimizer = optimizers.FusedAdam(RATE, BETA1, BETA2, EPSILON)
  optimizer.build(variables)
  slots = [v for v in optimizer.variables if v.shape in shapes][-6:]

  @tf.function
  def apply(*gradients):
    optimizer.apply_gradients(zip(gradients, variables, strict=True))

  for step in gradients:
    apply(*[tf.constant(g, tf.float32) for g in step])
  assert optimizer.iterations == 4
  for i, start in enumerate(starts):
    expected = adam_by_hand(start, [step[i] for step in gradients])
    values = (variables[i], slots[2 * i], slots[2 * i + 1])
    for value, other in zip(values, expected, strict=True):
      np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('jit_compile', [False, True])
def test_it_is_decided_where_the_update_is_compiled(jit_compile):
  variable = tf.Variable([1.0, 2.0])
  optimizer = optimizers.FusedAdam(0.5)
  optimizer.build([variable])

  def apply():
    optimizer.apply_gradients([(tf.constant([1.0, -1.0]), variable)])

  @tf.function(jit_compile=jit_compile)
  def update(a, b):
    optimizers.apply_if_finite({'a': a, 'b': b}, apply)

  def state():
    return [v.numpy().tolist() for v in (variable, *optimizer.variables)]

  before = state()
  for broken in (NAN, INF, -INF):
    update(tf.constant(0.0), tf.constant(broken))
    update(tf.constant(broken), tf.constant(0.0))
    assert state() == before
  update(tf.constant(0.0), tf.constant(-1e38))
  # Adam's first step is the learning rate.
  np.testing.assert_allclose(variable, [0.5, 2.5], rtol=1e-5)


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
    *(v for adam in adams for v in adam.variables),
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
  broken = broken_by(eager, eager.train_model, experience)
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
