"""Says before anything is built what a run needs: memory, and data."""

import contextlib
import inspect
from collections.abc import Mapping
from typing import Any

import gin

from slac import errors
from slac.training import (
  collection,
  devices,
  experiment,
  memory,
  replay,
  schedule,
)

_IMAGE = 64 * 64 * 3  # Bytes of an image.
# What an encoder's maps of an image hold, for each filter of its first layer.
_MAPS = 32 * 32 + 2 * 16 * 16 + 4 * 8 * 8 + 8 * 4 * 4
# A parameter with its gradient and its two moments.
_PARAMETER = 4 * 4


def check():
  """Refuses settings that cannot work together.

  Of a user's own agents and models only what their bases are given is known.

  Raises:
    errors.UserError: networks and batches need more memory than there is, or
      training would begin without a sequence to draw.
  """
  plan = schedule.Schedule()
  sizes = {'Schedule.batch_size': plan.batch_size}
  sizes |= sizes_of(_given(experiment.Experiment).get('agent'))
  check_memory(sizes)
  capacity = _given(replay.Replay).get('capacity')
  if capacity:
    check_data(
      plan,
      capacity,
      _length(sizes) + 1,
      collection.Collection().environments,
    )


def check_memory(sizes: Mapping[str, int]):
  """Raises a UserError if a run needs more memory than there is.

  Args:
    sizes: whole numbers by the names of their settings.
  """
  there_is, wanted = memory.available(), needed(sizes)
  if wanted > there_is:
    # The setting that costs the most.
    name = min(sizes, key=lambda name: needed({**sizes, name: 1}))
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
    configurable: a class of agents, whose numbers and whose model's are wanted.
      Of anything else no numbers are known.
  """
  found = {}
  if inspect.isclass(configurable):
    for cls in reversed(configurable.__mro__):  # What is given last holds.
      for name, value in _given(cls).items():
        found[name] = f'{cls.__name__}.{name}', value
  _, model = found.get('model', (None, None))
  numbers = {name: x for name, x in found.values() if type(x) is int}
  return numbers | (sizes_of(model) if model else {})


def needed(sizes: Mapping[str, int]) -> int:
  """Returns the bytes that networks and batches take, or somewhat less.

  Args:
    sizes: whole numbers by the names of their settings; one that is missing
      counts nothing.
  """
  length = _length(sizes)
  batch = sizes.get('Schedule.batch_size', 0)
  of_model = _total(sizes, 'model_batch_size')
  # A batch, and the one that is drawn ahead.
  pixels = 2 * max(batch, of_model) * (length + 1) * _IMAGE if length else 0
  maps = 0
  if devices.names() == ['CPU']:  # A GPU has memory of its own.
    images = of_model * (length + 1) or batch
    maps = images * _total(sizes, 'base_depth') * _MAPS * 4
  return _parameters(sizes) * _PARAMETER + pixels + maps


def _parameters(sizes) -> int:
  """Returns how many parameters the networks have, or somewhat fewer."""
  depth = _total(sizes, 'base_depth')
  feature = _total(sizes, 'feature_size')
  latent = _total(sizes, 'gru_size', 'stochastic_size')
  latent = latent or _total(sizes, 'latent1_size', 'latent2_size')
  hidden = sizes.get('LatentModel.hidden_size', 0)
  of_sac = sizes.get('SoftActorCritic.hidden_size', 0)
  return (
    # Convolutions, and what leads from the last map to the features.
    depth * (9 * (2 + 8 + 32) * depth + 128 * (feature + latent))
    # The model's reward and posterior; the actor and two critics.
    + hidden * (2 * hidden + feature + 4 * latent)
    + of_sac * (3 * of_sac + feature + 2 * latent)
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
