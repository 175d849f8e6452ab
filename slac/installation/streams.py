"""Standard streams that may be closed or broken, and a file of what they said.

A terminal is closed, a pipe's reader ends, a disk fills up: what is said then
does not appear, but no command ends because of it.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shlex
import sys
import time
from typing import Any, TextIO

_FRAME_SECONDS = 30.0  # A progress bar is rewritten more often than that.
_MAX_WAITING = 1 << 20  # Characters that wait for the file.


def guard() -> None:
  """Has `sys.stdout` and `sys.stderr` raise no errors; does so once.

  Descriptors that are closed lead nowhere from here on. Else the next file that
  is opened, such as a checkpoint, would have what libraries print in it. And
  Ctrl-C, where nothing heeds it, ends the process without a trace.
  """
  with contextlib.suppress(OSError):
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
      pass
    os.close(descriptor)
  if not isinstance(sys.stdout, _Stream):
    transcript = _Transcript()
    sys.stdout = _Stream(sys.stdout, transcript)  # type: ignore[assignment]
    sys.stderr = _Stream(sys.stderr, transcript)  # type: ignore[assignment]
    _interrupt_quietly()


def _interrupt_quietly() -> None:
  report = sys.excepthook

  def without_trace(kind, error, trace):
    if not issubclass(kind, KeyboardInterrupt):
      report(kind, error, trace)

  sys.excepthook = without_trace


def keep_in(path: pathlib.Path) -> None:
  """Appends what was said since `guard`, and all that will be, to a file.

  Without `guard`, as where another program has called, nothing is kept.
  """
  if isinstance(sys.stdout, _Stream):
    sys.stdout.transcript.path = path.absolute()
    sys.stdout.flush()


class _Transcript:
  """What was said, in a file as soon as there is one that can be written."""

  def __init__(self):
    self.path = None
    began = time.strftime('%Y-%m-%d %H:%M:%S %z')
    self._waiting = f'--- {began}, process {os.getpid()}: '
    self._waiting += f'{shlex.join(sys.argv)}\n'
    self._framed = -_FRAME_SECONDS

  def add(self, text: str) -> None:
    """Takes a text; of a bar's frames only one in half a minute."""
    if '\r' in text:
      text, now = text.strip(), time.monotonic()
      if not text or now - self._framed < _FRAME_SECONDS:
        return
      text, self._framed = f'{text}\n', now
    self._waiting = (self._waiting + text)[-_MAX_WAITING:]
    self.write()

  def write(self) -> None:
    """Writes what waits, or leaves it for later."""
    if self.path and self._waiting:
      with contextlib.suppress(OSError):
        data = self._waiting.encode(errors='replace')
        with open(self.path, 'ab', buffering=0) as file:
          written = file.write(data)
        self._waiting = data[written:].decode(errors='replace')


class _Stream:
  """A text stream that loses what it cannot write, but raises no error."""

  def __init__(self, stream: TextIO | None, transcript: _Transcript):
    self.transcript = transcript
    self._stream = stream or open(os.devnull, 'w')  # noqa: SIM115

  def write(self, text: str) -> int:
    """Writes a text, and keeps it."""
    self.transcript.add(text)
    with contextlib.suppress(OSError, ValueError):
      self._stream.write(text)
    return len(text)

  def flush(self) -> None:
    """Writes what the stream and the file have kept back."""
    self.transcript.write()
    with contextlib.suppress(OSError, ValueError):
      self._stream.flush()

  def __getattr__(self, name: str) -> Any:
    return getattr(self._stream, name)
