"""Tests of slac/environments/dm_environment.py."""

import dm_env
import numpy as np
import pytest
from dm_env import specs
from tf_agents.environments import utils

from slac import errors
from slac.environments import checked, requirements


class Walk(dm_env.Environment):
  """Counts to three; the reward is what is counted."""

  def __init__(self, discount=1.0, actions=None):
    self._discount = discount
    self._actions = actions or specs.BoundedArray([1], np.float64, 0.0, 4.0)

  def reset(self):
    self._t = 0
    return dm_env.restart(self._see())

  def step(self, action):
    self.action = action
    self._t += 1
    if self._t < 3:
      return dm_env.transition(float(self._t), self._see())
    end = dm_env.truncation if self._discount else dm_env.termination
    return end(reward=float(self._t), observation=self._see())

  def observation_spec(self):
    return {
      'speed': specs.Array([2], np.float64),
      'angle': specs.Array([], np.float64),
    }

  def action_spec(self):
    return self._actions

  def _see(self):
    return {'speed': np.array([1.0, 2.0]), 'angle': np.float64(self._t)}


@pytest.mark.parametrize('discount', [0.0, 1.0])
def test_steps_discounts_and_states(discount):
  environment = requirements.prepare(Walk(discount), 2)
  assert list(environment.observation_spec()) == ['state']
  step = environment.reset()
  assert step.observation['state'].tolist() == [0, 1, 2]
  step = environment.step(np.zeros(1, np.float32))
  assert step.observation['state'].tolist() == [2, 1, 2]
  assert (step.reward, step.discount, step.is_last()) == (3.0, 1.0, False)
  step = environment.step(np.zeros(1, np.float32))
  assert (step.reward, step.discount, step.is_last()) == (3.0, discount, True)


class Seeing(Walk):
  """Observes an image alone, whose pixels count."""

  def observation_spec(self):
    return specs.BoundedArray([48, 80, 1], np.uint8, 0, 255)

  def _see(self):
    return np.full([48, 80, 1], self._t, np.uint8)

  def is_success(self):
    return self._t == 3


def test_an_observation_may_be_one_array_an_image():
  environment = requirements.prepare(Seeing(), 1)
  assert list(environment.observation_spec()) == ['pixels']
  environment.observe(['pixels'])
  steps = [environment.reset(), environment.step(np.zeros(1, np.float32))]
  for step, count in zip(steps, (0, 1), strict=True):
    pixels = step.observation['pixels']
    np.testing.assert_array_equal(pixels, np.full([48, 80, 1], count))


def told_of_success(prepared):
  """Whether an environment tells it, and what before and after a step."""
  protected = checked.CheckedEnvironment(prepared)
  protected.reset()
  found = [hasattr(prepared, 'is_success'), protected.is_success()]
  protected.step(np.zeros(prepared.action_spec().shape, np.float32))
  return [*found, protected.is_success()]


def test_success_is_told_where_the_environment_tells_it():
  untold, told = (requirements.prepare(x, 3) for x in (Walk(), Seeing()))
  assert told_of_success(untold) == [False, None, None]
  assert told_of_success(told) == [True, False, True]


def test_actions_are_rescaled():
  own = Walk()
  environment = requirements.prepare(own, 1)
  environment.reset()
  environment.step(np.full(1, 0.5, np.float32))
  assert own.action.tolist() == [3.0]
  assert own.action.dtype == np.float64


def test_it_is_closed_with_what_has_been_prepared():
  own = Walk()
  closed = []
  own.close = lambda: closed.append(own)
  requirements.prepare(own, 1).close()
  assert closed == [own]


def test_conforms_to_tf_agents():
  utils.validate_py_environment(requirements.prepare(Walk(), 1), episodes=2)


def test_discrete_actions_are_refused():
  with pytest.raises(errors.UserError, match='one vector of floats'):
    requirements.prepare(Walk(actions=specs.DiscreteArray(3)), 1)


def test_unbounded_actions_are_refused():
  with pytest.raises(errors.UserError, match='make them a BoundedArray'):
    requirements.prepare(Walk(actions=specs.Array([2], float)), 1)
