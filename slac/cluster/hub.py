"""Has workers on the nodes of a cluster, and begins others for those lost."""

import collections
import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray

from slac import errors
from slac.cluster import joining, messages, worker
from slac.training import collection

_WAIT_SECONDS = 1.0  # For what workers have to tell.
_BEAT_SECONDS = 2.0
# A process that does not answer for so long is lost. It may be longer while it
# makes its environment, and before, while it imports TensorFlow.
_LOST_SECONDS, _BEGIN_SECONDS, _START_SECONDS = 10.0, 60.0, 300.0
_CLOSE_SECONDS = 6.0  # To end a chunk, and to close an environment.
_REASON = 300  # Characters.


class Hub:
  """Gives a run its steps, from a process that Ray may end along with its own.

  It has a session of its own too: a signal to all processes of a batch job
  would end Ray's among them.
  """

  def __init__(
    self,
    place: joining.Place,
    resolved: Mapping[str, str],
    specs: Sequence[Any],
    seed: int,
    begun: Sequence[int],
  ):
    """Joins the cluster, and begins workers there.

    Args:
      place: the cluster, as `joining.check` has found it good.
      resolved, specs: see `worker.Worker.begin`.
      seed: the run's.
      begun: how often each worker has been begun before.

    Raises:
      errors.UserError: what `joining.joined` raises.
    """
    with contextlib.suppress(PermissionError):  # It leads a group already.
      os.setsid()
    _be_quiet()
    self._ray = contextlib.ExitStack()
    # A later one makes do with the nodes that are left.
    workers = 1 if any(begun) else len(begun)
    self._ray.enter_context(joining.joined(place._replace(workers=workers)))
    self._weights: ray.ObjectRef | None = None
    actor = ray.remote(concurrency_groups={'life': 1})(worker.Worker)
    needs = dict(place.needs)
    processors, devices = needs.pop('CPU', 0), needs.pop('GPU', 0)
    make = actor.options(
      num_cpus=processors,
      num_gpus=devices,
      resources=needs,
      scheduling_strategy='SPREAD',
      runtime_env={'env_vars': {'TF_NUM_INTRAOP_THREADS': '1'}},
    )
    self._members = [
      _Member(
        make.remote,
        functools.partial(_arguments, resolved, specs, seed, number),
        start,
      )
      for number, start in enumerate(begun)
    ]
    # What each worker has told, which the run has not taken yet.
    self._news: list[collections.deque[messages.Chunk | messages.Lost]] = [
      collections.deque() for _ in begun
    ]
    self._lock = threading.Lock()  # Of these and of the members.
    self._is_closed = threading.Event()
    self._watcher = threading.Thread(target=self._watch, daemon=True)
    self._watcher.start()

  def take(
    self, weights: messages.Weights | None, is_random: bool
  ) -> list[tuple[int, messages.Chunk | messages.Lost]]:
    """Returns what workers have told since, one thing each, by their numbers.

    It waits for the first for a second. They go on then, a chunk at a time.

    Args:
      weights: of the policy from now on, if they are new.
      is_random: whether to act at random from now on.
    """
    if weights:
      self._weights = ray.put(weights)
    policy = None if is_random else self._weights
    until = time.monotonic() + _WAIT_SECONDS
    while True:
      with self._lock:
        self._look()
        found = [
          (number, told.popleft())
          for number, told in enumerate(self._news)
          if told
        ]
        for member in self._members:
          member.go_on(policy)
        pending = [ref for member in self._members for ref in member.pending]
      if found or time.monotonic() > until:
        return found
      ray.wait(pending, timeout=_WAIT_SECONDS)

  def close(self):
    """Has environments closed, ends the workers, and leaves the cluster."""
    self._is_closed.set()
    self._watcher.join()
    with self._ray:
      closed = [ref for member in self._members for ref in member.close()]
      ray.wait(closed, num_returns=len(closed), timeout=_CLOSE_SECONDS)

  def _watch(self):
    """Sees to the workers while the run does something else."""
    while not self._is_closed.wait(_WAIT_SECONDS):
      with self._lock:
        self._look()

  def _look(self):
    for told, member in zip(self._news, self._members, strict=True):
      if news := member.news():
        told.append(news)


class _Member:
  """A worker, and the one after it where it is lost."""

  def __init__(
    self,
    make: Callable[[], Any],
    arguments: Callable[[int], Sequence[Any]],
    start: int,
  ):
    """Begins a worker.

    Args:
      make: makes an actor.
      arguments: returns what it begins with, given how often one was begun.
      start: how often.
    """
    self._make = make
    self._arguments = arguments
    self._start = start
    self._begin()

  @property
  def pending(self) -> list[ray.ObjectRef]:
    """What it has not answered yet."""
    return [ref for ref in (self._call, self._beat) if ref is not None]

  def news(self) -> messages.Chunk | messages.Lost | None:
    """Returns the chunk that it has answered with, or that it is lost."""
    ready, _ = ray.wait(self.pending, num_returns=len(self.pending), timeout=0)
    try:
      if self._beat in ready:
        ray.get(self._beat)
        self._beat, self._limit = None, min(self._limit, _BEGIN_SECONDS)
      if self._call in ready:
        call, self._call = self._call, None
        return self._answered(ray.get(call, timeout=_LOST_SECONDS))
    except Exception as error:  # Ray's, or whatever the worker has raised.
      return self._lose(_short(error))
    now = time.monotonic()
    if self._beat is None and now > self._asked + _BEAT_SECONDS:
      self._beat, self._asked = self._actor.beat.remote(), now
    if self._beat is not None and now > self._asked + self._limit:
      return self._lose(f'it has not answered for {self._limit:.0f} s')
    return None

  def go_on(self, weights: ray.ObjectRef | None):
    """Has it collect the next chunk, unless it is at work."""
    if self._call is None:
      self._call = self._actor.collect.remote(weights)

  def close(self) -> list[ray.ObjectRef]:
    """Has it close its environment; returns what it answers when it has."""
    return [self._actor.close.remote()] if self._has_begun else []

  def _answered(self, answer):
    if self._has_begun:
      return answer
    if answer:
      return self._lose(answer[0])
    self._has_begun, self._limit = True, _LOST_SECONDS
    return None

  def _begin(self):
    self._actor = self._make()
    self._has_begun, self._limit = False, _START_SECONDS
    self._call = self._actor.begin.remote(*self._arguments(self._start))
    self._beat, self._asked = self._actor.beat.remote(), time.monotonic()

  def _lose(self, reason: str) -> messages.Lost:
    lost = messages.Lost(reason, self._has_begun)
    with contextlib.suppress(Exception):  # It may be gone.
      ray.kill(self._actor)
    self._start += 1
    self._begin()
    return lost


def _be_quiet():
  """Keeps off the screen what Ray writes; what matters the run says."""
  nowhere = os.open(os.devnull, os.O_WRONLY)
  for stream in (1, 2):
    os.dup2(nowhere, stream)
  os.close(nowhere)


def _arguments(resolved, specs, seed, number, start):
  return resolved, specs, collection.seed_of(seed, number, start)


def _short(error: Exception) -> str:
  """Returns one line of Ray's many, which end with an exception's own."""
  line = -1 if isinstance(error, ray.exceptions.RayTaskError) else 0
  return errors.short(str(error).strip().splitlines()[line], _REASON)
