"""Tests of slac/environments/gym_tasks.py against gymnasium itself."""

import warnings

import gymnasium
import numpy as np
import pytest
from tf_agents.environments import utils

from slac import errors
from slac.environments import gym_tasks, rendering
from tests.environments import dm_control_tasks_test

TASKS = [
  ('HalfCheetah-v4', 1),
  ('Walker2d-v4', 4),
  ('Hopper-v4', 2),
  ('Ant-v4', 4),
]
all_tasks = pytest.mark.parametrize(('task', 'action_repeat'), TASKS)
blank = dm_control_tasks_test.blank


def environment_of(task, action_repeat, seed=0):
  environment = gym_tasks.GymEnvironment(task, action_repeat, 'track', 512, 0)
  environment.seed(seed)
  return environment


def gymnasiums_own(task, seed):
  with gym_tasks._no_advice():
    own = gymnasium.make(task)
  own.reset(seed=seed)
  return own


@pytest.mark.parametrize('velocity', [1e12, np.nan])
def test_a_simulation_that_mujoco_gives_up_is_not_gone_on_with(blank, velocity):
  environment = environment_of('Hopper-v4', 2)
  action = np.zeros(3, np.float32)
  for _ in range(2):  # A new episode is none the worse.
    environment.reset()
    environment.step(action)
    environment._data.qvel[:] = velocity
    with pytest.raises(FloatingPointError, match='mjWARN_BADQVEL'):
      environment.step(action)


@all_tasks
def test_steps_equal_gymnasiums_own(blank, task, action_repeat):
  environment = environment_of(task, action_repeat, seed=5)
  own = gymnasiums_own(task, seed=5)
  step = environment.reset()
  assert step.is_first()
  ended = {}
  for action in dm_control_tasks_test._actions(
    environment, 1000 // action_repeat
  ):
    step = environment.step(action)
    total = 0.0
    for _ in range(action_repeat):
      state, reward, terminated, truncated, _ = own.step(action)
      total += reward
      if terminated or truncated:
        break
    np.testing.assert_array_equal(
      step.observation['state'], state.astype(np.float32)
    )
    assert step.reward == np.float32(total)
    assert step.is_last() == (terminated or truncated)
    assert step.discount == (0 if terminated else 1)
    if step.is_last():
      ended = {'terminated': terminated, 'truncated': truncated}
      break
  # Random actions let the walkers fall; a half-cheetah cannot.
  falls = task in ('Hopper-v4', 'Walker2d-v4')
  if falls:
    assert ended == {'terminated': True, 'truncated': False}
  if task == 'HalfCheetah-v4':
    assert ended == {'terminated': False, 'truncated': True}
  assert ended
  assert environment.step(action).is_first()


@all_tasks
def test_the_time_limit_is_1000_environment_steps(blank, task, action_repeat):
  environment = environment_of(task, action_repeat)
  environment.reset()
  environment._step_count = 1000 - 2 * action_repeat
  action = np.zeros(environment.action_spec().shape, np.float32)
  assert environment.step(action).is_mid()
  last = environment.step(action)
  assert last.is_last() and last.discount == 1


def test_a_fall_at_the_time_limit_is_a_fall(blank):
  environment = environment_of('Hopper-v4', 2)
  environment.reset()
  environment._step_count = 999
  environment._data.qpos[1] = 0.5  # Below 0.7, its least height.
  step = environment.step(np.zeros([3], np.float32))
  assert step.is_last() and step.discount == 0


def test_loading_says_nothing_and_leaves_no_file(
  blank, tmp_path, monkeypatch, capfd
):
  monkeypatch.chdir(tmp_path)
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    for task, action_repeat in TASKS:
      environment_of(task, action_repeat).reset()
  assert capfd.readouterr() == ('', '')
  assert list(tmp_path.iterdir()) == []


@all_tasks
def test_conforms_to_tf_agents(blank, task, action_repeat):
  environment = environment_of(task, action_repeat)
  utils.validate_py_environment(environment, episodes=1)
  spec = environment.action_spec()
  assert spec.dtype == np.float32
  assert np.all(spec.minimum == -1) and np.all(spec.maximum == 1)
  assert environment.name == task


@all_tasks
def test_resumes_exactly_across_an_episodes_end(task, action_repeat):
  environment = environment_of(task, action_repeat)
  actions = dm_control_tasks_test._actions(environment, 14) / 4
  environment.reset()
  for action in actions[:4]:
    environment.step(action)
  # To 5 agent steps before the time limit.
  environment._step_count = 1000 - 5 * action_repeat
  state = dm_control_tasks_test._through_files(environment.get_state())
  expected = [environment.step(action) for action in actions[4:]]
  environment.close()

  resumed = environment_of(task, action_repeat, seed=99)
  resumed.reset()
  resumed.step(actions[0])
  resumed.set_state(state)
  steps = [resumed.step(action) for action in actions[4:]]
  for step, other in zip(steps, expected, strict=True):
    dm_control_tasks_test._assert_same(step, other)
  assert [bool(s.is_last()) for s in steps].index(True) <= 4
  # The robot is in view, and moves.
  first, second = (s.observation['pixels'].astype(int) for s in steps[:2])
  assert np.abs(first - second).max() > 20


