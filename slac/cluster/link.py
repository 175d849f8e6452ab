"""Asks a hub in a process of its own, which may be lost."""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

from slac import errors
from slac.cluster import joining
from slac.environments import checked, limits, served

_WAIT_SECONDS = 1.0  # In one call.
# A hub answers within seconds, and says within minutes that it has joined.
_ANSWER_SECONDS, _JOIN_SECONDS = 60.0, 300.0
_PAUSE_SECONDS = 10.0  # Before another is begun.
_CLOSE_SECONDS = 20.0  # To have environments closed, and to leave the cluster.


class HubLost(Exception):
  """The hub is lost, and its workers with it; the message says why."""


class Link:
  """A run's side of its hub."""

  def __init__(self, *arguments: Any, should_stop: Callable[[], bool]):
    """Begins no hub yet.

    Args:
      *arguments: those of `hub.Hub`, but for the last.
      should_stop: whether it is not to be waited for any longer.
    """
    self._arguments = arguments
    self._should_stop = should_stop
    self._process: served.Served | None = None
    # Says whether it has passed; None: no answer is due.
    self._deadline: Callable[[], bool] | None = None
    self._has_joined = False  # As one hub at least.
    self._pause_end = 0.0

  def join(self, begun: Sequence[int]):
    """Begins the first hub, and waits until it has joined the cluster.

    Args:
      begun: see `hub.Hub`.

    Raises:
      errors.UserError: it cannot.
      HubLost: its process has ended.
    """
    if self._process or self._pause_end:
      return
    self._begin(begun)
    while self._deadline and not self._should_stop():
      self.found()

  def get_ready(self, begun: Sequence[int]) -> bool:
    """Begins a hub where there is none; returns if it can be told something."""
    if not self._process:
      left = self._pause_end - time.monotonic()
      time.sleep(min(max(left, 0.0), _WAIT_SECONDS))
      if left <= _WAIT_SECONDS:
        self._begin(begun)
    return self._process is not None and not self._deadline

  def tell(self, *arguments: Any):
    """Asks for the steps that workers make; the arguments: see `Hub.take`."""
    self._process.ask_aside('take', *arguments)
    self._deadline = limits.Limit(_ANSWER_SECONDS).start()

  def found(self) -> list[tuple[int, Any]]:
    """Returns what has come of that, or nothing where it takes a second.

    Raises:
      errors.UserError: the first hub cannot join.
      HubLost: another one is begun later.
    """
    end = time.monotonic() + _WAIT_SECONDS
    while self._deadline:
      if self._process.has_answered(limits.TICK):
        return self._receive() or []
      if self._deadline():
        raise HubLost(self._end('it does not answer'))
      if self._should_stop() or time.monotonic() > end:
        break
    return []

  def close(self):
    """Ends the hub, if there is one, after it has ended its workers."""
    if self._process:
      self._process.close(_CLOSE_SECONDS)
      self._process = self._deadline = None

  def _begin(self, begun):
    make = functools.partial(_hub, *self._arguments, begun)
    self._process = served.Served(make, served.SPAWNED)
    self._deadline = limits.Limit(_JOIN_SECONDS).start()

  def _receive(self):
    """Returns the answer that has come."""
    self._deadline = None
    try:
      answer = self._process.answer()
    except errors.UserError as error:
      why = self._end(checked.one_line(error))
      if self._has_joined:
        raise HubLost(why) from error
      raise
    except served.Ended as how:
      raise HubLost(self._end(f'its process ended with {how}')) from how
    except served.Raised as error:
      raise HubLost(self._end(f'it raised {error}')) from error
    self._has_joined = True
    return answer

  def _end(self, why: str) -> str:
    """Ends the process, whatever has become of it."""
    self._process.end()
    self._process = self._deadline = None
    self._pause_end = time.monotonic() + _PAUSE_SECONDS
    return why


def _hub(place: joining.Place, *arguments: Any) -> Any:
  """Makes a hub, in its own process; the run's has nothing of Ray."""
  joining.check(place)
  from slac.cluster import hub

  return hub.Hub(place, *arguments)
