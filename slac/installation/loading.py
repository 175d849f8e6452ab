"""Has TensorFlow load beside MuJoCo's renderer, with Keras 2, and quietly.

`slac/__init__.py` puts `Finder` in the way of its import; what was imported
before that is too late to change, and `check_symbols` and `check_keras` say so.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import importlib.machinery
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

from slac import errors

# TensorFlow's module that puts the symbols of its library into the scope of the
# whole process. There Mesa's driver, which needs another version of LLVM, finds
# TensorFlow's and crashes. Without this module the symbols stay TensorFlow's
# own; libraries of custom operations name the one they need, and still load.
_GLOBAL_SYMBOLS = 'tensorflow.python.pywrap_dlopen_global_flags'
# Leaves out what TensorFlow writes before its log has a level.
_FILTER = """
import sys
for line in sys.stdin.buffer:
  if not line.startswith((b'I0000 ', b'WARNING: All log messages before absl')):
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
"""
_keras_is_chosen = 'tensorflow' in sys.modules and os.environ.get(
  'TF_USE_LEGACY_KERAS'
) not in ('1', 'true', 'True')


class Finder(importlib.abc.MetaPathFinder):
  """Finds TensorFlow where it is, and has it imported as this module says."""

  def find_spec(
    self, fullname: str, path=None, target: ModuleType | None = None
  ) -> importlib.machinery.ModuleSpec | None:
    """Returns the spec of `tensorflow`, or None for any other module."""
    if fullname != 'tensorflow':
      return None
    spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
    if spec and spec.loader:
      execute = functools.partial(_execute, spec.loader.exec_module)
      spec.loader.exec_module = execute  # type: ignore[method-assign]
    return spec


def check_symbols() -> None:
  """Raises a UserError (69) if the next renderer may crash the process."""
  if sys.modules.get(_GLOBAL_SYMBOLS):
    raise errors.UserError(
      'TensorFlow was imported before slac, so that its symbols would crash '
      "Mesa's renderer: import slac first.",
      os.EX_UNAVAILABLE,
    )


def check_keras() -> None:
  """Raises a UserError (69) if TensorFlow has chosen Keras 3."""
  if _keras_is_chosen:
    raise errors.UserError(
      'TensorFlow was imported before slac, and has chosen Keras 3, which '
      'TF-Agents does not know: import slac first.',
      os.EX_UNAVAILABLE,
    )


def _execute(exec_module: Callable[[ModuleType], None], module: ModuleType):
  """Executes TensorFlow's module."""
  sys.modules[_GLOBAL_SYMBOLS] = None  # type: ignore[assignment]
  try:
    with _filtered_stderr():
      exec_module(module)
  finally:
    del sys.modules[_GLOBAL_SYMBOLS]


@contextlib.contextmanager
def _filtered_stderr() -> Iterator[None]:
  """Passes on what is written to stderr, but for TensorFlow's first notices.

  Another process does so: it also passes on what TensorFlow says in a crash.
  """
  process = None
  # Not if the user wants to know, or stderr is closed.
  with contextlib.suppress(OSError):
    if os.environ.get('TF_CPP_MIN_LOG_LEVEL') == '3':
      stderr = os.dup(2)
      process = subprocess.Popen(
        [sys.executable, '-I', '-S', '-c', _FILTER],
        stdin=subprocess.PIPE,
        stdout=stderr,
        start_new_session=True,  # Ctrl-C is for this process.
      )
  if not process:
    yield
    return
  os.dup2(process.stdin.fileno(), 2)
  try:
    yield
  finally:
    if sys.stderr:
      sys.stderr.flush()
    os.dup2(stderr, 2)
    os.close(stderr)
    process.stdin.close()
    # Longer only if a process begun meanwhile writes to it.
    with contextlib.suppress(subprocess.TimeoutExpired):
      process.wait(1)
