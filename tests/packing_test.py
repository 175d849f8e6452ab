"""Experience and metrics as few tensors."""

import numpy as np
import tensorflow as tf
from tf_agents.agents import tf_agent

from slac import packing
from tests import tiny


def test_names_stand_in_the_order_of_the_values_and_the_update_takes_effect():
  counter = tf.Variable(0.0)

  def update(experience):
    counter.assign_add(1.0)
    extra = {'b': experience['x'][0, 0] + counter, 'a': 10.0 * counter}
    return tf_agent.LossInfo(counter, extra)

  packed = packing.PackedUpdate(update, {'x': tf.TensorSpec([])})
  for i in (1, 2):
    names, values = packed(packed.pack({'x': np.array([[5.0]], np.float32)}))
    assert dict(zip(names, values.numpy(), strict=True)) == {
      'a': 10 * i,
      'b': 5 + i,
    }
  assert counter == 2


def test_the_update_sees_every_field_as_it_was():
  seen = []

  def update(experience):
    # From within the compiled function, whose tensors have no values.
    tf.py_function(lambda *x: seen.extend(x), tf.nest.flatten(experience), [])
    assert experience.observation['pixels'].shape == [3, 4, 64, 64, 3]
    return tf_agent.LossInfo(0.0, {'zero': tf.zeros([])})

  agent = tiny.agent()
  experience = tiny.experience(3, [0, 1, 2, 0], length=4)
  arrays = tf.nest.map_structure(lambda x: x.numpy(), experience)
  packed = packing.PackedUpdate(update, agent.training_data_spec)
  tensors = packed.pack(arrays)
  # uint8 pixels, 32-bit step types, and floats: actions, reward, discount.
  shapes = {x.dtype.name: x.shape.as_list() for x in tensors}
  assert shapes == {
    'uint8': [3, 4, 64 * 64 * 3],
    'int32': [3, 4, 1 + 1],
    'float32': [3, 4, 2 + 1 + 1],
  }
  packed(tensors)
  for was, found in zip(tf.nest.flatten(arrays), seen, strict=True):
    np.testing.assert_array_equal(found, was)
    assert found.dtype.name == was.dtype.name
