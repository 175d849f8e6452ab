"""Says before anything is built what a run needs: memory, and data."""

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import gin

from slac import errors
from slac.agents import returns
from slac.config import settings
from slac.models import networks
from slac.training import (
  collection,
  devices,
  experiment,
  memory,
  replay,
  schedule,
)

# Of environments that bring their own.
_SMALLEST_IMAGE = (32, 32, 1)
# What an encoder's maps of an image hold, for each pixel and each filter of its
# first layer: every layer has a quarter of the pixels and twice the filters.
_MAPS = 1 / 4 + 2 / 16 + 4 / 64 + 8 / 256
# A parameter with its gradient and its two moments.
_PARAMETER = 4 * 4


def check():
  """Refuses settings that cannot work together.

  Of a user's own agents and models only what their bases are given is known.

  Raises:
    errors.UserError: no task is chosen, networks and batches need more memory
      than there is, or training would begin without a sequence to draw.
  """
  environment = experiment.chosen_environment()
  plan = schedule.Schedule()
  sizes = {'Schedule.batch_size': plan.batch_size}
  given = _given(experiment.Experiment)
  sizes |= sizes_of(given.get('agent'))
  check_memory(sizes, image_shape_of(environment))
  capacity = _given(replay.Replay).get('capacity')
  if capacity:
    # Without either, critics learn of a step and the n-th after it.
    length = _length(sizes) or _total(sizes, 'horizon') or 1
    length += returns.NStepReturn().num_steps
    check_data(plan, capacity, length, collection.Collection().streams)


def check_memory(sizes: Mapping[str, int], image_shape: Sequence[int]):
  """Raises a UserError if a run needs more memory than there is.

  Args:
    sizes: whole numbers by the names of their settings.
    image_shape: `[H, W, C]`.
  """

  def needed_with(**changed):
    return needed({**sizes, **changed}, image_shape)

  there_is, wanted = memory.available(), needed_with()
  if wanted > there_is:
    # The setting that costs the most.
    name = min(sizes, key=lambda name: needed_with(**{name: 1}))
    raise errors.UserError(
      f'With {name} = {sizes[name]} networks and batches take '
      f'{wanted / 1e9:.3g} GB of memory or more, but {there_is / 1e9:.3g} GB '
      'are available: set it lower.'
    )


def check_data(
  plan: schedule.Schedule, capacity: int, length: int, environments: int = 1
):
  """Raises a UserError if training begins without a sequence to draw.

  Args:
    plan: the run's schedule.
    capacity: the number of steps in a full replay.
    length: T + 1, the number of steps in a sequence, which are of one
      environment.
    environments: how many take their steps in turns.
  """
  needed, of_each = length * environments, ''
  if environments > 1:
    of_each = f' of each of {environments} environments'
  if capacity <= needed:  # Right after an episode's end the last is not drawn.
    raise errors.UserError(
      f'Replay.capacity = {capacity} is too small to draw sequences of '
      f'{length} steps{of_each} from: set it to {needed + 1} at least.'
    )
  steps = plan.random_agent_steps
  # Without pretraining, training begins with a step in each environment.
  first = 0 if plan.model_updates else environments
  if not plan.random_episodes and steps + first < needed:
    raise errors.UserError(
      f'Schedule.random_episodes = 0 and Schedule.random_agent_steps = {steps} '
      f'leave no sequence of {length} steps{of_each} to begin training with: '
      f'set the latter to {needed} at least.'
    )


def sizes_of(configurable: Any) -> dict[str, int]:
  """Returns whole numbers by the names of their settings.

  Args:
    configurable: a class of agents, whose numbers are wanted, and those of its
      model and networks. Of anything else no numbers are known.
  """
  found = {}
  if inspect.isclass(configurable):
    for cls in reversed(configurable.__mro__):  # What is given last holds.
      for name, value in _given(cls).items():
        found[name] = f'{cls.__name__}.{name}', value
  numbers = {name: x for name, x in found.values() if type(x) is int}
  parts = [found[x][1] for x in ('model', 'proprioception') if x in found]
  parts.append(getattr(configurable, 'networks_class', None))
  for part in filter(None, parts):
    numbers |= sizes_of(part)
  return numbers


