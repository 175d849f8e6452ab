"""Inference, imagination and the ELBO, where episodes begin and elsewhere."""

import numpy as np
import pytest
import tensorflow as tf

from slac.models import observation_model
from tests import tiny

FIRST, MID, LAST = tiny.FIRST, tiny.MID, tiny.LAST
SEED = tf.constant([1, 2])
LENGTH = 6


@pytest.fixture(scope='module')
def model():
  return tiny.model()


def sequence(seed=0, batch_size=2):
  """Features and actions, `[B, LENGTH, ...]`."""
  rng = np.random.default_rng(seed)
  features = rng.normal(size=[batch_size, LENGTH, 4]).astype(np.float32)
  actions = rng.uniform(-1, 1, [batch_size, LENGTH, 2]).astype(np.float32)
  return features, actions


def step_types(*firsts, batch_size=2):
  types = [FIRST if t in firsts else MID for t in range(LENGTH)]
  return tf.constant([types] * batch_size)


def states_and_kl(model, features, actions, step_type):
  """All that is made of a sequence, flattened: arrays `[B, LENGTH, ...]`."""
  actions = tf.constant(actions)
  states = model.infer(tf.constant(features), actions, step_type, SEED)
  prior = model.prior(states, actions, step_type, SEED)
  nest = (states, prior, model.kl(states, prior))
  return [x.numpy() for x in tf.nest.flatten(nest)]


def changed_before(features, actions, t):
  """The same from step t on; not before it, nor the action that led there."""
  other_features, other_actions = sequence(seed=1)
  return (
    np.concatenate([other_features[:, :t], features[:, t:]], axis=1),
    np.concatenate([other_actions[:, :t], actions[:, t:]], axis=1),
  )


def test_nothing_before_an_episode_matters_in_it(model):
  features, actions = sequence()
  step_type = step_types(3)
  before = states_and_kl(model, features, actions, step_type)
  after = states_and_kl(model, *changed_before(features, actions, 3), step_type)
  assert len(before) == 6 + 6 + 1
  for x, y in zip(before, after, strict=True):
    np.testing.assert_array_equal(x[:, 3:], y[:, 3:])
  # But within the first episode it does.
  for x, y in zip(before, after, strict=True):
    assert np.any(x[:, 1:3] != y[:, 1:3])


def test_without_a_beginning_the_past_matters(model):
  features, actions = sequence()
  step_type = step_types(0)
  before = states_and_kl(model, features, actions, step_type)
  after = states_and_kl(model, *changed_before(features, actions, 3), step_type)
  for x, y in zip(before, after, strict=True):
    assert np.all(np.any(x[:, 3:] != y[:, 3:], axis=tuple(range(2, x.ndim))))


def test_only_the_sequences_that_begin_start_afresh(model):
  features, actions = sequence()
  mixed = tf.concat([step_types(3)[:1], step_types()[:1]], axis=0)
  for x, begins, goes_on in zip(
    states_and_kl(model, features, actions, mixed),
    states_and_kl(model, features, actions, step_types(3)),
    states_and_kl(model, features, actions, step_types()),
    strict=True,
  ):
    np.testing.assert_array_equal(x[0], begins[0])
    np.testing.assert_array_equal(x[1], goes_on[1])


@pytest.mark.parametrize('firsts', [(), (0,), (2,), (2, 3)])
def test_first_steps_have_the_first_steps_distributions(model, firsts):
  features, actions = sequence()
  step_type = step_types(*firsts)
  states = model.infer(tf.constant(features), actions, step_type, SEED)
  prior = model.prior(states, tf.constant(actions), step_type, SEED)
  fresh = model.first_posterior(tf.constant(features), SEED).z1.mean.numpy()
  is_fresh = np.isclose(states.z1.mean, fresh, atol=1e-6).all(axis=(0, 2))
  standard = np.all(prior.z1.mean == 0, axis=(0, 2))
  standard &= np.all(prior.z1.stddev == 1, axis=(0, 2))
  # A sequence's own first step is one, wherever it lies in its episode.
  expected = [t in {0, *firsts} for t in range(LENGTH)]
  assert is_fresh.tolist() == expected
  assert standard.tolist() == expected


