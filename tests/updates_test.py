"""Metrics as one tensor."""

import tensorflow as tf
from tf_agents.agents import tf_agent

from slac import updates


def test_names_stand_in_the_order_of_the_values_and_the_update_takes_effect():
  counter = tf.Variable(0.0)

  def update(experience):
    counter.assign_add(1.0)
    extra = {'b': experience['x'][0, 0] + counter, 'a': 10.0 * counter}
    return tf_agent.LossInfo(counter, extra)

  compiled = updates.Update(update)
  for i in (1, 2):
    names, values = compiled({'x': tf.constant([[5.0]])})
    assert dict(zip(names, values.numpy(), strict=True)) == {
      'a': 10 * i,
      'b': 5 + i,
    }
  assert counter == 2
