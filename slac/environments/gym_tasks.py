"""Tasks of OpenAI Gym as TF-Agents environments.

They come from gymnasium, its successor. It renders no MuJoCo task here, since
two of its environments in one process would draw into each other's GL context.
"""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import gin
import gymnasium
import numpy as np
from gymnasium.utils import seeding
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.config import settings
from slac.environments import (
  gymnasium_environment,
  mujoco_environment,
  rendering,
)


@gin.configurable
def GymEnvironment(
  task: str = gin.REQUIRED,
  action_repeat: settings.Count = gin.REQUIRED,
  camera: str | None = None,
  shadow_map_size: mujoco_environment.ShadowMapSize = 512,
  multisamples: mujoco_environment.Multisamples = 4,
  arguments: dict | None = None,
  image_size: settings.ImageSize = rendering.IMAGE_SIZE,
  observation_size: settings.Count | None = None,
) -> py_environment.PyEnvironment:
  """Returns any task that is registered with gymnasium.

  Args:
    task: Its name and version, such as 'Hopper-v4' or 'Pendulum-v1'.
    action_repeat: Steps of the task per step of the agent.
    camera: The name of the MuJoCo model's camera that renders the pixels; by
      default one that sees all of it. Other tasks draw themselves.
    shadow_map_size, multisamples: See `rendering.Renderer`; of MuJoCo tasks.
    arguments: More that `gymnasium.make` is to be given, by names.
    image_size: Height and width of the pixels, unless the task observes an
      image of its own.
    observation_size: How many numbers of the observation are the state, the
      first ones; by default all. Of MuJoCo tasks, whose name then has it.

  Raises:
    UserError: There is no such task or camera, or it does not take these
      arguments, or has no continuous actions, or observes fewer numbers.
  """
  environment = _load(task, arguments or {})
  if _is_mujoco(gymnasium.spec(task)):
    rendered = camera, shadow_map_size, multisamples
    return MujocoGymEnvironment(
      environment, action_repeat, *rendered, observation_size, image_size
    )
  if observation_size is not None:
    raise errors.UserError(
      f'GymEnvironment.observation_size = {observation_size} is for tasks of '
      f'MuJoCo, which {task} is not: remove it.'
    )
  return gymnasium_environment.GymnasiumEnvironment(
    environment, action_repeat, image_size
  )


class MujocoGymEnvironment(mujoco_environment.MujocoEnvironment):
  """A MuJoCo task of OpenAI Gym, seen through a camera.

  The versions -v4 of HalfCheetah, Walker2d, Hopper and Ant have the dynamics,
  rewards and terminations of the paper's -v2; -v5 differs. A fall ends an
  episode with discount 0, the time limit with discount 1; both cut short the
  step of the agent in which they happen.
  """

  def __init__(
    self,
    environment: gymnasium.Env,
    action_repeat: int,
    camera: str | None,
    shadow_map_size: int,
    multisamples: int,
    observation_size: int | None = None,
    image_size: Sequence[int] = rendering.IMAGE_SIZE,
  ):
    """Keeps the task as gymnasium has made it.

    Args:
      environment: The task.
      camera: The name of the model's camera that renders the pixels, or None.
      action_repeat: See `MujocoEnvironment`.
      observation_size: See `GymEnvironment`.
      shadow_map_size, multisamples, image_size: See `rendering.Renderer`.

    Raises:
      UserError: There is no such camera, or fewer numbers are observed.
    """
    task = environment.spec.id
    (size,) = environment.observation_space.shape
    if observation_size is not None and observation_size > size:
      raise errors.UserError(
        f'{task} observes {size} numbers, fewer than '
        f'GymEnvironment.observation_size = {observation_size}: lower it.'
      )
    self._observation_size = observation_size
    self._environment = environment
    self._unwrapped = self._environment.unwrapped
    self._before_last_step = None
    model = self._unwrapped.model
    actions = self._environment.action_space
    super().__init__(
      task if observation_size is None else f'{task}-first{observation_size}',
      action_repeat,
      model,
      self._unwrapped.data,
      array_spec.BoundedArraySpec(
        actions.shape, np.float32, actions.low, actions.high, 'action'
      ),
      observation_size or size,
      (_camera_index(model, task, camera), shadow_map_size, multisamples),
      image_size,
    )

  def seed(self, seed: int):
    """Makes all episodes after the current one a function of the seed."""
    # This is what gymnasium's reset(seed=seed) does.
    self._unwrapped.np_random, _ = seeding.np_random(seed)

  def _begin_episode(self) -> np.ndarray:
    self._before_last_step = None
    state, _ = self._environment.reset()
    return state

  def _observe(self, state: np.ndarray) -> dict[str, np.ndarray]:
    return super()._observe(state[: self._observation_size])

  def _step(self, action: np.ndarray) -> ts.TimeStep:
    total_reward = 0.0
    for _ in range(self.action_repeat):
      self._data.ctrl[:] = action
      self._before_last_step = self._integration_state()
      state, reward, terminated, truncated, _ = self._environment.step(action)
      total_reward += reward
      self._check_physics()
      if terminated or truncated:
        break
    observation = self._observe(state)
    if terminated:
      return ts.termination(observation, total_reward)
    if truncated:
      return ts.truncation(observation, total_reward)
    return ts.transition(observation, total_reward)

  def _random_state(self) -> dict[str, Any]:
    return self._unwrapped.np_random.bit_generator.state

  def _set_random_state(self, state: dict[str, Any]):
    self._unwrapped.np_random.bit_generator.state = state

  def _physics_state(self) -> np.ndarray | None:
    """Returns the state before the last step, or None after a reset.

    After a step, gymnasium leaves the positions of bodies as they were one step
    of MuJoCo ago; images and Ant's next reward depend on them. Only taking that
    step again, with the controls that the state holds, restores them.
    """
    return self._before_last_step

  def _set_physics_state(self, state: np.ndarray | None):
    self._before_last_step = state
    if state is not None:
      self._set_integration_state(state)
      self._unwrapped.do_simulation(self._data.ctrl, self._unwrapped.frame_skip)

  @property
  def _step_count(self) -> int:
    if not self._environment.has_wrapper_attr('_elapsed_steps'):
      return 0  # Without the wrapper TimeLimit nothing depends on it.
    return self._environment.get_wrapper_attr('_elapsed_steps')

  @_step_count.setter
  def _step_count(self, count: int):
    self._environment.set_wrapper_attr('_elapsed_steps', count, force=False)


