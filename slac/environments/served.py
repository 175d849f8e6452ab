"""An object in a process of its own, which may hang or die there."""

import atexit
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import resource_tracker
from typing import Any

from slac import errors
from slac.environments import checked, signals

_CLOSE_SECONDS = 3.0
# A fork of this process would inherit the locks of its threads. So they are
# forked from a server, which first imports TensorFlow; that takes seconds.
FORKED = multiprocessing.get_context('forkserver')
FORKED.set_forkserver_preload(['slac.environments.requirements'])
# Or they import it themselves, while this process goes on.
SPAWNED = multiprocessing.get_context('spawn')


class Ended(Exception):
  """The process has ended; the message says how."""


class Raised(Exception):
  """A method has raised an exception, which the message is about."""


class Served:
  """An object that another process makes, and whose methods are called there.

  The process ends with this one, whatever ends this one. There is one answer
  to each question, and a first one when the object is made.
  """

  def __init__(self, make: Callable[[], Any], context: Any):
    """Begins the process.

    Args:
      make: makes the object, which has a method `close`; what pickle can take
        to a new process.
      context: how it begins, FORKED or SPAWNED.
    """
    self.is_busy = True  # An answer is due.
    self._connection, other = context.Pipe()
    self._process = context.Process(target=_serve, args=(other, make))
    _start(self._process)
    other.close()
    # Before multiprocessing's own, which waits for processes for ever.
    atexit.register(self.close)

  @property
  def pid(self) -> int:
    """The number of the process."""
    return self._process.pid

  def ask(self, name: str, *arguments: Any):
    """Has a method called."""
    self.is_busy = True
    with contextlib.suppress(OSError):  # Without a process there is no answer.
      self._connection.send((name, arguments))

  def ask_aside(self, name: str, *arguments: Any):
    """Does so too, and does not wait: a pipe takes no more than is read."""
    threading.Thread(
      target=self.ask, args=(name, *arguments), daemon=True
    ).start()

  def has_answered(self, seconds: float) -> bool:
    """Whether there is an answer within seconds, or will never be one."""
    try:
      return self._connection.poll(seconds)
    except OSError:
      return True

  def answer(self) -> Any:
    """Returns what a method has returned; None when the object is made.

    Raises:
      errors.UserError: the method raised it.
      checked.Failure: the same.
      NotImplementedError: the same.
      Raised: it raised another exception.
      Ended: the process has ended.
    """
    try:
      kind, value = self._connection.recv()
    except (EOFError, OSError) as error:
      code = self.end()
      how = f'signal {-code}' if code < 0 else f'exit code {code}'
      raise Ended(how) from error
    self.is_busy = False
    if kind == 'failure':
      raise checked.Failure(value)
    if kind == 'fault':
      raise errors.UserError(*value)
    if kind == 'exception':
      raise Raised(value)
    if kind == 'none':
      raise NotImplementedError(value)
    return value

  def close(self, seconds: float = _CLOSE_SECONDS):
    """Ends the process, after it has closed the object if it soon does so."""
    self._connection.close()
    try:
      self._process.join(seconds)
    finally:
      self.end()

  def end(self) -> int:
    """Ends the process at once; returns its exit code."""
    atexit.unregister(self.close)
    self._process.kill()
    self._process.join()
    self._connection.close()
    return self._process.exitcode


def _start(process):
  """Begins a process, which keeps signals until it ignores them.

  Before, it imports TensorFlow, and would end with a stack trace.
  """
  resource_tracker.ensure_running()  # To begin that one would unblock some.
  with signals.waiting():
    process.start()


def _serve(connection, make: Callable[[], Any]):
  """Makes an object and calls its methods, until nobody asks any more."""
  # The run decides what becomes of its environments.
  for number in signals.STOPPING:
    signal.signal(number, signal.SIG_IGN)
  signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.STOPPING)  # See `_start`.
  threading.Thread(target=_end_with_parent, daemon=True).start()
  made: list[Any] = []
  name = ''
  outcome = _outcome(lambda: made.append(make()))
  with contextlib.suppress(EOFError, OSError):
    while True:
      _send(connection, outcome)
      name, arguments = connection.recv()
      outcome = _outcome(getattr(made[0], name), *arguments)
  if name != 'close':
    for each in made:
      _outcome(each.close)  # Nobody is there to be told.


def _outcome(call: Callable, *arguments: Any) -> tuple[str, Any]:
  """Returns the kind of a call's end, and what goes with it."""
  try:
    return 'value', call(*arguments)
  except checked.Failure as failure:
    return 'failure', str(failure)
  except errors.UserError as error:
    return 'fault', (str(error), error.exit_code)
  except NotImplementedError as error:
    return 'none', checked.one_line(error)
  except BaseException as error:  # Its own, whatever it is.
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
