"""Tasks of a Sawyer robot: those of Meta-World, and three of the paper's.

Versions 1 and 2 of the paper (2019) have a door, a drawer and a block to pick
up, whose environments were not published. Here Meta-World simulates the robot,
with the rewards of the paper; docs/environments.md says what is approximated.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

import gin
import numpy as np

from slac import errors
from slac.environments import manipulation, meshes, rendering

VERSION = '3.0.0'  # Of metaworld; requirements-manipulation.in says the same.
INSTALL = 'pip install --no-deps -r requirements-manipulation.txt'
_LONGEST_EPISODE = 500  # Meta-World's step after it raises an exception.
_DETAIL = 0.005  # Metres; what is smaller is not drawn.
_WHOLE_TABLE = manipulation.View((0.75, -0.15, 0.75), (0, 0.65, 0.1), 45)
_TO_HANDLE = np.array([0, -0.15, 0])  # From the drawer's middle.
_LIFTED = 0.06  # Metres; at rest the centre of the block is 0.02 m high.
_OPEN = -np.pi / 2  # Radians; a closed door is at 0.


class _Simulated(manipulation.ManipulationEnvironment):
  """One of Meta-World's 50 tasks, with its own reward and success."""

  def __init__(
    self, name: str, task: str, view: manipulation.View, state_size: int
  ):
    """Loads the task.

    Args:
      name: What it is called.
      task: What Meta-World calls it.
      view: What the camera sees.
      state_size: See `MujocoEnvironment`.

    Raises:
      UserError: There is no such task or it has no such long episodes; or (69)
        metaworld is missing, or is another version.
    """
    self._engine = _load(task)
    self._succeeded = False
    model = self._engine.model
    meshes.simplify(model, _DETAIL)
    model.mat_reflectance[:] = 0
    camera = model.camera('topview').id
    super().__init__(
      name, model, self._engine.data, camera, view, 4, state_size
    )
    if self._episode_steps > _LONGEST_EPISODE:
      raise errors.UserError(
        'ManipulationEnvironment.episode_steps is '
        f'{self._episode_steps}, but an episode of Meta-World has at most '
        f'{_LONGEST_EPISODE} steps: set it to {_LONGEST_EPISODE} or less.'
      )
    self._engine.np_random = self._random

  def is_success(self) -> bool:
    """Returns whether the task was solved at some step of this episode."""
    return self._succeeded

  def _begin_episode(self) -> np.ndarray:
    self._succeeded = False
    self._observation, _ = self._engine.reset()
    return self._state()

  def _advance(self, action: np.ndarray) -> float:
    self._observation, reward, _, _, info = self._engine.step(action)
    self._succeeded |= bool(info['success'])
    return float(reward)

  def _state(self) -> np.ndarray:
    return self._observation

  def _physics_state(self) -> np.ndarray:
    """Returns MuJoCo's state after what Meta-World itself remembers.

    This is whether the task was solved; for bin-picking the distance at the
    first step, NaN where there is none; and the observation before.
    """
    distance = getattr(self._engine, '_target_to_obj_init', None)
    remembered = [self._succeeded, np.nan if distance is None else distance]
    return np.concatenate(
      [remembered, self._engine._prev_obs, super()._physics_state()]
    )

  def _set_physics_state(self, state: np.ndarray):
    (succeeded, distance), state = np.split(state, [2])
    self._succeeded = bool(succeeded)
    if hasattr(self._engine, '_target_to_obj_init'):
      self._engine._target_to_obj_init = (
        None if np.isnan(distance) else float(distance)
      )
    before, state = np.split(state, [len(self._engine._prev_obs)])
    self._engine._prev_obs = before
    super()._set_physics_state(state)

  @property
  def _step_count(self) -> int:
    return self._engine.curr_path_length

  @_step_count.setter
  def _step_count(self, count: int):
    self._engine.curr_path_length = count


@gin.configurable
class MetaWorldEnvironment(_Simulated):
  """One of Meta-World's 50 tasks, with its own reward and success.

  The state is its observation of 39 numbers, among them the goal, which images
  show. As Meta-World counts it, a task is solved if it was at any step.
  """

  def __init__(self, task: str = gin.REQUIRED):
    """Loads the task.

    Args:
      task: Its name and version, such as 'button-press-v3'.

    Raises:
      UserError: There is no such task or it has no such long episodes; or (69)
        metaworld is missing, or is another version.
    """
    super().__init__(task, task, _WHOLE_TABLE, 39)


@dataclasses.dataclass(frozen=True)
class Task:
  """One of the paper's tasks; lengths are in metres, angles in radians.

  Attributes:
    engine: Meta-World's name of the task that has the same things in it.
    joint: The name of the joint that is to be moved.
    view: What the camera sees.
    thing: Returns where the handle, or the block, is [3], given the data.
    reward: Given the places of hand and thing [3], and the joint's position.
    is_success: Given the place of the thing [3], and the joint's position.
  """

  engine: str
  joint: str
  view: manipulation.View
  thing: Callable[[Any], np.ndarray]
  reward: Callable[[np.ndarray, np.ndarray, np.ndarray], float]
  is_success: Callable[[np.ndarray, np.ndarray], bool]


