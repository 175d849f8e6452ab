"""The base class of environments that MuJoCo simulates."""

import abc
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac.config import settings
from slac.environments import offering, rendering

if TYPE_CHECKING:
  import mujoco

# With larger ones a GL library aborts the process.
ShadowMapSize = Annotated[int, settings.Range(1, 16384)]
Multisamples = Annotated[int, settings.Range(0, 64)]


class MujocoEnvironment(offering.OfferingEnvironment):
  """A task that MuJoCo simulates, seen through a camera.

  An observation is `{'pixels': uint8 [H, W, 3], 'state': float32 [n]}`, where
  the state is the benchmark's own observation, flattened; `observe` leaves one
  of the two out, and nothing is rendered for a state. One step of the agent
  is `action_repeat` steps of the benchmark (fewer if the episode ends inside),
  with their rewards summed and one image rendered after the last of them. The
  step that reaches a time limit is LAST with discount 1; discount 0 means that
  the task itself ended. A renderer is created when it is first needed.

  A subclass resets and steps the benchmark, and knows its random state, its
  count of steps, and how its simulation is restored.

  Attributes:
    name: The task's name, such as 'walker walk' or 'Walker2d-v4'.
    action_repeat: Steps of the benchmark per step of the agent.
    render_seconds: The time spent rendering since construction, in seconds.
  """

  def __init__(
    self,
    name: str,
    action_repeat: int,
    model: 'mujoco.MjModel',
    data: 'mujoco.MjData',
    action_spec: array_spec.BoundedArraySpec,
    state_size: int,
    render_arguments: tuple[int, int, int],
    image_size: Sequence[int] = rendering.IMAGE_SIZE,
  ):
    """Keeps what it is given; draws nothing.

    Args:
      name, action_repeat: The attributes.
      model: The benchmark's own model of the simulation.
      data: The benchmark's own state of the simulation.
      action_spec: The spec of the actuators' controls, float32 [d].
      state_size: The state's length n.
      render_arguments: What `rendering.Renderer` takes beside the model and
        the image's size.
      image_size: Height and width of the images.
    """
    import mujoco  # Not before MUJOCO_GL is set: see rendering.py.

    offered = {
      'pixels': array_spec.ArraySpec((*image_size, 3), np.uint8, 'pixels'),
      'state': array_spec.ArraySpec((state_size,), np.float32, 'state'),
    }
    super().__init__(name, action_spec, offered)
    self.action_repeat = action_repeat
    self.render_seconds = 0.0
    self._mujoco = mujoco
    self._model = model
    self._data = data
    self._image_size = tuple(image_size)
    self._render_arguments = render_arguments
    self._renderers = {}  # By the size of their images.
    self._random_at_episode_start = None

  def _check_pixels(self):
    rendering.choose_backend()

  def render(self, mode: str = 'rgb_array') -> np.ndarray:
    """Returns what the camera sees now, uint8 [H, W, 3].

    Raises:
      UserError: (69) if no GL library works.
    """
    del mode  # There is no window to draw into.
    start = time.perf_counter()
    pixels = self.draw_for_film(self._image_size)
    self.render_seconds += time.perf_counter() - start
    return pixels

  def draw_for_film(self, size: tuple[int, int]) -> np.ndarray:
    """Returns what the camera sees now, for a film, uint8 [*size, 3].

    Raises:
      UserError: (69) if no GL library works.
    """
    rendering.choose_backend()
    if size not in self._renderers:
      self._renderers[size] = rendering.Renderer(
        self._model, *self._render_arguments, size
      )
    return self._renderers[size].render(self._data)

  @abc.abstractmethod
  def seed(self, seed: int):
    """Makes all episodes after the current one a function of the seed."""

  def close(self):
    """Frees the renderers; what is drawn next creates others."""
    for renderer in self._renderers.values():
      renderer.close()
    self._renderers.clear()

  def get_state(self) -> dict[str, Any]:
    """Returns all that later steps depend on, as arrays and JSON values.

    This is the simulation's state, the random state now and at the episode's
    start (a reset may change the model, so it is replayed), the number of
    steps, and the current time step with its pixels.
    """
    time_step = self._current_time_step
    state = {'random': self._random_state(), 'episode': None}
    if time_step is not None:
      state['episode'] = {
        'random_at_start': self._random_at_episode_start,
        'physics': self._physics_state(),
        'step_count': self._step_count,
        'step_type': int(time_step.step_type),
        'reward': float(time_step.reward),
        'discount': float(time_step.discount),
        'observation': dict(time_step.observation),
      }
    return state

  def set_state(self, state: dict[str, Any]):
    """Puts back what `get_state` returned in an environment of this task."""
    episode = state['episode']
    self._current_time_step = None
    if episode is not None:
      self._set_random_state(episode['random_at_start'])
      self._reset_episode()
      self._set_physics_state(episode['physics'])
      self._step_count = episode['step_count']
      self._current_time_step = ts.TimeStep(
        np.asarray(episode['step_type'], np.int32),
        np.asarray(episode['reward'], np.float32),
        np.asarray(episode['discount'], np.float32),
        {name: episode['observation'][name] for name in self._observation_spec},
      )
    self._set_random_state(state['random'])

  def _reset(self) -> ts.TimeStep:
    return ts.restart(self._observe(self._reset_episode()))

  def _reset_episode(self) -> np.ndarray:
    """Starts an episode, noting the random state; returns the state [n]."""
    self._random_at_episode_start = self._random_state()
    return self._begin_episode()

  @abc.abstractmethod
  def _begin_episode(self) -> np.ndarray:
    """Resets the benchmark's environment; returns the state [n]."""

  @abc.abstractmethod
  def _random_state(self) -> dict[str, Any]:
    """Returns what the benchmark's random draws depend on."""

  @abc.abstractmethod
  def _set_random_state(self, state: dict[str, Any]):
    """Puts back what `_random_state` returned."""

  def _physics_state(self) -> np.ndarray | None:
    """Returns what restores the simulation after the episode's reset."""
    return self._integration_state()

  @abc.abstractmethod
  def _set_physics_state(self, state: np.ndarray | None):
    """Puts back what `_physics_state` returned, after the episode's reset."""

  @property
  @abc.abstractmethod
  def _step_count(self) -> int:
    """The number of the benchmark's steps in this episode; can be set."""

  def _observe(self, state: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the observation, given the state [n]."""
    observation = {}
    if 'pixels' in self._observation_spec:
      observation['pixels'] = self.render()
    if 'state' in self._observation_spec:
      observation['state'] = state.astype(np.float32)
    return observation

  def _check_physics(self):
    """Raises a FloatingPointError if MuJoCo has given up on the simulation.

    MuJoCo then silently goes on from the model's initial state, of which
    dm_control alone tells.
    """
    kinds = self._mujoco.mjtWarning
    for kind in (
      *(kinds.mjWARN_BADQPOS, kinds.mjWARN_BADQVEL),
      *(kinds.mjWARN_BADQACC, kinds.mjWARN_BADCTRL),
    ):
      if self._data.warning[kind].number:
        raise FloatingPointError(f'the simulation is unstable: {kind.name}')

  def _integration_state(self) -> np.ndarray:
    """Returns all that MuJoCo's next step depends on."""
    kind = self._mujoco.mjtState.mjSTATE_INTEGRATION
    state = np.empty(self._mujoco.mj_stateSize(self._model, kind))
    self._mujoco.mj_getState(self._model, self._data, state, kind)
    return state

  def _set_integration_state(self, state: np.ndarray):
    """Puts it back, without computing what MuJoCo derives from it."""
    kind = self._mujoco.mjtState.mjSTATE_INTEGRATION
    self._mujoco.mj_setState(self._model, self._data, state, kind)
