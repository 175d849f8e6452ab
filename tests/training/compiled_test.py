"""Tests of slac/training/compiled.py: metrics in one tensor, single steps."""

import gc
import sys

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.agents import base
from slac.training import compiled
from tests import tiny
from tests.agents import policies_test


def test_names_stand_in_the_order_of_the_values_and_the_update_takes_effect():
  counter = tf.Variable(0.0)

  def update(experience):
    counter.assign_add(1.0)
    extra = {'b': experience['x'][0, 0] + counter, 'a': 10.0 * counter}
    return tf_agent.LossInfo(counter, extra)

  call = compiled.CompiledUpdate(base.Update(update, 1))
  for i in (1, 2):
    names, values = call({'x': tf.constant([[5.0]])})
    assert dict(zip(names, values.numpy(), strict=True)) == {
      'a': 10 * i,
      'b': 5 + i,
    }
  assert counter == 2


def test_an_update_that_the_device_has_no_memory_for_is_one_sentence():
  def update(experience):
    raise tf.errors.ResourceExhaustedError(None, None, 'OOM')

  call = compiled.CompiledUpdate(base.Update(update, 64))
  with pytest.raises(errors.UserError, match=r'with 64 sequences .*batch_size'):
    call({'x': tf.constant([[5.0]])})


def test_compiled_policy_takes_single_steps_with_other_observations():
  agent = tiny.agent()
  policy = compiled.CompiledPolicy(agent.greedy_policy)
  pixels = tiny.pixels(2)
  state = policy.get_initial_state()
  actions = []
  for t in range(2):
    observation = {'pixels': pixels[t], 'state': np.zeros(3, np.float32)}
    step = (
      ts.restart(observation)
      if t == 0
      else ts.transition(observation, np.float32(1))
    )
    chosen = policy.action(step, state)
    state = chosen.state
    actions.append(chosen.action)
  expected = policies_test.act(
    agent.greedy_policy,
    {'pixels': pixels},
    [tiny.FIRST, tiny.MID],
    reset=True,
  )
  np.testing.assert_allclose(actions, expected, rtol=1e-4, atol=1e-6)


def test_compiled_policy_acts_on_several_environments_at_once():
  """As on each of them alone, which are at other steps of their episodes."""
  agent = tiny.agent()
  policy = compiled.CompiledPolicy(agent.greedy_policy)
  pixels = tiny.pixels(2, 3)

  def time_step(i, t):
    kind = ts.restart if t == 0 else ts.transition
    rest = [] if t == 0 else [np.float32(1)]
    return kind({'pixels': pixels[i, t]}, *rest)

  alone = []
  for i, length in enumerate((3, 2)):
    state = policy.get_initial_state()
    for t in range(length):
      step = policy.action(time_step(i, t), state)
      state = step.state
    alone.append(step)

  states = [policy.get_initial_state() for _ in range(2)]
  (first,) = policy.actions([time_step(0, 0)], states[:1])
  states = [first.state, states[1]]
  for t in (0, 1):
    steps = policy.actions([time_step(0, t + 1), time_step(1, t)], states)
    states = [step.state for step in steps]
  for step, expected in zip(steps, alone, strict=True):
    tf.nest.assert_same_structure(step, expected)
    for x, y in zip(
      tf.nest.flatten(step), tf.nest.flatten(expected), strict=True
    ):
      np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)


N = 1000


def lost_blocks(call):
  """Of Python's memory, in N calls after as many."""
  for _ in range(N):
    call()
  gc.collect()
  before = sys.getallocatedblocks()
  for _ in range(N):
    call()
  gc.collect()
  return sys.getallocatedblocks() - before


@pytest.mark.slow
@pytest.mark.long
def test_no_memory_is_lost_with_tensors():
  """Over the days of a run the least of it would add up."""
  double = tf.function(lambda x: {'y': 2 * x, 'z': (x, x)})
  array = np.zeros(4, np.float32)
  # The interpreter and other threads allocate now and then, a leak each time.
  assert any(
    lost_blocks(lambda: double(compiled.as_tensors(array))) < 0.1 * N
    for _ in range(5)
  )


def test_tensors_as_tensors_are_the_arrays():
  experience = tiny.experience(3, [0, 1, 2, 0], length=4)
  arrays = tf.nest.map_structure(lambda x: x.numpy(), experience)
  tensors = compiled.as_tensors(arrays)
  tf.nest.assert_same_structure(tensors, arrays)
  assert tensors.observation['pixels'].dtype == tf.uint8
  for found, was in zip(
    tf.nest.flatten(tensors), tf.nest.flatten(arrays), strict=True
  ):
    np.testing.assert_array_equal(found, was)
    assert found.dtype.name == was.dtype.name
