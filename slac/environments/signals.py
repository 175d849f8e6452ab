"""The signals that tell a run to stop, and what they call."""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

# Ctrl-C, a closed terminal, and what batch systems send before they kill.
STOPPING = (
  signal.SIGINT,
  signal.SIGTERM,
  signal.SIGHUP,
  signal.SIGXCPU,
  signal.SIGUSR1,
)
# A terminal, or coreutils' timeout, may send several at once.
SECONDS_AS_ONE = 1.0
_Handler = Callable[[int, FrameType | None], None]


def handle(handler: _Handler) -> dict[int, Any]:
  """Has a function called at those signals; returns their handlers before.

  Under nohup a closed terminal is to be ignored, and stays so.
  """
  return {
    number: signal.signal(number, handler)
    for number in STOPPING
    if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
  }


@contextlib.contextmanager
def handled(handler: _Handler) -> Iterator[None]:
  """Has a function called at them for a while."""
  before = handle(handler)
  try:
    yield
  finally:
    for number, own in before.items():
      signal.signal(number, own)


@contextlib.contextmanager
def waiting(numbers: Iterable[int] = STOPPING) -> Iterator[None]:
  """Has those that come meanwhile wait.

  A process that is begun meanwhile has them wait for ever, or until it says
  otherwise.
  """
  before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
  try:
    yield
  finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
