"""Every latent variable model keeps to the same rules, and learns."""

import numpy as np
import pytest
import tensorflow as tf

from slac.agents import optimizers
from slac.environments import dm_control_tasks
from slac.models import ablations, planet, slac_model
from tests import tiny

FIRST, MID = tiny.FIRST, tiny.MID
SEED = tf.constant([1, 2])
LENGTH = 6
PLANET_SIZES = {'gru_size': 4, 'stochastic_size': 2, 'min_stddev': 0.1}
TIMELESS = (ablations.SimpleVae, ablations.FactoredVae)
VARIANTS = (
  slac_model.SlacModel,
  *TIMELESS,
  ablations.SimpleFiltering,
  ablations.Deterministic,
  ablations.PartiallyStochastic,
  planet.PlanetModel,
)


def make(variant, **sizes):
  own = PLANET_SIZES if variant is planet.PlanetModel else {}
  return tiny.model(model_class=variant, predict_discount=True, **own, **sizes)


@pytest.fixture(scope='module', params=VARIANTS, ids=lambda v: v.__name__)
def model(request):
  return make(request.param)


def sequence(seed=0):
  """Features and actions, `[2, LENGTH, ...]`."""
  rng = np.random.default_rng(seed)
  features = rng.normal(size=[2, LENGTH, 4]).astype(np.float32)
  actions = rng.uniform(-1, 1, [2, LENGTH, 2]).astype(np.float32)
  return features, actions


def step_types(*firsts):
  return tf.constant(
    [[FIRST if t in firsts else MID for t in range(LENGTH)]] * 2
  )


def unroll(model, features, actions, step_type):
  """Posterior, prior and KL of every step, arrays `[2, LENGTH, ...]`."""
  actions = tf.constant(actions)
  states = model.infer(tf.constant(features), actions, step_type, SEED)
  prior = model.prior(states, actions, step_type, SEED)
  nest = (model.latent(states), states, prior, model.kl(states, prior))
  return [x.numpy() for x in tf.nest.flatten(nest)]


def test_kl_is_least_where_the_posterior_is_the_prior(model):
  features, actions = sequence()
  states = model.infer(features, tf.constant(actions), step_types(), SEED)
  prior = model.prior(states, tf.constant(actions), step_types(), SEED)
  # The deterministic one's is -log N(mu; mu, I), of z1 in R^2.
  least = 0.0
  if isinstance(model, ablations.Deterministic):
    least = np.log(2 * np.pi)
  np.testing.assert_allclose(model.kl(states, states), least, atol=1e-6)
  assert np.all(model.kl(states, prior) > least + 1e-3)
  assert model.kl(states, prior).shape == [2, LENGTH]


def test_sum_kl_is_that_of_all_steps_that_have_a_prior(model):
  features, actions = sequence()
  states = model.infer(features, tf.constant(actions), step_types(3), SEED)
  prior = model.prior(states, tf.constant(actions), step_types(3), SEED)
  is_first = tf.constant([[t in (0, 3) for t in range(LENGTH)]] * 2)
  kl = model.kl(states, prior).numpy()
  if isinstance(model, ablations.Deterministic):
    kl[:, [0, 3]] = 0
  total = model.sum_kl(states, prior, is_first)
  np.testing.assert_allclose(total, kl.sum(1), rtol=1e-5)


def test_nothing_before_an_episode_matters_in_it(model):
  features, actions = sequence()
  others = [
    np.concatenate([other[:, :3], own[:, 3:]], axis=1)
    for other, own in zip(sequence(seed=1), (features, actions), strict=True)
  ]
  one = unroll(model, features, actions, step_types(3))
  two = unroll(model, *others, step_types(3))
  for x, y in zip(one, two, strict=True):
    np.testing.assert_array_equal(x[:, 3:], y[:, 3:])
  assert np.any(one[0][:, :3] != two[0][:, :3])


def test_in_an_episode_the_past_matters_where_there_is_time(model):
  has_time = not isinstance(model, TIMELESS)
  features, actions = sequence()
  other_features, other_actions = sequence(seed=1)
  latents = unroll(model, features, actions, step_types(0))[0]
  for changed in ('feature', 'action'):
    x, a = features.copy(), actions.copy()
    if changed == 'feature':
      x[:, 2] = other_features[:, 2]
    else:
      a[:, 2] = other_actions[:, 2]
    others = unroll(model, x, a, step_types(0))[0]
    for t in range(3, LENGTH):
      assert np.any(latents[:, t] != others[:, t]) == has_time, (changed, t)
    assert np.any(latents[:, 2] != others[:, 2]) == (changed == 'feature')


def test_inference_is_causal_and_ignores_the_last_action(model):
  features, actions = sequence()
  one = unroll(model, features, actions, step_types(0))
  later_features, later_actions = sequence(seed=1)
  features[:, 4:] = later_features[:, 4:]
  actions[:, 4:] = later_actions[:, 4:]
  two = unroll(model, features, actions, step_types(0))
  for x, y in zip(one, two, strict=True):
    np.testing.assert_array_equal(x[:, :4], y[:, :4])
  actions[:, 5] = 0.5
  last = unroll(model, features, actions, step_types(0))
  for x, y in zip(two, last, strict=True):
    np.testing.assert_array_equal(x, y)


