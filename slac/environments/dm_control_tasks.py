"""Tasks of the DeepMind Control Suite as TF-Agents environments."""

from typing import Any

import gin
import numpy as np
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.config import settings
from slac.environments import mujoco_environment, rendering


@gin.configurable
class DmControlEnvironment(mujoco_environment.MujocoEnvironment):
  """A task of the DeepMind Control Suite, seen through a camera."""

  def __init__(
    self,
    domain: str = gin.REQUIRED,
    task: str = gin.REQUIRED,
    action_repeat: settings.Count = gin.REQUIRED,
    camera: settings.WholeNumber = gin.REQUIRED,
    shadow_map_size: mujoco_environment.ShadowMapSize = gin.REQUIRED,
    multisamples: mujoco_environment.Multisamples = gin.REQUIRED,
    image_size: settings.ImageSize = rendering.IMAGE_SIZE,
  ):
    """Loads the task.

    Args:
      domain: The suite's domain, such as 'walker'.
      task: A task of that domain, such as 'walk'.
      camera: The index of the model's camera that renders the pixels.
      action_repeat: See `MujocoEnvironment`.
      shadow_map_size, multisamples, image_size: See `rendering.Renderer`.

    Raises:
      UserError: There is no such domain, task or camera.
    """
    self._environment = _load(domain, task)
    name = f'{domain} {task}'
    physics = self._environment.physics
    actions = self._environment.action_spec()
    states = self._environment.observation_spec().values()
    if camera >= physics.model.ncam:
      raise errors.UserError(
        f'{name} has no camera {camera}: it has {physics.model.ncam}, counted '
        'from 0.'
      )
    super().__init__(
      name,
      action_repeat,
      physics.model.ptr,
      physics.data.ptr,
      array_spec.BoundedArraySpec(
        actions.shape, np.float32, actions.minimum, actions.maximum, 'action'
      ),
      sum(int(np.prod(spec.shape)) for spec in states),
      (camera, shadow_map_size, multisamples),
      image_size,
    )

  def seed(self, seed: int):
    """Makes all episodes after the current one a function of the seed."""
    self._environment.task.random.seed(seed)

  def _begin_episode(self) -> np.ndarray:
    if self._model.nhfield:
      self.close()  # A new terrain shows only in a new GL context.
    return _state(self._environment.reset())

  def _step(self, action: np.ndarray) -> ts.TimeStep:
    reward = 0.0
    for _ in range(self.action_repeat):
      step = self._environment.step(action)
      reward += step.reward
      if step.last():
        break
    return ts.TimeStep(
      np.asarray(step.step_type, np.int32),
      np.asarray(reward, np.float32),
      # Before an episode's last step, dm_control's discount is always 1.
      np.asarray(step.discount, np.float32),
      self._observe(_state(step)),
    )

  def _random_state(self) -> dict[str, Any]:
    return self._environment.task.random.get_state(legacy=False)

  def _set_random_state(self, state: dict[str, Any]):
    self._environment.task.random.set_state(state)

  def _set_physics_state(self, state: np.ndarray):
    self._set_integration_state(state)
    # dm_control does this after each of its steps.
    self._mujoco.mj_step1(self._model, self._data)

  @property
  def _step_count(self) -> int:
    return self._environment._step_count

  @_step_count.setter
  def _step_count(self, count: int):
    self._environment._step_count = count


def _load(domain: str, task: str):
  """Chooses a GL library, then loads dm_control's environment."""
  rendering.choose_backend(is_needed=False)
  from dm_control import suite  # Reads MUJOCO_GL, which the line above sets.

  tasks = suite.TASKS_BY_DOMAIN
  if domain not in tasks:
    raise errors.UserError(_unknown('domain', domain, tasks))
  if task not in tasks[domain]:
    raise errors.UserError(_unknown(f'{domain} task', task, tasks[domain]))
  # Loading draws some models at random, before `seed` can be called.
  return suite.load(domain, task, task_kwargs={'random': 0})


def _unknown(kind: str, name: str, names) -> str:
  """Returns the message for a name that is not among `names`."""
  return (
    f'The DeepMind Control Suite has no {kind} {errors.short(name)!r}'
    f'{errors.did_you_mean_or_all(name, names)}.'
  )


def _state(step) -> np.ndarray:
  """Returns the observation of a time step of dm_control, flattened."""
  return np.concatenate([np.ravel(v) for v in step.observation.values()])
