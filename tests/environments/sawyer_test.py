"""Tests of slac/environments/sawyer.py against rewards by hand and scripts."""

import numpy as np
import pytest
from tf_agents.environments import utils

from slac import errors
from slac.environments import metaworld_tasks, sawyer
from tests.environments import dm_control_tasks_test, manipulated

blank = dm_control_tasks_test.blank
# As the gin files have them.
HAND_STARTS = {
  'door': (0.3, 0.72, 0.15),
  'drawer': (0, 0.6, 0.2),
  'pickup': (0, 0.6, 0.2),
}


def make(task, seed=0, episode_steps=250, action_repeat=5):
  with manipulated.settings(episode_steps, action_repeat):
    environment = sawyer.SawyerEnvironment(task, HAND_STARTS[task])
  environment.seed(seed)
  return environment


def script(environment, task):
  """Returns Meta-World's own policy, with eyes on the goal."""
  from metaworld import policies

  policy = {
    'door': policies.SawyerDoorOpenV3Policy,
    'drawer': policies.SawyerDrawerCloseV3Policy,
    'pickup': policies.SawyerPickPlaceV3Policy,
  }[task]()

  def act():
    if task == 'door' and environment._joint().qpos[0] < -1.5:
      return np.zeros(4)  # It would push the door on.
    return np.clip(policy.get_action(environment._observation), -1, 1)

  return act


def test_rewards_of_the_paper_by_hand():
  hand, thing = np.array([0.0, 0.6, 0.2]), np.array([0.1, 0.4, 0.1])
  # 0.01 + 0.04 + 0.01 = 0.06.
  assert sawyer.door_reward(hand, thing, np.array([-0.5])) == pytest.approx(
    -1.0707963
  )
  assert sawyer.door_reward(hand, thing, np.array([-1.8])) == pytest.approx(
    -0.2292037
  )
  assert sawyer.drawer_reward(hand, thing, np.array([-0.15])) == pytest.approx(
    -0.21
  )
  lying, lifted = np.array([0.1, 0.4, 0.06]), np.array([0.1, 0.4, 0.061])
  # tanh(10 * 0.0696) = 0.60183.
  assert sawyer.pickup_reward(hand, lying, np.zeros(7)) == pytest.approx(
    0.0995425, abs=1e-5
  )
  assert sawyer.pickup_reward(hand, lifted, np.zeros(7)) == 1
  assert sawyer.pickup_reward(lying, lying, np.zeros(7)) == 0.25


@pytest.mark.parametrize(
  ('task', 'height', 'joint', 'is_success'),
  [
    ('door', 0.1, -1.5, True),
    ('door', 0.1, -1.65, True),
    ('door', 0.1, -1.46, False),
    ('door', 0.1, -1.7, False),
    ('drawer', 0.1, -0.019, True),
    ('drawer', 0.1, -0.021, False),
    ('pickup', 0.061, 0.0, True),
    ('pickup', 0.059, 0.0, False),
  ],
)
def test_what_solves_a_task(task, height, joint, is_success):
  thing = np.array([0, 0.6, height])
  found = sawyer.TASKS[task].is_success(thing, np.array([joint]))
  assert found == is_success


@manipulated.has_metaworld
@pytest.mark.parametrize(
  ('task', 'num_episodes', 'at_least'),
  [('door', 5, 5), ('drawer', 5, 5), ('pickup', 10, 7)],
)
def test_scripts_solve_the_tasks(task, num_episodes, at_least):
  environment = make(task)
  _, successes = manipulated.returns(
    environment, script(environment, task), num_episodes
  )
  assert successes.sum() >= at_least


@manipulated.has_metaworld
@pytest.mark.parametrize(
  ('task', 'mean', 'stddev', 'most_successes'),
  [('door', -361, 63, 2), ('drawer', -38, 12, 5), ('pickup', 32, 11, 0)],
)
def test_random_actions(task, mean, stddev, most_successes):
  environment = make(task)
  returns, successes = manipulated.returns(
    environment, manipulated.uniform(environment), 5
  )
  assert abs(returns.mean() - mean) < stddev
  assert successes.sum() <= most_successes


@manipulated.has_metaworld
@pytest.mark.parametrize(('task', 'size'), [('door', 13), ('pickup', 24)])
def test_the_state_is_hand_fingers_thing_and_joint(blank, task, size):
  environment = make(task)
  state = environment.reset().observation['state']
  assert state.shape == (size,)
  data = environment._data
  hand = environment._engine.tcp_center
  np.testing.assert_allclose(state[:3], hand, rtol=1e-6)
  # It begins where the setting says; the fingers are a little below.
  np.testing.assert_allclose(state[3:6], HAND_STARTS[task], rtol=1e-6)
  np.testing.assert_allclose(
    state[6:8], data.qpos[[7, 8]], rtol=1e-6
  )  # After the arm's seven joints.
  thing = {'door': 'handle', 'pickup': 'objGeom'}[task]
  np.testing.assert_allclose(
    state[8:11], data.geom(thing).xpos, rtol=1e-6, atol=1e-6
  )
  moved = environment.step(np.array([0, 1, 0, 0], np.float32))
  # Five steps of a centimetre.
  np.testing.assert_allclose(
    moved.observation['state'][4] - state[4], 0.05, rtol=1e-4
  )


@manipulated.has_metaworld
def test_an_episode_has_fifty_steps_and_a_discount_at_its_end(blank):
  environment = make('drawer')
  step = environment.reset()
  environment._step_count = 240
  action = np.zeros(4, np.float32)
  assert environment.step(action).is_mid()
  step = environment.step(action)
  assert (step.is_last(), step.discount) == (True, 1)
  # An agent step that the limit cuts short has the rewards of two steps.
  environment = make('drawer', episode_steps=7)
  environment.reset()
  rewards = [environment.step(action).reward for _ in range(2)]
  assert rewards[1] == pytest.approx(rewards[0] * 2 / 5, rel=0.05)
  utils.validate_py_environment(make('drawer', episode_steps=9), episodes=2)


@manipulated.has_metaworld
@pytest.mark.parametrize('task', sawyer.TASKS)
def test_resumes_exactly(task):
  manipulated.assert_resumes(lambda seed: make(task, seed), 6)


@manipulated.has_metaworld
@pytest.mark.parametrize('task', sawyer.TASKS)
def test_meshes_of_fewer_faces_look_the_same(monkeypatch, task):
  images = []
  for is_whole in (False, True):
    if is_whole:
      monkeypatch.setattr(metaworld_tasks.meshes, 'simplify', lambda *_: None)
    environment = make(task)
    images.append([environment.reset().observation['pixels']])
    for action in dm_control_tasks_test._actions(environment, 5):
      images[-1].append(environment.step(action).observation['pixels'])
  difference = np.abs(np.subtract(*images, dtype=float))
  assert 0 < difference.mean() < 1


def test_an_unknown_task():
  with pytest.raises(
    errors.UserError, match=r"'dor' of .*mean door\?"
  ) as caught:
    sawyer.SawyerEnvironment('dor', (0, 0, 0))
  assert caught.value.exit_code == 78