def test_gradients_reach_every_parameter(model):
  experience = tiny.experience(4, [MID, MID, FIRST, MID])
  loss, gradients = loss_and_gradients(model, experience, SEED)
  assert np.isfinite(loss)
  for gradient, variable in zip(
    gradients, model.trainable_variables, strict=True
  ):
    assert gradient is not None and np.any(gradient), variable.name


def test_imagination_unrolls_the_prior(model):
  features, actions = sequence()
  start = model.first_posterior(tf.constant(features[:, 0]), SEED)
  states = model.imagine(start, tf.constant(actions), SEED)
  latents = model.latent(states)
  assert latents.shape == [2, LENGTH + 1, model.latent_size]
  np.testing.assert_array_equal(latents[:, 0], model.latent(start))
  # From another image and along other actions it goes elsewhere, given time.
  has_time = not isinstance(model, TIMELESS)
  start = model.first_posterior(tf.constant(features[:, 1]), SEED)
  others = model.latent(model.imagine(start, tf.constant(actions), SEED))
  assert np.any(others[:, 1:] != latents[:, 1:]) == has_time
  bent = actions.copy()
  bent[:, 2] *= -1
  bent = model.latent(model.imagine(start, tf.constant(bent), SEED))
  np.testing.assert_array_equal(bent[:, :3], others[:, :3])
  assert np.any(bent[:, 3:] != others[:, 3:]) == has_time


def test_dream_has_the_rows_of_the_figure(model):
  dream = model.dream.python_function
  pixels, actions = tiny.pixels(2, 3), tf.constant(sequence()[1][:, :3])
  rows = dream({'pixels': pixels}, actions, SEED).numpy()
  truth, posterior, conditional, prior = rows
  np.testing.assert_array_equal(truth, pixels)
  np.testing.assert_array_equal(posterior[:, 0], conditional[:, 0])
  pixels[:, 1:] = tiny.pixels(2, 2, seed=1)
  _, posterior2, conditional2, prior2 = dream(
    {'pixels': pixels}, actions, SEED
  ).numpy()
  np.testing.assert_array_equal(posterior[:, 0], posterior2[:, 0])
  np.testing.assert_array_equal(conditional, conditional2)
  np.testing.assert_array_equal(prior, prior2)


def loss_and_gradients(model, experience, seed):
  with tf.GradientTape() as tape:
    features = model.encoder(experience.observation['pixels'])
    states = model.infer(
      features, experience.action, experience.step_type, seed
    )
    loss, _ = model.loss(states, experience, seed)
  return loss, tape.gradient(loss, model.trainable_variables)


@pytest.fixture(scope='module')
def episode():
  """Four sequences of three steps, the beginning of an episode of cartpole."""
  environment = dm_control_tasks.DmControlEnvironment(
    'cartpole', 'swingup', 4, 0, 512, 0
  )
  environment.seed(0)
  rng = np.random.default_rng(0)
  steps, actions = [environment.reset()], []
  for _ in range(12):
    actions.append(rng.uniform(-1, 1, 1).astype(np.float32))
    steps.append(environment.step(actions[-1]))
  environment.close()

  def sequences(values):
    values = np.stack(values)
    return tf.constant(values.reshape([4, 3, *values.shape[1:]]))

  return tiny.experience(4, length=3, action_size=1)._replace(
    step_type=sequences([s.step_type for s in steps[:-1]]),
    observation={
      'pixels': sequences([s.observation['pixels'] for s in steps[:-1]])
    },
    action=sequences(actions),
    reward=sequences([s.reward for s in steps[1:]]),
  )


@pytest.mark.slow  # All models together.
@pytest.mark.parametrize('variant', VARIANTS, ids=lambda v: v.__name__)
def test_updates_lower_the_loss_on_a_recorded_episode(variant, episode):
  tf.keras.utils.set_random_seed(0)
  sizes = {'base_depth': 4, 'feature_size': 16, 'hidden_size': 16}
  model = make(variant, action_size=1, shaken=False, **sizes)
  optimizer = optimizers.Adam(3e-3, model.trainable_variables)

  @tf.function
  def update(seed):
    loss, gradients = loss_and_gradients(model, episode, seed)
    optimizers.apply_gradients(optimizer, gradients, model.trainable_variables)
    return loss

  losses = [update(tf.constant([0, i])).numpy() for i in range(100)]
  # Black images cost 3 * 12288 * x^2 / (2 * 0.04): three quarters are saved.
  x = episode.observation['pixels'].numpy() / 255
  black = 3 * 12288 * np.mean(x**2) / (2 * 0.04)
  assert np.mean(losses[-5:]) < losses[0] - 0.75 * black
