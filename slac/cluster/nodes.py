"""Looks at the nodes of a Ray cluster, which have to be as this one is."""

import os
import platform
from collections.abc import Mapping
from typing import Any

from slac import errors
from slac.installation import packages

# A file in the storage that is there for the nodes to look for.
MARK = '.slac-sweep'
_SECONDS = 60.0  # In which a node, however busy, begins a process.


def check(nodes: Mapping[str, str], storage: str | None) -> None:
  """Raises the UserError of the first node that is not as this one is.

  Args:
    nodes: their addresses by their ids.
    storage: what each of them must see.
  """
  import ray
  from ray.util import scheduling_strategies

  mark = MARK

  # A nested function is sent as a whole; a node may lack the package.
  def look():
    import os
    import platform

    from pyarrow import fs

    there = True
    if storage:
      system, path = fs.FileSystem.from_uri(storage)
      try:
        info = system.get_file_info(f'{path}/{mark}')
        there = info.type == fs.FileType.File
      except OSError:  # It may not look, or cannot reach it.
        there = False
    found = {
      'sees': there,
      'python': platform.python_version(),
      'is_guarded': os.environ.get('RAY_AUTH_MODE') == 'token',
    }
    try:
      from slac.installation import packages
    except ImportError:
      return {**found, 'package': 'none'}
    return {**found, 'package': packages.digest()}

  tasks = {}
  for node, name in nodes.items():
    here = scheduling_strategies.NodeAffinitySchedulingStrategy(
      node, soft=False
    )
    task = ray.remote(look).options(num_cpus=0, scheduling_strategy=here)
    tasks[task.remote()] = name
  done, late = ray.wait(list(tasks), num_returns=len(tasks), timeout=_SECONDS)
  if late:
    raise errors.UserError(
      f'The node {tasks[late[0]]} does not answer: stop or mend it.',
      os.EX_UNAVAILABLE,
    )
  for task in done:
    try:
      found = ray.get(task)
    except ray.exceptions.RayError as error:
      reason = errors.short(str(error).splitlines()[-1], 300)
      raise errors.UserError(
        f'The node {tasks[task]} could not be looked at ({reason}): stop or '
        'mend it.',
        os.EX_UNAVAILABLE,
      ) from error
    if fault := fault_of(found, storage):
      raise errors.UserError(f'The node {tasks[task]} {fault[0]}.', fault[1])


def fault_of(
  found: Mapping[str, Any], storage: str | None
) -> tuple[str, int] | None:
  """Returns what is wrong with a node, and the exit code; or None.

  Args:
    found: its Python, the digest of its package, whether it sees the storage,
      and whether it asks for a token.
    storage: the name of that storage.
  """
  own = platform.python_version()
  if not found['is_guarded']:
    return (
      'asks for no token, so whoever reaches it runs code on it: begin it '
      'again with RAY_AUTH_MODE=token',
      os.EX_NOPERM,
    )
  if found['python'] != own:
    return (
      f'has Python {found["python"]}, not {own}: begin it with that one',
      os.EX_UNAVAILABLE,
    )
  if found['package'] != packages.digest():
    return (
      'has no slac, or another version of it: bring the same one to all nodes, '
      'in the same folder or installed',
      os.EX_UNAVAILABLE,
    )
  if not found['sees']:
    return (
      f'does not see what others write to --storage={storage}: name a folder '
      'that all nodes see, or a URI such as s3://BUCKET/FOLDER',
      os.EX_CANTCREAT,
    )
  return None
