"""Meta-World's 50 tasks of a Sawyer robot, and what others are made of."""

import os
from importlib import metadata

import gin
import numpy as np

from slac import errors
from slac.environments import manipulation, meshes, rendering

VERSION = '3.0.0'  # Of metaworld; requirements-manipulation.in says the same.
# What else it needs is in the lock.
INSTALL = f'pip install --no-deps metaworld=={VERSION}'
_LONGEST_EPISODE = 500  # Meta-World raises an exception at the next step.
_DETAIL = 0.005  # Metres; what is smaller is not drawn.
_WHOLE_TABLE = manipulation.View((0.75, -0.15, 0.75), (0, 0.65, 0.1), 45)


class SawyerSimulation(manipulation.ManipulationEnvironment):
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
class MetaWorldEnvironment(SawyerSimulation):
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