def image_shape_of(environment: Any) -> tuple[int, ...]:
  """Returns `[H, W, C]` of an environment's images, or the smallest there are.

  Args:
    environment: a class or function that makes environments.
  """
  size = _given(environment).get('image_size')
  if size is None:
    parameter = inspect.signature(environment).parameters.get('image_size')
    size = getattr(parameter, 'default', None)
  # Somebody else's setting of that name may be anything.
  if size and settings.requirement(size, settings.ImageSize) is None:
    return *size, 3
  return _SMALLEST_IMAGE


def needed(sizes: Mapping[str, int], image_shape: Sequence[int]) -> int:
  """Returns the bytes that networks and batches take, or somewhat less.

  Args:
    sizes: whole numbers by the names of their settings; one that is missing
      counts nothing.
    image_shape: `[H, W, C]`.
  """
  height, width, channels = image_shape
  num_pixels = height * width
  length = _length(sizes)
  batch = sizes.get('Schedule.batch_size', 0)
  of_model = _total(sizes, 'model_batch_size')
  # A batch, and the one that is drawn ahead.
  frames = 2 * max(batch, of_model) * (length + 1) if length else 0
  maps = 0
  if devices.names() == ['CPU']:  # A GPU has memory of its own.
    images = of_model * (length + 1) or batch
    maps = int(images * _total(sizes, 'base_depth') * num_pixels * _MAPS * 4)
    # The two hidden layers of ALM's model, in each of the steps that it is
    # unrolled over.
    unrolled = batch * _total(sizes, 'horizon')
    maps += unrolled * 2 * _total(sizes, 'model_hidden_size') * 4
  parameters = _parameters(sizes, num_pixels)
  return parameters * _PARAMETER + frames * num_pixels * channels + maps


def _parameters(sizes, num_pixels) -> int:
  """Returns how many parameters the networks have, or somewhat fewer."""
  last_map = 8 * num_pixels // networks.STRIDE**2
  depth = _total(sizes, 'base_depth')
  feature = _total(sizes, 'feature_size')
  latent = _total(sizes, 'gru_size', 'stochastic_size')
  latent = latent or _total(sizes, 'latent1_size', 'latent2_size')
  embedded = feature + _total(sizes, 'embedding_size')
  hidden = sizes.get('LatentModel.hidden_size', 0)
  of_sac = sizes.get('SoftActorCritic.hidden_size', 0)
  of_alm = sizes.get('AlmNetworks.hidden_size', 0)
  of_its_model = sizes.get('AlmNetworks.model_hidden_size', 0)
  its_latent = sizes.get('AlmNetworks.latent_size', 0)
  return (
    # Convolutions, and what leads from the last map to the features.
    depth * (9 * (2 + 8 + 32) * depth + last_map * (feature + latent))
    # The model's reward and posterior; the actor and two critics.
    + hidden * (2 * hidden + embedded + 4 * latent)
    + of_sac * (3 * of_sac + embedded + 2 * latent)
    # Six networks of ALM, and its model.
    + of_alm * (6 * of_alm + 8 * its_latent)
    + of_its_model * (of_its_model + 3 * its_latent)
  )


def _length(sizes) -> int:
  """Returns T of an agent that learns from images, else 0."""
  return _total(sizes, 'sequence_length', 'num_frames')


def _total(sizes, *parameters: str) -> int:
  """Returns the sum of settings, whichever class has them."""
  named = [(name.split('.')[1], size) for name, size in sizes.items()]
  return sum(size for name, size in named if name in parameters)


def _given(configurable: Any) -> dict[str, Any]:
  """Returns what gin gives to a class or function, if it knows it."""
  with contextlib.suppress(ValueError):
    return gin.get_bindings(configurable)
  return {}
