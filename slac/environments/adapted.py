"""What environments of other APIs have in common once they are adapted."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.environments import checked, offering, rendering

_COLOURS = ((3,), (4,), ())  # RGB, RGB that may be transparent, grey.


class AdaptedEnvironment(offering.OfferingEnvironment):
  """An environment of another API, which a subclass resets, steps and draws.

  Its observation may be one array or a mapping of arrays. The one that is an
  image is 'pixels'; all others, flattened, in the order of their names, are
  'state'. Where no image is observed, `render` makes the pixels. One step is
  `action_repeat` steps of the environment, fewer if the episode ends inside,
  with their rewards summed. It has a method `is_success` if the other has.

  Attributes:
    action_repeat: Steps of the environment per step of the agent.
  """

  _environment: Any  # The other, which the subclass keeps.

  def __init__(
    self,
    name: str,
    action_repeat: int,
    observations: Mapping[str, Any],
    action_spec: array_spec.BoundedArraySpec,
    can_render: bool,
    image_size: Sequence[int] = rendering.IMAGE_SIZE,
  ):
    """Keeps what it is given; takes no step.

    Args:
      name: The task's name.
      action_repeat: The attribute.
      observations: What has the shape and dtype of each observation, by names.
      action_spec: The spec of the actions.
      can_render: Whether `_draw` returns images.
      image_size: Height and width of what `render` returns; an image that is
        observed has its own.

    Raises:
      UserError: There are several images.
    """
    self.action_repeat = action_repeat
    self._can_render = can_render
    self._image_size = tuple(image_size)
    images = [key for key, spec in observations.items() if _is_image(spec)]
    if len(images) > 1:
      raise errors.UserError(
        f'{name} has several images ({", ".join(images)}): leave one, or put '
        'them into one array.'
      )
    self._image = images[0] if images else None
    self._vectors = sorted(observations.keys() - set(images))
    offered = {}
    if images:
      offered['pixels'] = array_spec.ArraySpec(
        observations[self._image].shape, np.uint8, 'pixels'
      )
    elif can_render:
      offered['pixels'] = array_spec.ArraySpec(
        (*self._image_size, 3), np.uint8, 'pixels'
      )
    if self._vectors:
      size = sum(int(np.prod(observations[key].shape)) for key in self._vectors)
      offered['state'] = array_spec.ArraySpec((size,), np.float32, 'state')
    super().__init__(name, action_spec, offered)

  def _check_pixels(self):
    if self._image is None:  # A bare image's name is ''.
      self._begin()
      self.render()

  def render(self, mode: str = 'rgb_array') -> np.ndarray:
    """Returns what `draw_for_film` does, uint8 [H, W, 3]."""
    del mode  # There is no window to draw into.
    return self.draw_for_film(self._image_size)

  def draw_for_film(self, size: tuple[int, int]) -> np.ndarray:
    """Returns an image of what is there now, uint8 [*size, 3].

    Each of its pixels is the mean of those that it covers.

    Raises:
      NotImplementedError: If the environment does not draw itself.
      UserError: (69) if it cannot do so here.
    """
    if not self._can_render:
      raise NotImplementedError
    try:
      return self._drawn(size)
    except errors.UserError:
      raise
    except Exception as error:
      found = rendering.find_backend()  # Or why MuJoCo draws nothing.
      why = f' {found}' if isinstance(found, errors.UserError) else ''
      raise errors.UserError(
        f'{self.name} cannot be rendered ({type(error).__name__}: {error}): '
        "install what it needs, or choose an agent that observes its 'state'."
        f'{why}',
        69,
      ) from error

  def close(self):
    """Closes the environment."""
    self._environment.close()

  def _drawn(self, size: tuple[int, int]) -> np.ndarray:
    """Returns what `draw_for_film` does; raises whatever `_draw` raises."""
    image = np.asarray(self._draw())
    if image.dtype != np.uint8 or image.shape[2:] not in _COLOURS:
      raise checked.Failure(
        f"the environment's render() returns {image.dtype} "
        f'{list(image.shape)}, not uint8 [height, width, 3]'
      )
    drawn = Image.fromarray(image).convert('RGB')
    # Pillow's width comes first.
    return np.asarray(drawn.resize(size[::-1], Image.Resampling.BOX))

  def _reset(self) -> ts.TimeStep:
    return ts.restart(self._observe(self._begin()))

  def _step(self, action: np.ndarray) -> ts.TimeStep:
    total_reward = 0.0
    for _ in range(self.action_repeat):
      own = np.array(action)  # An environment may change its action.
      observation, reward, discount, is_last = self._advance(own)
      if np.ndim(reward):
        raise checked.Failure(
          f"the environment's reward has the shape {list(np.shape(reward))}, "
          'and is no number'
        )
      total_reward += reward
      if is_last:
        break
    observation = self._observe(observation)
    if is_last:
      return ts.TimeStep(
        np.asarray(ts.StepType.LAST, np.int32),
        np.asarray(total_reward, np.float32),
        np.asarray(discount, np.float32),
        observation,
      )
    return ts.transition(observation, total_reward, discount)

  def _observe(self, observation: Any) -> dict[str, np.ndarray]:
    values = self._named(observation)
    found = {}
    if 'pixels' in self._observation_spec:
      # What cannot be drawn now fails this step, and no more.
      image = self._image
      found['pixels'] = (
        self._drawn(self._image_size) if image is None else values[image]
      )
    if 'state' in self._observation_spec:
      vectors = [np.ravel(values[key]) for key in self._vectors]
      found['state'] = np.concatenate(vectors).astype(np.float32)
    return found

  @abc.abstractmethod
  def _begin(self) -> Any:
    """Begins an episode; returns the environment's own observation."""

  @abc.abstractmethod
  def _advance(self, action: np.ndarray) -> tuple[Any, float, float, bool]:
    """Takes a step; returns observation, reward, discount, if it is the end."""

  @abc.abstractmethod
  def _draw(self) -> np.ndarray:
    """Returns an image of any size, uint8 `[height, width, 3]`."""

  @abc.abstractmethod
  def _named(self, observation: Any) -> dict[str, np.ndarray]:
    """Returns the arrays of an observation by their names."""


def _is_image(spec: Any) -> bool:
  return len(spec.shape) == 3 and spec.dtype == np.uint8
