"""The update that the benchmark compares with: the same losses, more work."""

import numpy as np
import pytest
import tensorflow as tf

from slac.benchmark import reference_update
from slac.models import networks
from tests import tiny

DEPTH, LATENT, FEATURE = 2, 5, 6


def copy_weights(network, reference):
  """Gives the reference the same numbers, of a convolution for a matrix."""
  layers = [m for m in network.submodules if isinstance(m, networks.Weights)]
  pairs = [(layer.kernel, layer.bias) for layer in layers]
  if isinstance(network, networks.Decoder):
    (kernel, bias), *rest = pairs
    # From [in, h * w * out] to [h, w, out, in].
    pairs = [(tf.transpose(kernel), bias), *rest]
  for layer, (kernel, bias) in zip(
    reference._network.layers, pairs, strict=True
  ):
    layer.kernel.assign(tf.reshape(kernel, layer.kernel.shape))
    layer.bias.assign(bias)


@pytest.mark.parametrize('image_shape', [(64, 64, 3), (48, 80, 1)])
def test_its_networks_are_the_same_functions(image_shape):
  shape = {'image_shape': image_shape}
  encoder = tiny.shake(networks.Encoder(DEPTH, FEATURE, **shape))
  reference = reference_update.Encoder(DEPTH, FEATURE, **shape)
  copy_weights(encoder, reference)
  pixels = tf.constant(tiny.pixels(2, 3, **shape))
  np.testing.assert_allclose(
    reference(pixels), encoder(pixels), rtol=1e-4, atol=1e-5
  )
  decoder = tiny.shake(networks.Decoder(LATENT, DEPTH, **shape))
  reference = reference_update.Decoder(LATENT, DEPTH, **shape)
  copy_weights(decoder, reference)
  z = tf.random.normal([2, 3, LATENT])
  np.testing.assert_allclose(reference(z), decoder(z), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope='module')
def agent():
  return tiny.agent(agent_class=reference_update.ReferenceAgent)


def test_it_differentiates_the_encoder_for_all_and_decodes_dreams(agent):
  batch, model_batch, steps = 3, 2, tiny.T + 1
  experience = tiny.experience(batch)
  graph = agent._train.get_concrete_function(experience=experience).graph

  def frames(kind, index):
    operations = [op for op in graph.get_operations() if op.type == kind]
    return [op.inputs[index].shape[0] for op in operations]

  # Encoder and decoder have five convolutions each.
  expected = [batch * steps] * 5 + [model_batch * steps] * 5
  assert sorted(frames('Conv2DBackpropFilter', 2)) == sorted(expected)
  # Two dreams for each sequence of the model.
  dreams = 2 * model_batch * steps
  assert frames('Conv2DBackpropInput', 2).count(dreams) == 5
  before = [v.numpy() for v in agent.model.trainable_variables]
  assert np.isfinite(agent.train(experience).loss)
  after = [v.numpy() for v in agent.model.trainable_variables]
  assert all(np.any(a != b) for a, b in zip(after, before, strict=True))