def door_reward(hand: np.ndarray, handle: np.ndarray, angle: np.ndarray):
  """Returns the reward of version 1, Eq. (12)."""
  del hand, handle
  return -abs(angle[0] - _OPEN)


def drawer_reward(hand: np.ndarray, handle: np.ndarray, position: np.ndarray):
  """Returns the reward of version 1, Eq. (13); the drawer is shut at 0."""
  return -np.sum((hand - handle) ** 2) - abs(position[0])


def pickup_reward(hand: np.ndarray, block: np.ndarray, pose: np.ndarray):
  """Returns the reward of version 1, Eq. (14)."""
  del pose
  near = 0.25 * (1 - np.tanh(10 * np.sum((hand - block) ** 2)))
  return max(near, float(block[2] > _LIFTED))


TASKS = {
  'door': Task(
    engine='door-open-v3',
    joint='doorjoint',
    view=manipulation.View((1.0, -0.1, 0.75), (0, 0.65, 0.1), 36),
    thing=lambda data: data.geom('handle').xpos,
    reward=door_reward,
    is_success=lambda handle, angle: abs(angle[0] - _OPEN) < 0.1,
  ),
  'drawer': Task(
    engine='drawer-close-v3',
    joint='goal_slidey',
    view=manipulation.View((1.0, 0.15, 0.6), (0, 0.7, 0.1), 35),
    thing=lambda data: data.body('drawer_link').xpos + _TO_HANDLE,
    reward=drawer_reward,
    is_success=lambda handle, position: abs(position[0]) < 0.02,
  ),
  'pickup': Task(
    engine='pick-place-v3',
    joint='objjoint',
    view=manipulation.View((0.6, 0.25, 0.5), (0, 0.66, 0.1), 40),
    thing=lambda data: data.body('obj').xpos,
    reward=pickup_reward,
    is_success=lambda block, pose: block[2] > _LIFTED,
  ),
}


@gin.configurable
class SawyerEnvironment(_Simulated):
  """A Sawyer that opens a door, shuts a drawer or picks up a block.

  The state is the place of the hand, where it is to be, the fingers' joints,
  the place of handle or block, and the joint's position and velocity. A task is
  solved if it is at the episode's end.
  """

  def __init__(
    self,
    task: str = gin.REQUIRED,
    hand_start: Sequence[float] = gin.REQUIRED,
  ):
    """Loads the task.

    Args:
      task: 'door', 'drawer' or 'pickup'.
      hand_start: Where the hand is at an episode's start, in metres.

    Raises:
      UserError: As `MetaWorldEnvironment`.
    """
    if task not in TASKS:
      raise errors.UserError(
        f'There is no task {errors.short(task)!r} of the Sawyer'
        f'{errors.did_you_mean_or_all(task, TASKS)}.'
      )
    self._task = TASKS[task]
    size = 24 if task == 'pickup' else 13
    super().__init__(f'sawyer-{task}', self._task.engine, self._task.view, size)
    self._engine.hand_init_pos = np.array(hand_start, float)
    self._model.site('goal').rgba[3] = 0  # Of Meta-World's task.
    if task == 'pickup':  # Its own dark red hardly shows.
      self._model.geom('objGeom').matid = -1
      self._model.geom('objGeom').rgba = (0.1, 0.2, 1, 1)

  def is_success(self) -> bool:
    """Returns whether the task is solved now."""
    thing, joint = self._task.thing(self._data), self._joint()
    return bool(self._task.is_success(thing, joint.qpos))

  def _advance(self, action: np.ndarray) -> float:
    super()._advance(action)
    thing, joint = self._task.thing(self._data), self._joint()
    return float(self._task.reward(self._engine.tcp_center, thing, joint.qpos))

  def _state(self) -> np.ndarray:
    data, joint = self._data, self._joint()
    return np.concatenate(
      [
        self._engine.tcp_center,
        data.mocap_pos[0],
        data.joint('r_close').qpos,
        data.joint('l_close').qpos,
        self._task.thing(data),
        joint.qpos,
        joint.qvel,
      ]
    )

  def _joint(self):
    return self._data.joint(self._task.joint)


def _load(task: str):
  """Chooses a GL library, then loads Meta-World's environment."""
  _check_version()
  rendering.choose_backend(is_needed=False)
  from metaworld import env_dict  # An extra: nobody else has to install it.

  tasks = env_dict.ALL_V3_ENVIRONMENTS
  if task not in tasks:
    raise errors.UserError(
      f'Meta-World has no task {errors.short(task)!r}'
      f'{errors.did_you_mean_or_all(task, tasks)}.'
    )
  engine = tasks[task]()
  # What its benchmarks do to an environment before its first episode, without
  # their fixed set of goals: each episode draws its own.
  engine._set_task_called = True
  engine._freeze_rand_vec = False
  engine.seeded_rand_vec = True
  engine._partially_observable = False  # The goal is observed.
  del engine.sawyer_observation_space  # It was computed without one.
  return engine


def _check_version():
  try:
    found = metadata.version('metaworld')
  except metadata.PackageNotFoundError:
    found = None
  if found != VERSION:
    fault = f'metaworld is {found}' if found else 'metaworld is not installed'
    raise errors.UserError(
      f'{fault}, and the Sawyer needs its version {VERSION}: {INSTALL}.',
      os.EX_UNAVAILABLE,
    )
