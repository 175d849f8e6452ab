"""Tasks of the DeepMind Control Suite as TF-Agents environments."""

import difflib
import time
from typing import Any

import gin
import numpy as np
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac import errors, settings
from slac.environments import rendering


@gin.configurable
class DmControlEnvironment(py_environment.PyEnvironment):
  """A task of the DeepMind Control Suite, seen through a camera.

  An observation is `{'pixels': uint8 [64, 64, 3], 'state': float32 [n]}`, where
  the state is dm_control's own observation, flattened. One step of the agent is
  `action_repeat` steps of the benchmark (fewer if the episode ends inside),
  with their rewards summed and one image rendered after the last of them. The
  step that reaches a time limit is LAST with discount 1; discount 0 means that
  the task itself ended. The renderer is created at the first reset.
  """

  def __init__(
    self,
    domain: str = gin.REQUIRED,
    task: str = gin.REQUIRED,
    action_repeat: settings.Count = gin.REQUIRED,
    camera: settings.WholeNumber = gin.REQUIRED,
    shadow_map_size: settings.Count = gin.REQUIRED,
    multisamples: settings.WholeNumber = gin.REQUIRED,
  ):
    """Loads the task.

    Args:
      domain: The suite's domain, such as 'walker'.
      task: A task of that domain, such as 'walk'.
      action_repeat: Steps of the benchmark per step of the agent.
      camera: The index of the model's camera that renders the pixels.
      shadow_map_size: The side of the shadow map in texels.
      multisamples: Samples per pixel; 0 turns antialiasing off.

    Raises:
      UserError: There is no such domain, task or camera, or no GL library.
    """
    super().__init__(handle_auto_reset=True)
    self._environment = _load(domain, task)
    self._name = f'{domain} {task}'
    self._action_repeat = action_repeat
    self._model = self._environment.physics.model.ptr
    self._data = self._environment.physics.data.ptr
    if camera >= self._model.ncam:
      raise errors.UserError(
        f'{self._name} has no camera {camera}: it has {self._model.ncam}, '
        'counted from 0.'
      )
    self._render_arguments = (camera, shadow_map_size, multisamples)
    self._renderer = None
    self._render_seconds = 0.0
    self._random_at_episode_start = None
    self._action_spec = _action_spec(self._environment.action_spec())
    self._observation_spec = _observation_spec(
      self._environment.observation_spec()
    )

  @property
  def name(self) -> str:
    """The domain and the task, such as 'walker walk'."""
    return self._name

  @property
  def action_repeat(self) -> int:
    """Steps of the benchmark per step of the agent."""
    return self._action_repeat

  @property
  def render_seconds(self) -> float:
    """The time spent rendering since construction, in seconds."""
    return self._render_seconds

  def action_spec(self) -> array_spec.BoundedArraySpec:
    """The actuators' controls, float32 [d], with their bounds."""
    return self._action_spec

  def observation_spec(self) -> dict[str, array_spec.ArraySpec]:
    """The pixels, uint8 [64, 64, 3], and the state, float32 [n]."""
    return self._observation_spec

  def seed(self, seed: int):
    """Makes all episodes after the current one a function of the seed."""
    self._environment.task.random.seed(seed)

  def close(self):
    """Frees the renderer; the next reset creates another."""
    if self._renderer is not None:
      self._renderer.close()
      self._renderer = None

  def get_state(self) -> dict[str, Any]:
    """Everything that later steps depend on, in arrays and JSON values.

    That is MuJoCo's integration state, the random state now and at the
    episode's start (a reset may change the model, so it is replayed), the
    number of steps, and the current time step with its pixels.
    """
    time_step = self._current_time_step
    state = {'random': self._random_state(), 'episode': None}
    if time_step is not None:
      state['episode'] = {
        'random_at_start': self._random_at_episode_start,
        'physics': self._physics_state(),
        'step_count': self._environment._step_count,
        'step_type': int(time_step.step_type),
        'reward': float(time_step.reward),
        'discount': float(time_step.discount),
        'observation': dict(time_step.observation),
      }
    return state

  def set_state(self, state: dict[str, Any]):
    """Continues exactly where `get_state` was called, on the same task."""
    episode = state['episode']
    self._current_time_step = None
    if episode is not None:
      self._environment.task.random.set_state(episode['random_at_start'])
      self._reset_episode()
      self._set_physics_state(episode['physics'])
      self._environment._step_count = episode['step_count']
      self._current_time_step = ts.TimeStep(
        np.asarray(episode['step_type'], np.int32),
        np.asarray(episode['reward'], np.float32),
        np.asarray(episode['discount'], np.float32),
        dict(episode['observation']),
      )
    self._environment.task.random.set_state(state['random'])

  def _reset(self) -> ts.TimeStep:
    return self._time_step(self._reset_episode(), reward=0.0, discount=1.0)

  def _step(self, action: np.ndarray) -> ts.TimeStep:
    reward = 0.0
    for _ in range(self._action_repeat):
      step = self._environment.step(action)
      reward += step.reward
      if step.last():
        break
    # Before an episode's last step, dm_control's discount is always 1.
    return self._time_step(step, reward, step.discount)

  def _reset_episode(self):
    """Starts an episode of dm_control's and returns its first time step."""
    self._random_at_episode_start = self._random_state()
    if self._model.nhfield:
      self.close()  # A new terrain shows only in a new GL context.
    return self._environment.reset()

  def _time_step(self, step, reward: float, discount: float) -> ts.TimeStep:
    """One of dm_control's time steps with pixels added."""
    state = [np.ravel(value) for value in step.observation.values()]
    return ts.TimeStep(
      np.asarray(step.step_type, np.int32),
      np.asarray(reward, np.float32),
      np.asarray(discount, np.float32),
      {
        'pixels': self._render(),
        'state': np.concatenate(state).astype(np.float32),
      },
    )

  def _render(self) -> np.ndarray:
    start = time.perf_counter()
    if self._renderer is None:
      self._renderer = rendering.Renderer(self._model, *self._render_arguments)
    pixels = self._renderer.render(self._data)
    self._render_seconds += time.perf_counter() - start
    return pixels

  def _random_state(self) -> dict[str, Any]:
    return self._environment.task.random.get_state(legacy=False)

  def _physics_state(self) -> np.ndarray:
    import mujoco  # Reads MUJOCO_GL, which `_load` sets.

    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    state = np.empty(mujoco.mj_stateSize(self._model, kind))
    mujoco.mj_getState(self._model, self._data, state, kind)
    return state

  def _set_physics_state(self, state: np.ndarray):
    import mujoco  # Reads MUJOCO_GL, which `_load` sets.

    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    mujoco.mj_setState(self._model, self._data, state, kind)
    # As dm_control does after each of its steps.
    mujoco.mj_step1(self._model, self._data)


