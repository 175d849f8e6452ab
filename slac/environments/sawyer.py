"""The paper's tasks of a Sawyer robot: a door, a drawer, a block to pick up.

They are in its versions 1 and 2 (2019), whose environments were not published.
Here Meta-World simulates the robot, with the rewards of the paper;
docs/environments.md says what is approximated.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import gin
import numpy as np

from slac import errors
from slac.environments import manipulation, metaworld_tasks

_TO_HANDLE = np.array([0, -0.15, 0])  # Metres, from the drawer's middle.
_LIFTED = 0.06  # Metres; at rest the centre of the block is 0.02 m high.
_OPEN = -np.pi / 2  # Radians; a closed door is at 0.


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
class SawyerEnvironment(metaworld_tasks.SawyerSimulation):
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
      UserError: There is no such task or place, or as `SawyerSimulation`.
    """
    if task not in TASKS:
      raise errors.UserError(
        f'There is no task {errors.short(task)!r} of the Sawyer'
        f'{errors.did_you_mean_or_all(task, TASKS)}.'
      )
    if len(hand_start) != 3:
      raise errors.UserError(
        f'SawyerEnvironment.hand_start is {hand_start}: give three numbers, in '
        'metres.'
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
