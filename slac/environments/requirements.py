"""Checks that SLAC can learn in an environment, and rescales its actions."""

from collections.abc import Iterable, Mapping
from typing import Any

import dm_env
import gymnasium
import numpy as np
from tf_agents.environments import py_environment, wrappers
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.config import settings
from slac.environments import (
  dm_environment,
  gymnasium_environment,
  offering,
  resumable,
)

_CHANNELS = (1, 3, 6)  # Grey, in colours, and two images in colours.
Environment = py_environment.PyEnvironment | gymnasium.Env | dm_env.Environment
# Larger bounds, as MuJoCo's 1e10 and float32's largest value, mean 'no bound'.
_LARGEST_BOUND = 1e9


def prepare(
  environment: Environment,
  action_repeat: int,
) -> py_environment.PyEnvironment:
  """Checks an environment's specs and has it take actions in [-1, 1].

  Args:
    environment: An environment that is not batched. Its observation must be a
      dict with 'pixels', uint8 [H, W, C], or 'state', float32 [n], or both,
      and its action a vector of floats [d] between finite bounds. H and W are
      multiples of 16 from 32 to 128, and C is 1, 3 or 6.
    action_repeat: Of an environment of gymnasium's or dm_env's API, how many of
      its steps are one. One of TF-Agents' repeats actions itself; one of this
      package has to do it as often.

  Returns:
    The environment, its actions rescaled unless they are float32 in [-1, 1]
    already; one of TF-Agents' API resumes with its time step.

  Raises:
    UserError: If the environment is of another kind.
  """
  if isinstance(environment, gymnasium.Env):
    environment = gymnasium_environment.GymnasiumEnvironment(
      environment, action_repeat
    )
  elif isinstance(environment, dm_env.Environment):
    environment = dm_environment.DmEnvironment(environment, action_repeat)
  if not isinstance(environment, py_environment.PyEnvironment):
    raise errors.UserError(
      f'The environment is a {type(environment).__name__}: make it a '
      'gymnasium.Env, a dm_env.Environment, or a '
      'tf_agents.environments.PyEnvironment.'
    )
  if environment.batched:
    raise errors.UserError(
      f'The environment is a batch of {environment.batch_size}: give a single '
      'one.'
    )
  _check_action_repeat(environment, action_repeat)
  _check_observation_spec(environment.observation_spec())
  spec = environment.action_spec()
  _check_action_spec(spec)
  if not isinstance(environment, offering.OfferingEnvironment):
    environment = resumable.ResumableEnvironment(environment)
  return environment if is_unit(spec) else RescaledActions(environment)


def name_of(environment: py_environment.PyEnvironment) -> str:
  """Returns a task's name, or its class's, as it need not have one."""
  innermost = resumable.layers(environment)[-1]
  return getattr(innermost, 'name', type(innermost).__name__)


def observe(environment: py_environment.PyEnvironment, names: Iterable[str]):
  """Has an environment offer these observations only, if it can choose.

  So nothing is rendered for an agent that does not look at it.

  Raises:
    UserError: (69) if they cannot be had, such as pixels without a GL library.
  """
  innermost = resumable.layers(environment)[-1]
  if isinstance(innermost, offering.OfferingEnvironment):
    innermost.observe(names)


def is_unit(spec: array_spec.BoundedArraySpec) -> bool:
  """Whether actions are float32 in [-1, 1], as agents choose them."""
  in_bounds = np.all(spec.minimum == -1) and np.all(spec.maximum == 1)
  return bool(in_bounds and spec.dtype == np.float32)


def own_action_spec(
  environment: py_environment.PyEnvironment,
) -> array_spec.BoundedArraySpec:
  """Returns the spec of the actions that an environment took by itself.

  Args:
    environment: What `prepare` has returned.
  """
  if isinstance(environment, RescaledActions):
    return environment.wrapped_env().action_spec()
  return environment.action_spec()


