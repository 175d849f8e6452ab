"""Runs code that may crash, or cannot be undone, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

LATE = 'no end within'  # So begins the reason of a script that took too long.


def run_script(
  script: str, settings: Mapping[str, str], seconds: float
) -> tuple[str, str | None]:
  """Runs Python code in a new process.

  Args:
    script: The code.
    settings: Environment variables in addition to those of this process.
    seconds: How long the process may take.

  Returns:
    What it printed, and the reason why it failed in one line, or None.
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
    return '', f'{LATE} {seconds} s'
  if process.returncode == 0:
    return process.stdout, None
  if process.returncode < 0:
    return '', f'killed by signal {-process.returncode}'
  # Tracebacks of destructors may follow that of the error.
  error = process.stderr.partition('Exception ignored in')[0].strip()
  return '', (error or f'exit {process.returncode}').splitlines()[-1]
