"""How many environments a run collects from at once, and where they are."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Annotated

import gin
import numpy as np
import tensorflow as tf
from tf_agents.environments import py_environment

from slac import errors
from slac.config import bindings, settings
from slac.environments import limits, own_process
from slac.training import memory

_MOST = 256  # Processes; more are hardly meant for one machine.
_MOST_WORKERS = 1000
# Of a process that collects nothing, so that it makes no environment to train
# in: as if a worker did.
ELSEWHERE = {'Collection.environments': '1', 'Collection.workers': '1'}


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Collection:
  """Settings of what collects a run's data."""

  # Environments side by side. One is in the run's own process, as it need not
  # wait for others; each of several has a process of its own.
  environments: Annotated[int, settings.Range(1, _MOST)] = gin.REQUIRED
  # The seconds after which a call of an environment ends as a failed episode.
  step_seconds: settings.Positive = gin.REQUIRED
  # Workers by Ray, on any node of a cluster, which collect instead: each has an
  # environment and a policy of its own. None where 0.
  workers: Annotated[int, settings.Range(0, _MOST_WORKERS)] = gin.REQUIRED
  # Gradient steps after which these are sent new parameters.
  weight_interval: settings.Count = gin.REQUIRED
  # HOST:PORT of the cluster, or 'local' for one of this machine's own.
  ray: str = gin.REQUIRED
  # A resource of Ray's nodes, such as a robot, of which each worker takes one.
  resource: str | None = gin.REQUIRED

  @property
  def streams(self) -> int:
    """How many environments take steps, each of which follows its own last."""
    return self.workers or self.environments

  def check(self):
    """Raises a UserError if these do not go together."""
    if self.workers and self.environments > 1:
      raise errors.UserError(
        f'Collection.workers = {self.workers} collect instead of '
        f'Collection.environments = {self.environments}: set one of them only.'
      )


def load_beside(resolved: Mapping[str, str], **own: str):
  """Has this process do a part of a run's work, by its settings, on the CPU.

  Args:
    resolved: what `bindings.resolved` has returned in the run's process.
    own: settings of this process, by their names.
  """
  memory.keep_freed()
  tf.config.set_visible_devices([], 'GPU')  # That is the run's own.
  # The run has been allowed what it imports.
  bindings.load_resolved({**resolved, **ELSEWHERE, **own}, allow_imports=True)


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
      make, like, seed, functools.partial(seed_of, number=number), limit
    )
    for number in range(num_environments)
  ]
  for environment in environments:  # They are made at the same time.
    environment.wait()
  return environments


def seed_of(seed: int, number: int, start: int, continued: int = 0) -> int:
  """Returns the seed of an environment in its process number `start`.

  Args:
    seed: the run's.
    number: the environment's, from 0.
    start: how often it has been begun before.
    continued: how often the run has gone on without its state.
  """
  if not (number or start or continued):
    return seed  # As where there is one environment.
  key = (number, start, continued) if continued else (number, start)
  drawn = np.random.SeedSequence(seed, spawn_key=key)
  return int(drawn.generate_state(1)[0])
