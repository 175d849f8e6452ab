"""An environment in a process of its own, which may hang or die there.

TF-Agents' ParallelPyEnvironment and gymnasium's AsyncVectorEnv do not serve
here. The former forks from TensorFlow's threads and waits for ever. Both lose a
process at the first exception of its environment, and begin no other.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
from tf_agents.environments import py_environment
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.environments import checked, limits, served

_START_SECONDS = 300.0  # To import TensorFlow takes seconds, or many.


class Elsewhere(py_environment.PyEnvironment):
  """Has the specs of an environment that is elsewhere."""

  def __init__(self, observation_spec: Any, action_spec: Any):
    super().__init__()
    self._specs = observation_spec, action_spec

  def observation_spec(self) -> Any:
    """Returns the specs of what is observed."""
    return self._specs[0]

  def action_spec(self) -> Any:
    """Returns the spec of the actions."""
    return self._specs[1]

  def _reset(self) -> ts.TimeStep:
    raise NotImplementedError

  def _step(self, action: np.ndarray) -> ts.TimeStep:
    raise NotImplementedError


class ProcessEnvironment(Elsewhere):
  """Passes calls on to an environment that another process has made.

  Where a call takes longer than the limit, or its process ends, this is a
  `checked.Failure`, and the next reset begins another process. Exceptions are
  failures as well, but leave the process as it is. It ends with this one,
  whatever ends this one.
  """

  def __init__(
    self,
    make: Callable[[], py_environment.PyEnvironment],
    like: py_environment.PyEnvironment,
    seed: int,
    seed_of: Callable[..., int],
    limit: limits.Limit,
  ):
    """Begins a process; `wait` waits until the environment is made.

    Args:
      make: makes the environment; what pickle can take to a new process.
      like: an environment of the same specs.
      seed: of all its episodes, until it is seeded again.
      seed_of: returns the environment's seed of the seed of all and `start`,
        the number of the process, from 0.
      limit: how long a call may take.
    """
    super().__init__(like.observation_spec(), like.action_spec())
    self._make = make
    self._seed = seed
    self._seed_of = seed_of
    self._limit = limit
    self._num_begun = 0
    self._process: Any = None
    self._begin()

  def wait(self):
    """Waits until the environment is made, and seeds it if it can be.

    Raises:
      checked.Failure: it cannot be made.
    """
    try:
      self._receive(_START_SECONDS)
    except errors.UserError as error:
      self._end()
      raise checked.Failure(
        'the environment cannot be made in a process of its own, which has '
        f'what gin files import and no more ({error})'
      ) from error
    seed = self._seed_of(self._seed, start=self._num_begun)
    self._num_begun += 1
    with contextlib.suppress(NotImplementedError):
      self._call('seed', seed)

  def seed(self, seed: int):
    """Seeds the environment, if it can be, and those of later processes."""
    self._seed = seed
    self._call('seed', seed)

  def get_state(self) -> dict[str, Any]:
    """Returns the environment's state, and what later processes begin from."""
    return {
      'environment': self._call('get_state'),
      'num_begun': self._num_begun,
      'seed': self._seed,
    }

  def set_state(self, state: dict[str, Any]):
    """Puts back what `get_state` returned."""
    self._call('set_state', state['environment'])
    self._num_begun = state['num_begun']
    self._seed = state.get('seed', self._seed)  # Older states lack it.
    self._current_time_step = self._call('current_time_step')

  def close(self):
    """Closes the environment, and ends its process.

    One that owes an answer may hang, and is ended within seconds.

    Raises:
      checked.Failure: closing raised an exception, or there was no answer.
    """
    try:
      if self._process and not self._process.is_busy:
        self._call('close')
    finally:
      self._end()

  def _reset(self) -> ts.TimeStep:
    if self._process is None and not self._limit.should_stop():
      self._begin()
      self.wait()
    return self._call('reset')

  def _step(self, action: np.ndarray) -> ts.TimeStep:
    return self._call('step', action)

  def _call(self, name: str, *arguments: Any) -> Any:
    """Returns what the environment's method returns.

    Raises:
      checked.Failure: it raised an exception, or there was no answer.
      errors.UserError: it raised one.
      NotImplementedError: it raised one.
    """
    if self._process is None:
      raise checked.Failure('the process of the environment has ended')
    self._process.ask(name, *arguments)
    return self._receive()

  def _receive(self, seconds: float | None = None) -> Any:
    is_up = self._limit.start(seconds)
    while not self._process.has_answered(limits.TICK):
      if is_up():
        self._process.end()
        self._process = None
        raise checked.Failure('the environment took too long to answer')
    try:
      return self._process.answer()
    except served.Ended as how:
      self._process = None
      raise checked.Failure(
        f'the process of the environment ended with {how}'
      ) from how
    except served.Raised as error:
      raise checked.Failure(f'the environment raised {error}') from error

  def _end(self):
    if self._process:
      self._process.close()
      self._process = None

  def _begin(self):
    self._process = served.Served(self._make, served.FORKED)
