"""Settings, and tests that hold for every manipulation task."""

import contextlib
from importlib import util

import gin
import numpy as np
import pytest

from slac.environments import metaworld_tasks
from tests.environments import dm_control_tasks_test

# Importing it would import MuJoCo, before a GL library is chosen for it.
has_metaworld = pytest.mark.skipif(
  not util.find_spec('metaworld'),
  reason=f'metaworld is missing: {metaworld_tasks.INSTALL}',
)


@contextlib.contextmanager
def settings(episode_steps, action_repeat, **others):
  """Binds what gin files say of all manipulation tasks."""
  values = {
    'episode_steps': episode_steps,
    'action_repeat': action_repeat,
    'shadow_map_size': 512,
    'multisamples': 4,
    **others,
  }
  with gin.unlock_config():
    for name, value in values.items():
      gin.bind_parameter(f'ManipulationEnvironment.{name}', value)
    try:
      yield
    finally:
      gin.clear_config()


def assert_resumes(make, num_steps, render=True):
  """Checks that an environment goes on exactly in another one, from files.

  Args:
    make: Makes it, given a seed.
    num_steps: How many steps are taken before, and after.
    render: Whether images are compared, too.
  """
  environment, other = make(1), make(2)
  if not render:
    for made in (environment, other):
      made.observe(['state'])
  actions = dm_control_tasks_test._actions(environment, 2 * num_steps)
  environment.reset()
  for action in actions[:num_steps]:
    environment.step(action)
  state = dm_control_tasks_test._through_files(environment.get_state())
  other.reset()
  other.step(actions[0])
  other.set_state(state)
  if render:
    np.testing.assert_array_equal(other.render(), environment.render())
  for action in actions[num_steps:]:
    step, expected = other.step(action), environment.step(action)
    for name in expected.observation:
      np.testing.assert_array_equal(
        step.observation[name], expected.observation[name]
      )
    assert step.reward == expected.reward
    assert step.step_type == expected.step_type
    assert other.is_success() == environment.is_success()


def returns(environment, policy, num_episodes):
  """Returns the returns of episodes [n], and whether each was a success [n].

  Args:
    environment: It is not rendered.
    policy: Returns an action.
    num_episodes: n.
  """
  environment.observe(['state'])
  found, successes = [], []
  for _ in range(num_episodes):
    step, total = environment.reset(), 0.0
    while not step.is_last():
      step = environment.step(np.asarray(policy(), np.float32))
      total += step.reward
    assert step.discount == 1
    found.append(total)
    successes.append(environment.is_success())
  return np.array(found), np.array(successes)


def uniform(environment, seed=0):
  """Returns a policy of uniform actions."""
  random = np.random.default_rng(seed)
  return lambda: random.uniform(-1, 1, environment.action_spec().shape)
