"""Tests of slac/environments/claw.py: goals, reward, success, exact resume."""

import numpy as np
import pytest
from tf_agents.environments import utils

from slac import errors
from slac.environments import claw
from tests.environments import dm_control_tasks_test, manipulated

blank = dm_control_tasks_test.blank


def make(task, seed=0, episode_steps=60):
  with manipulated.settings(episode_steps, 1):
    environment = claw.ClawEnvironment(task)
  environment.seed(seed)
  return environment


def goals(task, n=200):
  random = np.random.default_rng(0)
  return np.array([claw.GOALS[task](random) for _ in range(n)])


def test_the_three_modes_of_goals():
  assert {*goals('fixed')} == {np.pi / 2}
  assert {*goals('three')} == {-np.pi / 2, 0, np.pi / 2}
  uniform = goals('uniform')
  assert -np.pi / 2 <= uniform.min() < -1.4 and 1.4 < uniform.max() <= np.pi / 2


def test_the_valve_begins_anywhere_and_the_goal_is_where_the_image_shows_it(
  blank,
):
  environment = make('uniform')
  angles = []
  for _ in range(50):
    state = environment.reset().observation['state']
    angles.append(environment._data.qpos[9])
    np.testing.assert_allclose(state[18], np.cos(angles[-1]), rtol=1e-5)
    np.testing.assert_allclose(state[19], np.sin(angles[-1]), rtol=1e-5)
    place = environment._data.site('goal').xpos
    np.testing.assert_allclose(np.arctan2(place[1], place[0]), state[21])
  assert min(angles) < -2.5 and max(angles) > 2.5


@pytest.mark.parametrize(
  ('valve', 'error', 'is_success'),
  [
    (np.pi / 2, 0.0, True),
    (np.pi / 2 - 0.24, 0.24, True),
    (np.pi / 2 + 0.26, 0.26, False),
    (0.0, np.pi / 2, False),
    (-np.pi / 2, np.pi, False),  # The other way round is as far.
    (-np.pi, np.pi / 2, False),
    (np.pi / 2 + 6 * np.pi, 0.0, True),
  ],
)
def test_the_reward_is_minus_the_wrapped_angle(
  blank, monkeypatch, valve, error, is_success
):
  environment = make('fixed')
  environment.reset()
  environment._data.qpos[9] = valve
  assert environment.is_success() == is_success
  # The simulation stands still.
  monkeypatch.setattr(environment._mujoco, 'mj_step', lambda *_: None)
  reward = environment.step(np.zeros(9, np.float32)).reward
  np.testing.assert_allclose(reward, -error, atol=1e-5)


def test_actions_are_places_that_the_joints_go_to(blank):
  environment = make('fixed')
  environment.reset()
  for _ in range(10):
    environment.step(np.tile([0.5, -1, 0], 3).astype(np.float32))
  joints = environment._data.qpos[:9].reshape(3, 3)
  np.testing.assert_allclose(joints, 3 * [[0.24, -1.05, 0]], atol=0.15)


@pytest.mark.parametrize(
  ('task', 'mean', 'stddev'),
  # Of 100 steps, -149 +- 56 and so on; here there are 60.
  [('fixed', -89, 34), ('three', -106, 33), ('uniform', -109, 33)],
)
def test_random_actions_turn_the_valve_and_rarely_solve_the_task(
  task, mean, stddev
):
  environment = make(task)
  returns, successes = manipulated.returns(
    environment, manipulated.uniform(environment), 20
  )
  assert abs(returns.mean() - mean) < stddev
  assert successes.mean() <= 0.2


def test_the_last_step_is_the_sixtieth_and_has_a_discount(blank):
  environment = make('fixed')
  environment.reset()
  actions = dm_control_tasks_test._actions(environment, 60)
  steps = [environment.step(action) for action in actions]
  assert [step.is_last() for step in steps] == 59 * [False] + [True]
  assert steps[-1].discount == 1
  utils.validate_py_environment(make('fixed', episode_steps=5), episodes=2)


def test_a_simulation_that_mujoco_gives_up_is_not_gone_on_with(blank):
  environment = make('fixed')
  environment.reset()
  environment._data.qvel[:] = 1e12
  with pytest.raises(FloatingPointError, match='mjWARN_BADQVEL'):
    environment.step(np.zeros(9, np.float32))
  assert environment.reset().is_first()
  assert environment.step(np.zeros(9, np.float32)).is_mid()


@pytest.mark.parametrize('task', claw.GOALS)
def test_resumes_exactly_with_its_goal_and_into_the_next_episode(task):
  manipulated.assert_resumes(lambda seed: make(task, seed, episode_steps=12), 8)


def test_the_camera_is_upright_and_looks_at_the_valve(blank):
  environment = make('fixed')
  environment.reset()
  data = environment._data
  right, up, back = data.cam_xmat[0].reshape(3, 3).T
  np.testing.assert_allclose(data.cam_xpos[0], [0.3, -0.3, 0.42])
  # From (0, 0, 0.07).
  np.testing.assert_allclose(
    back, np.array([0.3, -0.3, 0.35]) / np.sqrt(0.3025)
  )
  np.testing.assert_allclose(right, [0.5**0.5, 0.5**0.5, 0], atol=1e-9)
  assert up[2] > 0


def test_both_balls_are_seen():
  environment = make('uniform', seed=2)
  pixels = environment.reset().observation['pixels'].astype(int)
  red = (pixels[..., 0] > 150) & (pixels[..., 1:].max(-1) < 90)
  green = (pixels[..., 1] > 150) & (pixels[..., ::2].max(-1) < 90)
  for ball in (red, green):
    rows, columns = np.nonzero(ball)
    assert 3 <= np.ptp(rows) <= 9 and 3 <= np.ptp(columns) <= 9


def test_an_unknown_task():
  with pytest.raises(
    errors.UserError, match=r"'thre' \(did you mean three\?\)"
  ):
    claw.ClawEnvironment('thre')


def test_the_reward_is_of_where_a_step_has_led(blank):
  environment = make('fixed')
  environment.reset()
  environment._data.qpos[9], environment._data.qvel[9] = 0.0, 20.0
  reward = environment.step(np.zeros(9, np.float32)).reward
  assert reward == np.float32(-abs(environment._error()))
  assert reward > -1.5  # Of pi / 2, before the step.
