"""Films an episode while it is played, larger than the agent sees it."""

from collections.abc import Sequence

import numpy as np
from tf_agents.environments import py_environment

from slac import errors

SIZE = (256, 256)  # Height and width of a frame, in pixels.
# More in each film would fill the disk over a run. It is even, so that the step
# at which there are too many belongs to those that are left, too.
MAX_FRAMES = 128


class Film:
  """Frames of an episode, evenly spaced, however long it will be.

  Attributes:
    steps: the numbers of the agent steps before the frames; 0 is the reset.
    frames: what the environment draws then, uint8 `[H, W, 3]` each.
  """

  def __init__(
    self, environment: py_environment.PyEnvironment, renders: bool = False
  ):
    """Prepares a film; one of an environment that cannot draw stays empty.

    Args:
      environment: what is filmed.
      renders: whether it is rendered, in its own size, if it cannot draw itself
        for a film.
    """
    self._draw = getattr(environment, 'draw_for_film', None)
    if renders and self._draw is None:
      self._draw = lambda size: environment.render()
    self._interval = 1
    self.steps: list[int] = []
    self.frames: list[np.ndarray] = []

  def add(self, step: int):
    """Draws what is there now, if this step is to be seen.

    Whatever the drawing raises ends the film: no step is to be added any more.
    """
    if self._draw is None or step % self._interval:
      return
    if len(self.frames) == MAX_FRAMES:
      self._interval *= 2
      self.steps, self.frames = self.steps[::2], self.frames[::2]
    self.frames.append(_checked(self._draw(SIZE), self.frames))
    self.steps.append(step)


def _checked(frame, before: Sequence[np.ndarray]) -> np.ndarray:
  """Returns what an environment has drawn, if it is an image as those before.

  Raises:
    NotImplementedError: it is None, as of an environment that draws elsewhere.
    errors.UserError: it is something else.
  """
  if frame is None:
    raise NotImplementedError
  image = np.array(frame)  # It may be drawn over at the next step.
  if image.dtype != np.uint8 or image.shape[2:] != (3,):
    raise errors.UserError(
      f'the environment draws {image.dtype} {list(image.shape)}: have it draw '
      'uint8 [height, width, 3].'
    )
  if before and image.shape != before[0].shape:
    raise errors.UserError(
      f'the environment draws {list(image.shape)} after '
      f'{list(before[0].shape)}: have it draw images of one size.'
    )
  return image