def test_prior_follows_the_posteriors_own_state(model):
  features, actions = sequence()
  step_type = step_types(0)
  states = model.infer(tf.constant(features), actions, step_type, SEED)
  prior = model.prior(states, tf.constant(actions), step_type, SEED)
  for t in range(1, LENGTH):
    previous = tf.nest.map_structure(lambda x, t=t: x[:, t - 1], states)
    step = model.prior_step(previous, tf.constant(actions[:, t - 1]), SEED)
    np.testing.assert_allclose(prior.z1.mean[:, t], step.z1.mean, atol=1e-6)
    np.testing.assert_allclose(prior.z1.stddev[:, t], step.z1.stddev, rtol=1e-5)


def test_inference_is_causal_and_ignores_the_last_action(model):
  features, actions = sequence()
  before = states_and_kl(model, features, actions, step_types(0))
  later_features, later_actions = sequence(seed=1)
  features[:, 4:] = later_features[:, 4:]
  actions[:, 4:] = later_actions[:, 4:]
  after = states_and_kl(model, features, actions, step_types(0))
  for x, y in zip(before, after, strict=True):
    np.testing.assert_array_equal(x[:, :4], y[:, :4])
  actions[:, 5] = 0.5
  last = states_and_kl(model, features, actions, step_types(0))
  for x, y in zip(after, last, strict=True):
    np.testing.assert_array_equal(x, y)


def test_states_are_samples_of_their_distributions(model):
  features, actions = sequence()
  features = np.repeat(features[:1], 2000, axis=0)
  actions = np.repeat(actions[:1], 2000, axis=0)
  step_type = step_types(3, batch_size=2000)
  states = model.infer(tf.constant(features), actions, step_type, SEED)
  for z in (states.z1, states.z2):
    noise = ((z.sample - z.mean) / z.stddev).numpy()
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.1)  # 4.5 sigma.
    np.testing.assert_allclose(noise.std(0), 1, atol=0.08)
  # All noise of one sequence is independent.
  noise = [(z.sample - z.mean) / z.stddev for z in states]
  noise = np.concatenate(noise, axis=-1).reshape([2000, -1])
  correlation = np.corrcoef(noise.T) - np.eye(noise.shape[1])
  assert np.abs(correlation).max() < 0.1


def loss_of(model, experience):
  features = model.encoder(experience.observation['pixels'])
  states = model.infer(features, experience.action, experience.step_type, SEED)
  loss, metrics = model.loss(states, experience, SEED)
  return loss.numpy(), metrics, states


def normal_kl(q, p):
  mean = (q.mean - p.mean) ** 2
  terms = np.log(p.stddev / q.stddev) + (q.stddev**2 + mean) / (2 * p.stddev**2)
  return np.sum(terms - 0.5, axis=-1)


def test_loss_is_the_negative_elbo():
  model = tiny.model(decoder_variance=0.1)
  step_type = [[MID] * 5, [MID, LAST, FIRST, MID, LAST]]
  experience = tiny.experience(2, step_type, length=5)
  loss, metrics, states = loss_of(model, experience)

  prior = model.prior(states, experience.action, experience.step_type, SEED)
  kl = normal_kl(
    *(tf.nest.map_structure(np.array, s.z1) for s in (states, prior))
  )
  z = np.concatenate([states.z1.sample, states.z2.sample], axis=-1)
  x = experience.observation['pixels'].numpy() / 255.0
  log_p_x = tiny.log_normal(x, model.decoder(z).numpy(), np.sqrt(0.1))
  elbo = np.zeros(2)
  log_p_rewards = np.zeros(2)
  for b in range(2):
    for t in range(5):
      elbo[b] += log_p_x[b, t].sum() - kl[b, t]
    for t in range(4):
      if step_type[b][t] == LAST:
        continue
      transition = [z[b, t], experience.action[b, t], z[b, t + 1]]
      mean, raw = tiny.mlp(
        model.reward, np.concatenate(transition), tiny.leaky_relu
      )
      log_p_rewards[b] += tiny.log_normal(
        experience.reward[b, t], mean, np.log1p(np.exp(raw)) + 1e-5
      )
  assert loss == pytest.approx(-np.mean(elbo + log_p_rewards), rel=1e-5)
  assert metrics['model/elbo'].numpy() == -loss
  assert metrics['model/kl'].numpy() == pytest.approx(kl.sum() / 2, rel=1e-4)
  assert metrics['model/log_p_rewards'].numpy() == pytest.approx(
    log_p_rewards.mean(), rel=1e-4
  )
  assert metrics['model/log_p_images'].numpy() == pytest.approx(
    log_p_x.sum() / 2, rel=1e-5
  )