def _load(task: str, arguments: dict[str, Any]) -> gymnasium.Env:
  """Chooses a GL library, then loads gymnasium's environment."""
  rendering.choose_backend(is_needed=False)
  names = [
    name
    for name, spec in gymnasium.registry.items()
    # Those of MuJoCo's -v2 and -v3 are functions that raise an error.
    if getattr(spec.entry_point, '__name__', '') != '_raise_mujoco_py_error'
  ]
  if task not in names:
    raise errors.UserError(
      f'Gymnasium has no task {errors.short(task)!r}'
      f'{errors.did_you_mean(task, names)}: name one of gymnasium.registry, '
      'such as Pendulum-v1.'
    )
  try:
    if not _is_mujoco(gymnasium.spec(task)):
      arguments = {'render_mode': 'rgb_array', **arguments}
    with _no_advice():
      return gymnasium.make(task, disable_env_checker=True, **arguments)
  except Exception as error:  # Whatever its libraries and it itself raise.
    raise errors.UserError(
      f'{task} cannot be made ({type(error).__name__}: {error}): install what '
      'it needs, or change GymEnvironment.arguments.',
    ) from error


def _is_mujoco(spec: gymnasium.envs.registration.EnvSpec) -> bool:
  return str(spec.entry_point).startswith('gymnasium.envs.mujoco.')


@contextlib.contextmanager
def _no_advice() -> Iterator[None]:
  """Hides warnings that -v5 is newer, and that the models are out of date.

  MuJoCo would write the latter to a file in the working directory, too.
  """
  import mujoco  # Not before MUJOCO_GL is set: see rendering.py.

  handler = mujoco.get_mju_user_warning()
  mujoco.set_mju_user_warning(lambda _: None)
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore', DeprecationWarning)
      yield
  finally:
    mujoco.set_mju_user_warning(handler)


def _camera_index(model, task: str, name: str | None) -> int:
  """Returns the index of a model's camera; UserError if there is no `name`.

  None is MuJoCo's free camera, whose index is -1.
  """
  if name is None:
    return -1
  names = [model.camera(i).name for i in range(model.ncam)]
  if name not in names:
    raise errors.UserError(
      f'{task} has no camera {errors.short(name)!r}'
      f'{errors.did_you_mean_or_all(name, names)}: set GymEnvironment.camera, '
      'to None for one that sees all.'
    )
  return names.index(name)