@pytest.mark.parametrize('num_steps', [0, 1, 2])
def test_resumes_at_an_episodes_first_and_last_step(blank, num_steps):
  environment = environment_of('Ant-v4', 4, seed=3)
  environment.reset()
  environment._step_count = 996
  actions = dm_control_tasks_test._actions(environment, 6)
  ends = [environment.step(a).is_last() for a in actions[:num_steps]]
  assert ends == [True, False][:num_steps]  # The second step is a reset.
  state = dm_control_tasks_test._through_files(environment.get_state())
  expected = [environment.step(action) for action in actions]
  resumed = environment_of('Ant-v4', 4, seed=4)
  resumed.reset()
  resumed.set_state(state)
  for action, other in zip(actions, expected, strict=True):
    dm_control_tasks_test._assert_same(resumed.step(action), other)


def test_environments_do_not_draw_into_each_other():
  alone = environment_of('Hopper-v4', 2, seed=3)
  expected = alone.reset().observation['pixels']
  alone.close()
  hopper, ant = environment_of('Hopper-v4', 2, 3), environment_of('Ant-v4', 4)
  walker = dm_control_tasks_test._environment('walker', 'walk', 2)
  pixels = hopper.reset().observation['pixels']
  others = [e.reset().observation['pixels'] for e in (ant, walker)]
  hopper.seed(3)
  again = hopper.reset().observation['pixels']
  np.testing.assert_array_equal(pixels, expected)
  np.testing.assert_array_equal(again, expected)
  assert all((other != expected).any() for other in others)


def test_the_camera_is_that_of_the_name():
  environment = environment_of('Hopper-v4', 2)
  pixels = environment.reset().observation['pixels']
  model, data = environment._model, environment._data
  drawn = rendering.Renderer(model, model.camera('track').id, 512, 0)
  np.testing.assert_array_equal(pixels, drawn.render(data))


@pytest.mark.parametrize('task', ['Hopper-v4', 'Pendulum-v1'])
def test_images_have_the_size_that_is_asked_for(task):
  environment = gym_tasks.GymEnvironment(task, 2, image_size=(32, 48))
  assert environment.observation_spec()['pixels'].shape == (32, 48, 3)
  if task == 'Hopper-v4':  # The other needs pygame.
    pixels = environment.reset().observation['pixels']
    assert pixels.shape == (32, 48, 3) and np.ptp(pixels) > 50


@pytest.mark.parametrize(
  ('task', 'camera', 'message'),
  [
    ('Hoper-v4', 'track', "no task 'Hoper-v4' (did you mean Hopper-v4"),
    ('Hopper-v2', 'track', "no task 'Hopper-v2' (did you mean Hopper-v"),
    (
      'Hopper-v4',
      'trak',
      "Hopper-v4 has no camera 'trak' (did you mean track?)",
    ),
  ],
)
def test_unknown_names(task, camera, message):
  with pytest.raises(errors.UserError) as raised:
    gym_tasks.GymEnvironment(task, 2, camera, 512, 0)
  assert message in str(raised.value)


def test_the_first_numbers_of_an_observation(blank):
  whole, first = (
    gym_tasks.GymEnvironment(
      *('Ant-v4', 1, 'track', 512, 0),
      {'use_contact_forces': True},
      observation_size=observation_size,
    )
    for observation_size in (None, 27)
  )
  for environment in (whole, first):
    environment.seed(3)
    environment.reset()
  assert (whole.name, first.name) == ('Ant-v4', 'Ant-v4-first27')
  spec = first.observation_spec()['state']
  assert whole.observation_spec()['state'].shape == (111,)
  for action in dm_control_tasks_test._actions(whole, 10):
    steps = [e.step(action) for e in (whole, first)]
    (all_numbers, some) = (step.observation['state'] for step in steps)
    assert some.shape == spec.shape
    np.testing.assert_array_equal(some, all_numbers[:27])
    assert steps[0].reward == steps[1].reward


@pytest.mark.parametrize(
  ('task', 'says'),
  [
    ('Hopper-v4', 'observes 11 numbers, fewer than .* = 12'),
    ('Pendulum-v1', 'is for tasks of MuJoCo'),
  ],
)
def test_numbers_that_are_not_there_are_refused(task, says):
  with pytest.raises(errors.UserError, match=says):
    gym_tasks.GymEnvironment(task, 1, observation_size=12)


def test_an_episode_without_a_time_limit_resumes_exactly(blank):
  def make(seed):
    arguments = {'max_episode_steps': -1}
    made = gym_tasks.GymEnvironment('HalfCheetah-v4', 500, arguments=arguments)
    made.seed(seed)
    made.reset()
    return made

  environment, resumed = make(seed=3), make(seed=4)
  actions = dm_control_tasks_test._actions(environment, 3)
  environment.step(actions[0])
  resumed.set_state(
    dm_control_tasks_test._through_files(environment.get_state())
  )
  for action in actions[1:]:
    expected, found = (e.step(action) for e in (environment, resumed))
    dm_control_tasks_test._assert_same(found, expected)
    assert found.is_mid()  # Of 1,000 and of 1,500 environment steps.


@pytest.mark.parametrize('task', ['Ant-v4', 'Humanoid-v4'])
def test_contact_forces_resume_exactly(task):
  """They are no part of MuJoCo's state."""
  arguments = {'use_contact_forces': True} if task == 'Ant-v4' else {}

  def make():
    made = gym_tasks.GymEnvironment(task, 1, None, 512, 0, arguments)
    made.observe(['state'])
    made.reset()
    return made

  environment, resumed = make(), make()
  actions = dm_control_tasks_test._actions(environment, 20) / 4
  for action in actions[:10]:
    environment.step(action)
  resumed.set_state(
    dm_control_tasks_test._through_files(environment.get_state())
  )
  for action in actions[10:]:
    expected, found = (e.step(action) for e in (environment, resumed))
    assert found.reward == expected.reward
    np.testing.assert_array_equal(
      found.observation['state'], expected.observation['state']
    )