def _load(domain: str, task: str):
  """Loads dm_control's environment, and a GL library before it."""
  rendering.choose_backend()
  from dm_control import suite  # Reads MUJOCO_GL, which the line above sets.

  tasks = suite.TASKS_BY_DOMAIN
  if domain not in tasks:
    raise errors.UserError(_unknown('domain', domain, tasks))
  if task not in tasks[domain]:
    raise errors.UserError(_unknown(f'{domain} task', task, tasks[domain]))
  # Some models are drawn at random when loaded, before `seed` is called.
  return suite.load(domain, task, task_kwargs={'random': 0})


def _unknown(kind: str, name: str, names) -> str:
  """The message for a name that is not among the names."""
  nearest = difflib.get_close_matches(name, names, cutoff=0.5) or sorted(names)
  return (
    f'The DeepMind Control Suite has no {kind} {name!r}: choose '
    f'{", ".join(nearest)}.'
  )


def _action_spec(spec) -> array_spec.BoundedArraySpec:
  return array_spec.BoundedArraySpec(
    spec.shape, np.float32, spec.minimum, spec.maximum, 'action'
  )


def _observation_spec(specs) -> dict[str, array_spec.ArraySpec]:
  size = sum(int(np.prod(spec.shape)) for spec in specs.values())
  image_shape = (rendering.IMAGE_SIZE, rendering.IMAGE_SIZE, 3)
  return {
    'pixels': array_spec.ArraySpec(image_shape, np.uint8, 'pixels'),
    'state': array_spec.ArraySpec((size,), np.float32, 'state'),
  }
