"""Tells how much memory is left, and has freed memory used again."""

import ctypes
import pathlib

import psutil

from slac import errors

# The names of the limit, of the usage, and of the file cache that the kernel
# gives up under pressure, in the two versions of Linux control groups.
_V1 = ('memory.limit_in_bytes', 'memory.usage_in_bytes', 'total_inactive_file')
_V2 = ('memory.max', 'memory.current', 'inactive_file')

# Parameters of glibc's mallopt, and the largest value that they take.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_INT_MAX = 2**31 - 1


def keep_freed():
  """Has glibc's allocator use again what is freed; to be called at the start.

  By itself it returns blocks as large as an update's to the system, which then
  has every page of them zeroed and mapped again in the next update: 200,000
  pages and half the time, at the sizes of gin/quick.gin. All threads share one
  heap: with one each, what one thread allocates another would free, and heaps
  would grow for days. Elsewhere than on glibc this does nothing.
  """
  mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
  if mallopt:
    mallopt(_M_MMAP_MAX, 0)  # No block is a mapping of its own.
    mallopt(_M_TRIM_THRESHOLD, _INT_MAX)
    mallopt(_M_ARENA_MAX, 1)


def available() -> int:
  """Returns the bytes that can be taken without swapping.

  That is what the machine has free or, where it is less, what the control
  groups of this process (containers, batch systems) leave it.
  """
  return min([psutil.virtual_memory().available, *free_in_cgroups()])


def check_fits(setting: str, count: int, nbytes: int):
  """Raises a UserError if `count` things of `nbytes` each are too many.

  Args:
    setting: the gin setting that says how many they are.
    count: how many they are.
    nbytes: bytes of each.
  """
  there_is = available()
  if count * nbytes > there_is:
    raise errors.UserError(
      f'{setting} = {count} takes {count * nbytes / 1e9:.2f} GB of memory but '
      f'{there_is / 1e9:.2f} GB are available: set it to '
      f'{there_is // nbytes} at most.'
    )


def free_in_cgroups(root: str = '/') -> list[int]:
  """Returns the bytes left under each memory limit set on this process.

  Args:
    root: where `proc` and `sys` are mounted.

  Returns:
    One value per limit; empty where there are none, as outside of Linux.
  """
  membership = pathlib.Path(root, 'proc/self/cgroup')
  mount = pathlib.Path(root, 'sys/fs/cgroup')
  if not membership.is_file():
    return []
  free = []
  for line in membership.read_text().splitlines():
    _, controllers, path = line.split(':', 2)
    if not controllers:
      free += _free_in_hierarchy(mount, path, _V2)
    elif 'memory' in controllers.split(','):
      free += _free_in_hierarchy(mount / 'memory', path, _V1)
  return free


def _free_in_hierarchy(mount, path, names) -> list[int]:
  """Free bytes under the limits of the group `path` and of its ancestors."""
  limit_file, usage_file, cache = names
  group = mount / path.lstrip('/')
  free = []
  for folder in (group, *group.parents):
    # A container may see its own group as the root, under another name than
    # the one in /proc/self/cgroup; folders it cannot see are passed over.
    limit = folder / limit_file
    if mount not in (folder, *folder.parents) or not limit.is_file():
      continue
    limit = limit.read_text().strip()
    if limit != 'max':
      usage = int((folder / usage_file).read_text())
      stat = (folder / 'memory.stat').read_text().split()
      usage -= int(dict(zip(stat[::2], stat[1::2], strict=True)).get(cache, 0))
      free.append(max(0, int(limit) - usage))
  return free
