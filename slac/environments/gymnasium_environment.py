"""Environments of gymnasium's API as TF-Agents environments."""

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from tf_agents.specs import array_spec

from slac import errors
from slac.environments import adapted, rendering


class GymnasiumEnvironment(adapted.AdaptedEnvironment):
  """An environment of gymnasium's API; `terminated` means a discount of 0."""

  def __init__(
    self,
    environment: gymnasium.Env,
    action_repeat: int,
    image_size: Sequence[int] = rendering.IMAGE_SIZE,
  ):
    """Wraps it.

    Args:
      environment: Its actions must be a Box.
      action_repeat, image_size: See `AdaptedEnvironment`.

    Raises:
      UserError: Its actions are of another kind, or observations vary in size.
    """
    spec = environment.spec
    name = spec.id if spec else type(environment.unwrapped).__name__
    actions = environment.action_space
    if not isinstance(actions, gymnasium.spaces.Box):
      raise errors.UserError(
        f'The actions of {name} are {actions}: choose an environment with '
        'continuous ones, a Box.'
      )
    observations = _leaves(environment.observation_space)
    for space in observations.values():
      if not isinstance(space, gymnasium.spaces.Box):
        raise errors.UserError(
          f'{name} observes a {type(space).__name__}, whose size varies: leave '
          'it out, or make it a Box.'
        )
    self._environment = environment
    self._seed = None
    if environment.has_wrapper_attr('is_success'):
      self.is_success = environment.get_wrapper_attr('is_success')
    super().__init__(
      name,
      action_repeat,
      observations,
      array_spec.BoundedArraySpec(
        actions.shape, actions.dtype, actions.low, actions.high, 'action'
      ),
      environment.render_mode == 'rgb_array',
      image_size,
    )

  def seed(self, seed: int):
    """Makes all episodes after the current one a function of the seed."""
    self._seed = seed

  def _begin(self):
    # After a failure the same seed would only be the same episode again.
    seed, self._seed = self._seed, None
    observation, _ = self._environment.reset(seed=seed)
    return observation

  def _advance(self, action):
    observation, reward, terminated, truncated, _ = self._environment.step(
      action
    )
    return observation, reward, float(not terminated), terminated or truncated

  def _draw(self):
    return self._environment.render()

  def _named(self, observation):
    space = self._environment.observation_space
    return dict(_flattened('', space, observation))


def _leaves(space: gymnasium.Space, name: str = '') -> dict[str, Any]:
  """Returns a space's parts by their names; what is no Box, as its flat one."""
  if isinstance(space, gymnasium.spaces.Dict):
    return {
      leaf: box
      for key, inner in space.items()
      for leaf, box in _leaves(inner, f'{name}/{key}'.lstrip('/')).items()
    }
  if isinstance(space, gymnasium.spaces.Box):
    return {name: space}
  return {name: gymnasium.spaces.flatten_space(space)}


def _flattened(name, space, value) -> Iterable[tuple[str, np.ndarray]]:
  """Yields the values of `_leaves` with their names."""
  if isinstance(space, gymnasium.spaces.Dict):
    for key, inner in space.items():
      yield from _flattened(f'{name}/{key}'.lstrip('/'), inner, value[key])
  elif isinstance(space, gymnasium.spaces.Box):
    yield name, value
  else:
    yield name, gymnasium.spaces.flatten(space, value)
