"""Environments of dm_env's API as TF-Agents environments."""

from collections.abc import Mapping, Sequence

import dm_env
from dm_env import specs
from tf_agents.specs import array_spec

from slac import errors
from slac.environments import adapted, rendering


class DmEnvironment(adapted.AdaptedEnvironment):
  """An environment of dm_env's API."""

  def __init__(
    self,
    environment: dm_env.Environment,
    action_repeat: int,
    image_size: Sequence[int] = rendering.IMAGE_SIZE,
  ):
    """Wraps it.

    Args:
      environment: Its actions must be a BoundedArray.
      action_repeat, image_size: See `AdaptedEnvironment`.

    Raises:
      UserError: Its actions are of another kind.
    """
    name = type(environment).__name__
    actions = environment.action_spec()
    if not isinstance(actions, specs.BoundedArray):
      raise errors.UserError(
        f'The actions of {name} are {actions}: make them a BoundedArray of '
        'floats.'
      )
    self._environment = environment
    if hasattr(environment, 'is_success'):
      self.is_success = environment.is_success
    observations = environment.observation_spec()
    if not isinstance(observations, Mapping):
      observations = {'': observations}
    super().__init__(
      name,
      action_repeat,
      observations,
      array_spec.BoundedArraySpec(
        actions.shape, actions.dtype, actions.minimum, actions.maximum, 'action'
      ),
      hasattr(environment, 'render'),
      image_size,
    )

  def _begin(self):
    return self._environment.reset().observation

  def _advance(self, action):
    step = self._environment.step(action)
    return step.observation, step.reward or 0.0, step.discount, step.last()

  def _draw(self):
    return self._environment.render()

  def _named(self, observation):
    if not isinstance(observation, Mapping):
      return {'': observation}
    return dict(observation)
