"""What the manipulation tasks have in common: a camera, a limit, success."""

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import gin
import numpy as np
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac.config import settings
from slac.environments import mujoco_environment, rendering

if TYPE_CHECKING:
  import mujoco


class View(NamedTuple):
  """Where a camera is, in metres, what it looks at, and how wide."""

  position: Sequence[float]
  target: Sequence[float]
  fovy: float  # The vertical field of view in degrees.


@gin.configurable
class ManipulationEnvironment(mujoco_environment.MujocoEnvironment):
  """A task of a robot's hand, of which each episode has the same length.

  There is no termination: the last step has discount 1. A subclass moves the
  robot by one step of the benchmark, measures what it is rewarded for, and says
  whether the task is solved.
  """

  def __init__(
    self,
    name: str,
    model: 'mujoco.MjModel',
    data: 'mujoco.MjData',
    camera: int,
    view: View,
    num_actions: int,
    state_size: int,
    action_repeat: settings.Count = gin.REQUIRED,
    episode_steps: settings.Count = gin.REQUIRED,
    shadow_map_size: mujoco_environment.ShadowMapSize = gin.REQUIRED,
    multisamples: mujoco_environment.Multisamples = gin.REQUIRED,
    image_size: settings.ImageSize = rendering.IMAGE_SIZE,
  ):
    """Places the camera.

    Args:
      name, action_repeat, model, data, state_size: See `MujocoEnvironment`.
      camera: The index of the model's camera that is to have the view.
      view: What it is to see.
      num_actions: The length of an action, whose numbers are in [-1, 1].
      episode_steps: The benchmark's steps in an episode.
      shadow_map_size, multisamples, image_size: See `rendering.Renderer`.
    """
    super().__init__(
      name,
      action_repeat,
      model,
      data,
      array_spec.BoundedArraySpec(
        [num_actions], np.float32, -1.0, 1.0, 'action'
      ),
      state_size,
      (camera, shadow_map_size, multisamples),
      image_size,
    )
    self._episode_steps = episode_steps
    self._random = np.random.default_rng()
    self._place(camera, view)

  @abc.abstractmethod
  def is_success(self) -> bool:
    """Returns whether the task is solved, asked at an episode's end."""

  def seed(self, seed: int):
    """Makes all episodes after the current one a function of the seed."""
    self._set_random_state(np.random.default_rng(seed).bit_generator.state)

  @abc.abstractmethod
  def _advance(self, action: np.ndarray) -> float:
    """Takes one step of the benchmark; returns its reward."""

  @abc.abstractmethod
  def _state(self) -> np.ndarray:
    """Returns the state [n]."""

  def _step(self, action: np.ndarray) -> ts.TimeStep:
    reward = 0.0
    for _ in range(self.action_repeat):
      reward += self._advance(action)
      self._check_physics()
      if self._step_count >= self._episode_steps:
        return ts.truncation(self._observe(self._state()), reward)
    return ts.transition(self._observe(self._state()), reward)

  def _random_state(self) -> dict[str, Any]:
    return self._random.bit_generator.state

  def _set_random_state(self, state: dict[str, Any]):
    self._random.bit_generator.state = state

  def _set_physics_state(self, state: np.ndarray):
    self._set_integration_state(state)
    # What images show, and rewards are of, follows from the state.
    self._mujoco.mj_forward(self._model, self._data)

  def _place(self, camera: int, view: View):
    """Has a camera of the world see the view, upright."""
    away = np.subtract(view.position, view.target)
    away /= np.linalg.norm(away)
    right = np.cross([0, 0, 1], away)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(away, right), away], axis=1)
    self._mujoco.mju_mat2Quat(self._model.cam_quat[camera], axes.ravel())
    self._model.cam_pos[camera] = view.position
    self._model.cam_fovy[camera] = view.fovy
