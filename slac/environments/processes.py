"""Trying in a process of its own what cannot be undone, or may crash."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping


def run_script(
  script: str, settings: Mapping[str, str], seconds: float
) -> tuple[str, str | None]:
  """Runs Python code.

  Args:
    script: The code.
    settings: Environment variables beside those of this process.
    seconds: How long it may take.

  Returns:
    Its output, and in one line why it failed, or None.
  """
  try:
    process = subprocess.run(
      [sys.executable, '-c', script],
      env={**os.environ, **settings},
      stdin=subprocess.DEVNULL,
      capture_output=True,
      text=True,
      timeout=seconds,
    )
  except subprocess.TimeoutExpired:
    return '', f'no end within {seconds} s'
  if process.returncode == 0:
    return process.stdout, None
  if process.returncode < 0:
    return '', f'killed by signal {-process.returncode}'
  # The error, without the tracebacks of destructors that follow it.
  error = process.stderr.partition('Exception ignored in')[0].strip()
  return '', (error or f'exit {process.returncode}').splitlines()[-1]
