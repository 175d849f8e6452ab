"""Turns all that goes wrong in an environment into one kind of error."""

import contextlib
import inspect
import pathlib
import signal
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tree
from tf_agents.environments import py_environment
from tf_agents.trajectories import time_step as ts

from slac import errors


class Failure(errors.UserError):
  """An environment raised an exception or returned values against its spec."""

  def __init__(self, message: str):
    super().__init__(message, exit_code=69)


class CheckedEnvironment:
  """Calls an environment, which may raise a Failure.

  It does so after any exception, and `reset` and `step` for values that are not
  finite or do not have the shape and type of the environment's spec. After a
  Failure the environment has to be reset. What these return is a copy, of
  exactly the spec's types, as an environment may use its arrays again for the
  next step; so is the action that it is given, as it may change that.
  """

  def __init__(
    self,
    environment: py_environment.PyEnvironment,
    within: Callable[
      [], contextlib.AbstractContextManager
    ] = contextlib.nullcontext,
  ):
    """Calls an environment within what `within` returns, such as a limit."""
    self._environment = environment
    self._within = within
    self._spec = environment.time_step_spec()

  def seed(self, seed: int):
    """Seeds the environment, unless it is one that cannot be seeded."""
    with failing(), self._within(), contextlib.suppress(NotImplementedError):
      self._environment.seed(seed)

  def reset(self) -> ts.TimeStep:
    """Begins an episode."""
    return self._checked(self._environment.reset)

  def step(self, action: np.ndarray) -> ts.TimeStep:
    """Takes an agent step."""
    return self._checked(self._environment.step, np.array(action))

  def current(self) -> ts.TimeStep:
    """Returns where the environment is, as after its state was put back."""
    return self._checked(self._environment.current_time_step)

  def get_state(self) -> Any:
    """Returns the environment's state, or None if it cannot tell one."""
    with failing(), self._within(), contextlib.suppress(NotImplementedError):
      return self._environment.get_state()
    return None

  def is_success(self) -> bool | None:
    """Returns whether the task is solved, if it is one that can be."""
    if not tells_success(self._environment):
      return None
    with failing():
      return bool(self._environment.is_success())

  def _checked(self, method, *arguments):
    with failing():
      with self._within():
        time_step = method(*arguments)
      values = tree.flatten_up_to(self._spec, time_step, check_types=False)
    specs = tree.flatten_with_path(self._spec)
    copies = []
    for (path, spec), value in zip(specs, values, strict=True):
      copy, fault = _copied(np.asarray(value), spec)
      if fault:
        raise Failure(f"the environment's {'/'.join(path)} {fault}")
      copies.append(copy)
    if not 0 <= time_step.discount <= 1:
      fault = f'is {time_step.discount}, not between 0 and 1'
      raise Failure(f"the environment's discount {fault}")
    return tree.unflatten_as(self._spec, copies)


def tells_success(environment: py_environment.PyEnvironment) -> bool:
  """Whether an environment has a method `is_success` that asks for nothing."""
  try:
    inspect.signature(getattr(environment, 'is_success', None)).bind()
  except (TypeError, ValueError):  # There is none, or it is of another kind.
    return False
  return True


@contextlib.contextmanager
def failing() -> Iterator[None]:
  """Turns whatever an environment raises into a Failure.

  Ctrl-C passes through, unless a run has a handler of its own for it: then it
  raises nothing, and a KeyboardInterrupt is the environment's.
  """
  try:
    yield
  except errors.UserError:
    raise  # It names its remedy, as when there is no GL library.
  except (Exception, SystemExit, KeyboardInterrupt) as error:
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default and isinstance(error, KeyboardInterrupt):
      raise
    raise Failure(f'the environment raised {one_line(error)}') from error


@contextlib.contextmanager
def ending_the_run() -> Iterator[None]:
  """Turns a Failure, without which nothing goes on, into a UserError."""
  try:
    yield
  except Failure as failure:
    raise errors.UserError(
      f'There is nothing to train in, as {failure}: mend the environment.',
      failure.exit_code,
    ) from failure


def one_line(error: BaseException) -> str:
  """Returns an exception's type, first line and place in the code.

  For a UserError, whose message says it all, it returns the first line alone.
  """
  text = errors.short((str(error).splitlines() or [''])[0], 500)
  if isinstance(error, errors.UserError):
    return text
  frame = traceback.extract_tb(error.__traceback__)[-1]
  place = f'{pathlib.Path(frame.filename).name}:{frame.lineno}'
  name = type(error).__name__
  return f'{name}: {text} ({place})' if text else f'{name} ({place})'


def _copied(value: np.ndarray, spec) -> tuple[np.ndarray, str | None]:
  """Returns a part of a time step as its spec says, and what is wrong with it.

  A number that its type does not hold is wrong, too.
  """
  name = np.dtype(spec.dtype).name
  if value.shape != spec.shape or not np.can_cast(
    value.dtype, spec.dtype, 'same_kind'
  ):
    fault = f'is {value.dtype} {list(value.shape)}, not {name} '
    return value, f'{fault}{list(spec.shape)}'
  with np.errstate(all='ignore'):
    copy = np.array(value, spec.dtype)
  is_whole = np.issubdtype(spec.dtype, np.integer)
  is_held = copy == value if is_whole else np.isfinite(copy)
  if np.all(is_held):
    return copy, None
  broken = value[~is_held][0]
  lost = f', which {name} does not hold' if np.isfinite(broken) else ''
  return copy, f'is {broken}{lost}'
