"""Every model takes images of other shapes, and state vectors beside them."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf

from slac import errors
from slac.models import observation_model
from tests import tiny
from tests.models import variants_test

MID, LAST, FIRST = tiny.MID, tiny.LAST, tiny.FIRST
SEED = tf.constant([1, 2])
# Of the first variant's weights, drawn with seed 0 before there were other
# images and state vectors.
WEIGHTS = '96c505a3af6bbe09b4b0a0da0e04ae534c95b60aa0a81436ba3efca432def611'


def loss_and_gradients(model, experience):
  with tf.GradientTape() as tape:
    features = model.encode(experience.observation)
    states = model.infer(
      features, experience.action, experience.step_type, SEED
    )
    loss, metrics = model.loss(states, experience, SEED)
  gradients = tape.gradient(loss, model.trainable_variables)
  return loss.numpy(), metrics, states, gradients


def test_weights_for_the_papers_images_are_drawn_as_ever():
  tf.keras.utils.set_random_seed(0)
  model = tiny.model(shaken=False)
  digest = hashlib.sha256()
  for variable in model.trainable_variables:
    digest.update(variable.numpy().tobytes())
  assert digest.hexdigest() == WEIGHTS


@pytest.mark.parametrize('image_shape', tiny.IMAGE_SHAPES)
def test_images_of_other_shapes_reach_every_parameter(image_shape):
  spec = {'pixels': tf.TensorSpec(image_shape, tf.uint8)}
  model = tiny.model(observation_spec=spec)
  experience = tiny.experience(2, image_shape=image_shape)
  loss, metrics, states, gradients = loss_and_gradients(model, experience)
  assert np.isfinite(loss)
  for gradient, variable in zip(
    gradients, model.trainable_variables, strict=True
  ):
    assert gradient is not None and np.any(gradient), variable.name
  # A sum over all pixels of four images.
  x = experience.observation['pixels'].numpy() / 255.0
  means = model.decoder(model.latent(states)).numpy()
  expected = tiny.log_normal(x, means, 0.2).sum() / 2
  assert metrics['model/log_p_images'].numpy() == pytest.approx(
    expected, rel=1e-5
  )
  rows = model.dream.python_function(
    experience.observation, experience.action, SEED
  )
  assert rows.shape == [4, 2, 4, *image_shape] and rows.dtype == tf.uint8


@pytest.fixture(
  scope='module', params=variants_test.VARIANTS, ids=lambda v: v.__name__
)
def both(request):
  """A model of images and state vectors."""
  return variants_test.make(
    request.param,
    observation_spec=tiny.BOTH_SPEC,
    proprioception=tiny.proprioception,
  )


def test_a_state_vector_is_a_feature_and_a_term_of_the_elbo(both):
  step_type = [[MID] * 4, [MID, LAST, FIRST, MID]]
  experience = tiny.experience(2, step_type, has_state=True)
  loss, metrics, states, gradients = loss_and_gradients(both, experience)
  for gradient, variable in zip(
    gradients, both.trainable_variables, strict=True
  ):
    assert gradient is not None and np.any(gradient), variable.name
  # Of every step, as of images; of those that begin or end an episode, too.
  s = experience.observation['state'].numpy()
  s = np.sign(s) * np.log(1 + np.abs(s))
  z = both.latent(states).numpy()
  network = both.proprioception._mean
  mean = z
  for layer in network.layers:
    kernel, bias = (v.numpy() for v in layer.trainable_variables)
    mean = mean @ kernel + bias
    mean = mean if layer is network.layers[-1] else tiny.leaky_relu(mean)
  log_p = tiny.log_normal(s, mean, 0.1).sum() / 2
  assert metrics['model/log_p_states'].numpy() == pytest.approx(log_p, rel=1e-4)
  assert metrics['model/squared_error_of_state'].numpy() == pytest.approx(
    np.mean((s - mean) ** 2), rel=1e-4
  )
  terms = [
    metrics[f'model/log_p_{name}'].numpy()
    for name in ('images', 'rewards', 'discounts', 'states')
  ]
  kl = metrics['model/kl'].numpy()
  assert loss == pytest.approx(kl - sum(terms), rel=1e-5)


def test_features_are_the_images_and_then_the_states(both):
  assert both.observed == ('pixels', 'state')
  assert both.feature_size == 4 + 2
  one, other = (
    tiny.experience(2, has_state=True, seed=seed).observation for seed in (0, 1)
  )
  features = both.encode(one).numpy()
  np.testing.assert_array_equal(features[..., :4], both.encoder(one['pixels']))
  changed = both.encode({**one, 'state': other['state']}).numpy()
  np.testing.assert_array_equal(changed[..., :4], features[..., :4])
  assert np.all(changed[..., 4:] != features[..., 4:])


@pytest.mark.parametrize('piece', [1, 2, 5])
def test_pieces_are_encoded_as_the_whole(piece, monkeypatch):
  model = tiny.model(
    observation_spec=tiny.BOTH_SPEC, proprioception=tiny.proprioception
  )
  observation = tiny.experience(5, has_state=True).observation
  monkeypatch.setattr(observation_model, 'PIECE', piece)
  np.testing.assert_allclose(
    model.encode_in_turn(observation),
    model.encode(observation),
    rtol=1e-5,
    atol=1e-6,
  )


def test_what_is_not_offered_cannot_be_modelled():
  state = {'state': tiny.BOTH_SPEC['state']}
  with pytest.raises(errors.UserError, match=r"offers state: .* 'pixels'"):
    tiny.model(observation_spec=state)
  with pytest.raises(errors.UserError, match=r"offers pixels: .* 'state'"):
    tiny.model(proprioception=tiny.proprioception)