@pytest.mark.parametrize('variance', [0.04, 0.4])
def test_variance_of_the_pixels(variance):
  model = tiny.model(decoder_variance=variance)
  for variable in model.decoder.trainable_variables:
    variable.assign(tf.zeros_like(variable))
  (bias,) = [v for v in model.decoder.trainable_variables if v.shape == [3]]
  bias.assign([0.9, 0.9, 0.9])
  experience = tiny.experience(2)
  white = tf.fill([2, 4, 64, 64, 3], tf.constant(255, tf.uint8))
  experience = experience._replace(observation={'pixels': white})
  _, metrics, _ = loss_of(model, experience)
  # 4 images of 12288 values, each off by 0.1.
  expected = (
    -4 * 12288 * (0.01 / (2 * variance) + 0.5 * np.log(2 * np.pi * variance))
  )
  assert metrics['model/log_p_images'].numpy() == pytest.approx(
    expected, rel=1e-5
  )
  assert metrics['model/squared_error_per_pixel'].numpy() == pytest.approx(
    0.01, rel=1e-4
  )


@pytest.mark.parametrize(
  ('step_type', 'counts'),
  [
    ([MID, MID, MID, MID], [True, True, True, False]),
    ([FIRST, MID, MID, LAST], [True, True, True, False]),
    ([MID, LAST, FIRST, MID], [True, False, True, False]),
    ([LAST, FIRST, MID, MID], [False, True, True, False]),
    ([MID, MID, LAST, FIRST], [True, True, False, False]),
    ([MID, MID, FIRST, MID], [True, False, True, False]),
  ],
)
def test_reward_counts_where_a_transition_is(model, step_type, counts):
  experience = tiny.experience(1, step_type)
  loss, metrics, _ = loss_of(model, experience)
  for t, does_count in enumerate(counts):
    reward = experience.reward.numpy()
    reward[0, t] += 1e4
    other, others, _ = loss_of(
      model, experience._replace(reward=tf.constant(reward))
    )
    name = 'model/squared_error_of_reward'
    assert (other != loss) == does_count
    assert (others[name] != metrics[name]).numpy() == does_count


def test_predicted_discounts_are_part_of_the_elbo():
  step_type = [[MID] * 5, [MID, LAST, FIRST, MID, LAST]]
  experience = tiny.experience(2, step_type, length=5)
  discount = np.ones([2, 5], np.float32)
  discount[1, 0] = 0  # Leads to the first LAST step.
  experience = experience._replace(discount=tf.constant(discount))
  model = tiny.model(predict_discount=True)
  loss, metrics, states = loss_of(model, experience)
  others = [metrics[f'model/{name}'].numpy() for name in ('log_p_images', 'kl')]
  log_p_rewards = metrics['model/log_p_rewards'].numpy()
  z = model.latent(states).numpy()
  expected = 0
  for b in range(2):
    for t in range(4):
      if step_type[b][t] == LAST:
        continue
      logit = tiny.mlp(model.discount, z[b, t + 1], tiny.leaky_relu)[0]
      probability = 1 / (1 + np.exp(-logit))
      expected += np.log(
        probability if discount[b, t] == 1 else 1 - probability
      )
  name = 'model/log_p_discounts'
  assert metrics[name].numpy() == pytest.approx(expected / 2, rel=1e-4)
  elbo = others[0] - others[1] + log_p_rewards + expected / 2
  assert loss == pytest.approx(-elbo, rel=1e-5)
  # The discount of a pair that joins two episodes counts for nothing.
  discount[1, 1] = 0
  joined = experience._replace(discount=tf.constant(discount))
  assert loss_of(model, joined)[0] == loss
  # Nor does any where it is not predicted.
  plain = tiny.model()
  assert not plain.discount and name not in loss_of(plain, experience)[1]


def test_gradients_reach_every_parameter(model):
  experience = tiny.experience(4, [MID, MID, FIRST, MID])
  with tf.GradientTape() as tape:
    features = model.encoder(experience.observation['pixels'])
    states = model.infer(
      features, experience.action, experience.step_type, SEED
    )
    loss, _ = model.loss(states, experience, SEED)
  gradients = tape.gradient(loss, model.trainable_variables)
  for gradient, variable in zip(
    gradients, model.trainable_variables, strict=True
  ):
    assert gradient is not None and np.any(gradient), variable.name


