"""An environment in a process of its own, which may hang or die there.

TF-Agents' ParallelPyEnvironment and gymnasium's AsyncVectorEnv do not serve
here. The former forks a process that has TensorFlow's threads, waits for ever,
and both lose a process with the first exception that its environment raises;
neither begins another one.
"""

import atexit
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from tf_agents.environments import py_environment
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.environments import checked, limits

_START_SECONDS = 300.0  # To import TensorFlow takes seconds, or many.
_CLOSE_SECONDS = 3.0
# What tells the run to stop, which decides what becomes of its environments.
_IGNORED = (
  *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
  *(signal.SIGXCPU, signal.SIGUSR1),
)
# Forked from this process, they would inherit the locks of its threads. They
# are forked from one that has imported TensorFlow, which takes seconds.
_context = multiprocessing.get_context('forkserver')
_context.set_forkserver_preload(['slac.environments.requirements'])


class ProcessEnvironment(py_environment.PyEnvironment):
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
    seed: Callable[[int], int],
    limit: limits.Limit,
  ):
    """Begins a process; `wait` waits until the environment is made.

    Args:
      make: makes the environment; what pickle can take to a new process.
      like: an environment of the same specs.
      seed: returns the environment's seed in the n-th process, from 0.
      limit: how long a call may take.
    """
    super().__init__()
    self._make = make
    self._specs = like.observation_spec(), like.action_spec()
    self._seed = seed
    self._limit = limit
    self._num_begun = 0
    self._process: Any = None
    self._begin()

  def observation_spec(self) -> Any:
    """Returns the specs of what is observed."""
    return self._specs[0]

  def action_spec(self) -> Any:
    """Returns the spec of the actions."""
    return self._specs[1]

  def wait(self):
    """Waits until the environment is made, and seeds it if it can be.

    Raises:
      checked.Failure: it cannot be made.
    """
    try:
      self._receive(_START_SECONDS)
    except errors.UserError as error:
      self.close()
      raise checked.Failure(
        'the environment cannot be made in a process of its own, which has '
        f'what gin files import and no more ({error})'
      ) from error
    seed = self._seed(self._num_begun)
    self._num_begun += 1
    with contextlib.suppress(NotImplementedError):
      self._call('seed', seed)

  def get_state(self) -> dict[str, Any]:
    """Returns the environment's state, and how many processes it has had."""
    return {
      'environment': self._call('get_state'),
      'num_begun': self._num_begun,
    }

  def set_state(self, state: dict[str, Any]):
    """Puts back what `get_state` returned."""
    self._call('set_state', state['environment'])
    self._num_begun = state['num_begun']
    self._current_time_step = self._call('current_time_step')

  def close(self):
    """Ends the process, after it has closed the environment if it does so."""
    if self._process is not None:
      self._connection.close()
      self._process.join(_CLOSE_SECONDS)
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
    with contextlib.suppress(OSError):  # Without a process there is no answer.
      self._connection.send((name, arguments))
    return self._receive()

  def _receive(self, seconds: float | None = None) -> Any:
    is_up = self._limit.start(seconds)
    try:
      while not self._connection.poll(limits.TICK):
        if is_up():
          self._end()
          raise checked.Failure('the environment took too long to answer')
      kind, value = self._connection.recv()
    except (EOFError, OSError) as error:
      code = self._end()
      how = f'signal {-code}' if code < 0 else f'exit code {code}'
      raise checked.Failure(
        f'the process of the environment ended with {how}'
      ) from error
    if kind == 'fault':
      raise errors.UserError(*value)
    if kind == 'exception':
      raise checked.Failure(f'the environment raised {value}')
    if kind == 'none':
      raise NotImplementedError(value)
    return value

  def _begin(self):
    self._connection, other = _context.Pipe()
    self._process = _context.Process(target=_serve, args=(other, self._make))
    self._process.start()
    other.close()
    # Before multiprocessing's own, which waits for processes for ever.
    atexit.register(self.close)

  def _end(self) -> int:
    """Ends the process at once; returns its exit code."""
    process, self._process = self._process, None
    atexit.unregister(self.close)
    self._connection.close()
    process.kill()
    process.join()
    return process.exitcode


def _serve(connection, make: Callable[[], py_environment.PyEnvironment]):
  """Makes an environment and calls its methods, until nobody asks any more."""
  for number in _IGNORED:
    signal.signal(number, signal.SIG_IGN)
  threading.Thread(target=_end_with_parent, daemon=True).start()
  made: list[py_environment.PyEnvironment] = []
  outcome = _outcome(lambda: made.append(make()))
  with contextlib.suppress(EOFError, OSError):
    while True:
      _send(connection, outcome)
      name, arguments = connection.recv()
      outcome = _outcome(getattr(made[0], name), *arguments)
  for environment in made:
    environment.close()


def _outcome(call: Callable, *arguments: Any) -> tuple[str, Any]:
  """Returns the kind of a call's end, and what goes with it."""
  try:
    return 'value', call(*arguments)
  except errors.UserError as error:
    return 'fault', (str(error), error.exit_code)
  except NotImplementedError as error:
    return 'none', checked.one_line(error)
  except BaseException as error:  # An environment's own, whatever it is.
    return 'exception', checked.one_line(error)


def _send(connection, outcome: tuple[str, Any]):
  """Sends an outcome, or that it is nothing that can be sent."""
  try:
    connection.send(outcome)
  except OSError:
    raise
  except Exception as error:
    connection.send(('exception', checked.one_line(error)))


def _end_with_parent():
  """Ends the process once its parent has ended, even if it hangs."""
  multiprocessing.parent_process().join()
  os._exit(os.EX_SOFTWARE)