def _check_action_repeat(environment: Any, action_repeat: int):
  if not isinstance(environment, offering.OfferingEnvironment):
    return  # What it repeats, nothing tells.
  own = environment.action_repeat
  if own != action_repeat:
    raise errors.UserError(
      f'The environment repeats an action {own} times, but '
      f'Schedule.action_repeat = {action_repeat}: set both by ACTION_REPEAT.'
    )


def _check_observation_spec(spec: Any):
  if not isinstance(spec, Mapping) or not {'pixels', 'state'} & spec.keys():
    raise errors.UserError(
      f"The environment's observation spec is {spec}: make it a dict with the "
      "key 'pixels', or 'state', or both."
    )
  pixels = spec.get('pixels')
  if pixels is not None and not _is_image(pixels):
    raise errors.UserError(
      f"The environment's pixels are {np.dtype(pixels.dtype).name} "
      f'{list(pixels.shape)}: make them uint8 [height, width, channels], '
      'height and width multiples of 16 from 32 to 128, and 1, 3 or 6 channels.'
    )
  state = spec.get('state')
  if state is not None and not (
    _is_vector(state) and state.dtype == np.float32
  ):
    raise errors.UserError(
      f"The environment's state is {np.dtype(state.dtype).name} "
      f'{list(state.shape)}: make it one vector of float32.'
    )


def _is_image(spec: array_spec.ArraySpec) -> bool:
  """Whether pixels are such as the models' networks take."""
  if spec.dtype != np.uint8 or len(spec.shape) != 3:
    return False
  *sides, channels = spec.shape
  faults = [settings.requirement(int(x), settings.ImageSide) for x in sides]
  return not any(faults) and channels in _CHANNELS


def _is_vector(spec: array_spec.ArraySpec) -> bool:
  """Whether it is of floats, of which there is at least one."""
  is_float = np.issubdtype(spec.dtype, np.floating)
  return bool(is_float and len(spec.shape) == 1 and spec.shape[0])


def _check_action_spec(spec: Any):
  if not isinstance(spec, array_spec.ArraySpec) or not _is_vector(spec):
    raise errors.UserError(
      f"The environment's action spec is {spec}: make it one vector of floats, "
      'of which there is at least one.'
    )
  # TF-Agents gives a spec without bounds its type's own limits as bounds.
  bounded = isinstance(spec, array_spec.BoundedArraySpec) and np.all(
    np.abs(np.broadcast_arrays(spec.minimum, spec.maximum)) <= _LARGEST_BOUND
  )
  if not bounded or np.any(spec.minimum >= spec.maximum):
    raise errors.UserError(
      f"The environment's action spec is {spec}: give each action a finite "
      'minimum below its maximum.'
    )


class RescaledActions(wrappers.PyEnvironmentBaseWrapper):
  """Maps actions in [-1, 1] linearly to the bounds of an environment."""

  def __init__(self, environment: py_environment.PyEnvironment):
    super().__init__(environment)
    self._inner_spec = environment.action_spec()

  def action_spec(self) -> array_spec.BoundedArraySpec:
    """Returns the spec of the rescaled actions, float32 [d] in [-1, 1]."""
    return array_spec.BoundedArraySpec(
      self._inner_spec.shape, np.float32, -1.0, 1.0, self._inner_spec.name
    )

  def set_state(self, state: Any):
    """Restores the wrapped environment, and its time step in the wrapper."""
    self._env.set_state(state)
    # A wrapper without a time step would reset at its next step.
    self._current_time_step = self._env._current_time_step

  def _step(self, action: np.ndarray) -> ts.TimeStep:
    low, high = self._inner_spec.minimum, self._inner_spec.maximum
    action = low + (np.asarray(action) + 1) / 2 * (high - low)
    action = np.clip(action, low, high)  # Rounding may lead past a bound.
    return self._env.step(action.astype(self._inner_spec.dtype))
