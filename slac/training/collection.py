"""How many environments a run collects from at once, and where they are."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Annotated

import gin
import numpy as np
from tf_agents.environments import py_environment

from slac.config import bindings, settings
from slac.environments import limits, own_process

_MOST = 256  # Processes; more are hardly meant for one machine.


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Collection:
  """Settings of what collects a run's data."""

  # Environments side by side. One is in the run's own process, as it need not
  # wait for others; each of several has a process of its own.
  environments: Annotated[int, settings.Range(1, _MOST)] = gin.REQUIRED
  # The seconds after which a call of an environment ends as a failed episode.
  step_seconds: settings.Positive = gin.REQUIRED


def in_processes(
  make: Callable[[Mapping[str, str]], py_environment.PyEnvironment],
  like: py_environment.PyEnvironment,
  num_environments: int,
  seed: int,
  limit: limits.Limit,
) -> list[py_environment.PyEnvironment]:
  """Returns environments, each in a process of its own.

  Args:
    make: returns an environment, given `bindings.resolved`; a function of a
      module, or a partial one.
    like: an environment of the same specs.
    num_environments: how many.
    seed: the run's seed.
    limit: how long a call may take.

  Raises:
    checked.Failure: they cannot be made.
  """
  make = functools.partial(make, bindings.resolved())
  environments = [
    own_process.ProcessEnvironment(
      make, like, functools.partial(_seed, seed, number), limit
    )
    for number in range(num_environments)
  ]
  for environment in environments:  # They are made at the same time.
    environment.wait()
  return environments


def _seed(seed: int, number: int, start: int) -> int:
  """Returns the seed of an environment in its process number `start`."""
  if not number and not start:
    return seed  # As where there is one environment.
  drawn = np.random.SeedSequence(seed, spawn_key=(number, start))
  return int(drawn.generate_state(1)[0])
