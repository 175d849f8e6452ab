"""The versions of code, packages and machine that a run was made with."""

import datetime
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from slac.installation import packages

PACKAGES = (
  'tensorflow',
  'tensorflow-probability',
  'tf-agents',
  'gin-config',
  'dm-control',
  'gymnasium',
  'mujoco',
  'numpy',
)
# Environment variables that change the backend or the bits of a result.
VARIABLES = (
  'CUDA_VISIBLE_DEVICES',
  'MUJOCO_GL',
  'OMP_NUM_THREADS',
  'TF_DETERMINISTIC_OPS',
  'TF_ENABLE_ONEDNN_OPTS',
  'TF_NUM_INTEROP_THREADS',
  'TF_NUM_INTRAOP_THREADS',
)


def version(
  devices: Sequence[str] = (), compute_dtype: str | None = None
) -> dict[str, Any]:
  """Returns what besides the configuration decides a run's results, as JSON."""
  return {
    'started': datetime.datetime.now().astimezone().isoformat('T', 'seconds'),
    'command': sys.argv,
    'git': _git(),
    'code': packages.digest(['.py']),
    'python': platform.python_version(),
    'packages': {name: metadata.version(name) for name in PACKAGES},
    'host': platform.node(),
    'cpus': len(os.sched_getaffinity(0)),
    'devices': list(devices),
    'compute_dtype': compute_dtype,
    'environment': {name: os.environ.get(name) for name in VARIABLES},
  }


def _git() -> dict[str, Any] | None:
  """Returns the commit, and whether the working tree differs from it.

  That is None if the package is not in a repository of its own, as when it is
  installed somewhere within another project's.
  """
  if packages.IS_INSTALLED or not (packages.REPOSITORY / '.git').exists():
    return None
  command = ['git', '-C', str(packages.REPOSITORY)]
  try:
    commit, status = (
      subprocess.run(
        command + arguments, capture_output=True, text=True, check=True
      ).stdout.strip()
      for arguments in (['rev-parse', 'HEAD'], ['status', '--porcelain'])
    )
  except (OSError, subprocess.CalledProcessError):
    return None  # No git, or no commit yet.
  return {'commit': commit, 'dirty': bool(status)}