def test_imagination_starts_from_the_given_state(model):
  state = model.first_posterior(tf.constant(sequence()[0][:, 0]), SEED)
  actions = tf.constant(sequence()[1])
  states = model.imagine(state, actions, SEED)
  assert model.latent(states).shape == [2, LENGTH + 1, tiny.LATENT_SIZE]
  np.testing.assert_array_equal(model.latent(states)[:, 0], model.latent(state))
  for t in range(LENGTH):
    previous = tf.nest.map_structure(lambda x, t=t: x[:, t], states)
    step = model.prior_step(previous, actions[:, t], SEED)
    np.testing.assert_allclose(
      states.z1.mean[:, t + 1], step.z1.mean, atol=1e-6
    )


def test_dream_has_the_four_rows_of_the_figure():
  model = tiny.model()
  # Far apart as uint8, or small differences would be rounded away.
  for variable in model.decoder.trainable_variables:
    variable.assign(2 * variable)
  pixels, other = tiny.pixels(2, 4), tiny.pixels(2, 4, seed=1)
  actions = tf.constant(sequence()[1][:, :4])
  rows = model.dream({'pixels': pixels}, actions, SEED).numpy()
  assert rows.shape == (4, 2, 4, 64, 64, 3) and rows.dtype == np.uint8
  truth, posterior, conditional, prior = rows
  np.testing.assert_array_equal(truth, pixels)
  np.testing.assert_array_equal(posterior[:, 0], conditional[:, 0])
  assert np.any(posterior[:, 1] != conditional[:, 1])

  later = np.concatenate([pixels[:, :1], other[:, 1:]], 1)
  _, posterior2, conditional2, prior2 = model.dream(
    {'pixels': later}, actions, SEED
  ).numpy()
  np.testing.assert_array_equal(prior, prior2)
  np.testing.assert_array_equal(conditional, conditional2)
  np.testing.assert_array_equal(posterior[:, 0], posterior2[:, 0])
  assert all(np.any(posterior[:, t] != posterior2[:, t]) for t in (1, 2, 3))

  _, _, conditional3, prior3 = model.dream(
    {'pixels': other}, actions, SEED
  ).numpy()
  np.testing.assert_array_equal(prior, prior3)
  assert np.any(conditional[:, 0] != conditional3[:, 0])

  # The same actions lead through all rows; the last leads nowhere.
  last = tf.concat([actions[:, :-1], -actions[:, -1:]], axis=1)
  np.testing.assert_array_equal(
    model.dream({'pixels': pixels}, last, SEED), rows
  )
  first = tf.concat([-3 * actions[:, :1], actions[:, 1:]], axis=1)
  moved = model.dream({'pixels': pixels}, first, SEED).numpy()
  for row in (1, 2, 3):
    np.testing.assert_array_equal(moved[row, :, 0], rows[row, :, 0])
    assert np.any(moved[row, :, 1] != rows[row, :, 1])
  assert model.dream.experimental_get_tracing_count() == 1


def test_dream_is_the_decoders_mean_in_full_range():
  model = tiny.model()
  for variable in model.decoder.trainable_variables:
    variable.assign(tf.zeros_like(variable))
  (bias,) = [v for v in model.decoder.trainable_variables if v.shape == [3]]
  bias.assign([-0.5, 0.5, 1.5])
  dream = model.dream.python_function
  rows = dream({'pixels': tiny.pixels(1, 2)}, tf.zeros([1, 2, 2]), SEED)
  colours = np.reshape(rows[1:], [-1, 3])
  np.testing.assert_array_equal(np.unique(colours, axis=0), [[0, 128, 255]])


@pytest.mark.parametrize('piece', [1, 2, 5])
def test_pieces_are_perceived_as_the_whole(model, piece, monkeypatch):
  experience = tiny.experience(5)
  arguments = (
    experience.observation,
    experience.action,
    experience.step_type,
    SEED,
  )
  whole = model.perceive(*arguments)
  monkeypatch.setattr(observation_model, 'PIECE', piece)
  for one, other in zip(whole, model.perceive(*arguments), strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
