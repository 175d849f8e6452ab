"""Joins a Ray cluster, or says in a sentence why nothing can be run there."""

import contextlib
import math
import os
import re
import signal
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from slac import errors
from slac.cluster import nodes
from slac.environments import processes, signals

_ADDRESS = re.compile(r'[\w.-]+:\d{1,5}')
INSTALL = 'pip install --no-deps -r requirements-cluster.txt'
# Of Ray, which reads them where it is imported.
_LOCAL = {
  # The loopback alone; named after the systems where Ray does so by itself.
  'RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER': '0',
  'RAY_raylet_start_wait_time_s': '120',  # On a busy machine.
  'RAY_worker_niceness': '0',  # A run is as urgent as any other process.
  # No list of calls, which nobody looks at; it grows by 30 MB in an hour.
  'RAY_task_events_report_interval_ms': '0',
}
# Of these Ray's own processes would die, with which a sweep could not save any
# more. They heed SIGTERM, by which Ray ends them, and ignore SIGINT.
_KEPT_FROM_RAY = set(signals.STOPPING) - {signal.SIGINT, signal.SIGTERM}
# All that can be wrong is said within 20 seconds, unless a node is so busy that
# it begins no process.
_REACH_SECONDS, _PROBE_SECONDS = 3.0, 12.0
# In processes of their own, as Ray and file systems wait for minutes for what
# does not answer, and Ray may abort.
_CONNECT = """
import ray
ray.init({!r}, log_to_driver=False, logging_level='error')
"""
_STORE = """
from pyarrow import fs
system, path = fs.FileSystem.from_uri({!r})
system.create_dir(path)
with system.open_output_stream(path + '/{}') as file:
  file.write(b'slac')
"""


class Place(NamedTuple):
  """A cluster, and what is asked of it."""

  asked: str  # What a user names it by: a flag, or a setting.
  address: str  # HOST:PORT, or 'local' for one of this machine's own.
  who: str  # What runs there: 'A run'.
  needs: Mapping[str, float]  # What each takes of a node, by Ray's names.
  remedy: str  # What to do where no node has that.
  storage: str | None = None  # A URI of pyarrow's file systems.
  workers: int = 1  # How many of it run there at once.

  def __str__(self) -> str:
    return f'{self.asked}={self.address}'


def is_address(text: str) -> bool:
  """Whether it may be a `Place.address`."""
  return text == 'local' or bool(_ADDRESS.fullmatch(text))


def check(place: Place) -> None:
  """Makes sure that there are Ray, a cluster and a storage, by asking them.

  Raises:
    UserError: 69 if Ray is missing, does not answer or is too small; 73 if the
      storage cannot be written; 77 if tokens are switched off; 78 if the
      address is neither local nor HOST:PORT.
  """
  if not is_address(place.address):
    raise errors.UserError(
      f'{errors.short(str(place))} is neither local nor HOST:PORT, which `ray '
      'start --head` prints.'
    )
  if os.environ.setdefault('RAY_AUTH_MODE', 'token') != 'token':
    raise errors.UserError(
      f'RAY_AUTH_MODE is {os.environ["RAY_AUTH_MODE"]!r}, with which whoever '
      'reaches the cluster runs code on it: unset it.',
      os.EX_NOPERM,
    )
  if place.address == 'local':
    os.environ.update(_LOCAL)
    _check_resources(place, [{**place.needs, 'CPU': _cores()}])
  try:
    import ray  # noqa: F401
    from ray import tune  # noqa: F401
  except ImportError as error:
    raise errors.UserError(
      f'Ray, which {place.asked} asks for, is not here ({error}): {INSTALL}',
      os.EX_UNAVAILABLE,
    ) from error
  if place.storage:
    _try(
      _STORE.format(place.storage, nodes.MARK),
      f'--storage={place.storage} cannot be written',
      'name a folder that all nodes see, or a URI such as s3://BUCKET/FOLDER',
      os.EX_CANTCREAT,
    )
  if place.address != 'local':
    _check_answers(place)


@contextlib.contextmanager
def joined(place: Place) -> Iterator[None]:
  """Connects to a cluster that can run what is asked for.

  Args:
    place: as `check` has found it good. A local cluster listens on the loopback
      alone, and ends with the context.

  Raises:
    UserError: 69 if the nodes do not have what is needed, or one is not of this
      version; 73 if one does not see the storage; 77 if it asks for no token.
  """
  import ray

  # The name keeps apart what several drivers call by one name.
  settings: dict[str, Any] = {'namespace': uuid.uuid4().hex}
  settings |= {'log_to_driver': False, 'logging_level': 'error'}
  if place.address == 'local':
    settings |= {'num_cpus': _cores(), 'include_dashboard': False}
  try:
    with signals.waiting(_KEPT_FROM_RAY):
      ray.init(place.address, **settings)
  except Exception as error:  # Ray's own have no common class.
    raise errors.UserError(
      f'{place} cannot be joined or begun ({error}): is this machine too busy '
      'for it?',
      os.EX_UNAVAILABLE,
    ) from error
  try:
    alive = [node for node in ray.nodes() if node['Alive']]
    _check_resources(place, [node['Resources'] for node in alive])
    nodes.check(
      {node['NodeID']: node['NodeManagerAddress'] for node in alive},
      place.storage,
    )
    yield
  finally:
    ray.shutdown()


def _cores() -> int:
  return len(os.sched_getaffinity(0))


def _try(script: str, fault: str, remedy: str, code: int) -> None:
  _, reason = processes.run_script(script, {}, _PROBE_SECONDS)
  if reason:
    raise errors.UserError(
      f'{fault} ({errors.short(reason, 300)}): {remedy}.', code
    )


def _check_answers(place: Place) -> None:
  host, _, port = place.address.rpartition(':')
  try:
    socket.create_connection((host, int(port)), _REACH_SECONDS).close()
  except (OSError, OverflowError) as error:
    raise errors.UserError(
      f'{place} does not answer ({error}): begin a cluster there by `ray start '
      '--head`, or name the address that it has printed.',
      os.EX_UNAVAILABLE,
    ) from error
  _try(
    _CONNECT.format(place.address),
    f'{place} is no cluster that this machine is a node of',
    'begin a node here by `ray start --address`, with the Ray, the Python and '
    'the token (RAY_AUTH_TOKEN) of the others',
    os.EX_UNAVAILABLE,
  )


def _check_resources(
  place: Place, totals: Sequence[Mapping[str, float]]
) -> None:
  """Raises a UserError (69) if they cannot run it, which would wait.

  Args:
    place: the cluster.
    totals: what each node has, whoever uses it now.
  """
  needs = place.needs
  # Each runs on one node.
  room = sum(
    min((own.get(k, 0) // v for k, v in needs.items()), default=math.inf)
    for own in totals
  )
  if room >= place.workers:
    return
  asked = ', '.join(f'{value:g} {name}' for name, value in needs.items())
  if room:
    raise errors.UserError(
      f'{place.workers} workers ask for {asked} each, but the nodes of the '
      f'cluster have that for {room:g}: set Collection.workers = {room:g}, or '
      f'{place.remedy}.',
      os.EX_UNAVAILABLE,
    )
  most = ', '.join(
    f'{max(own.get(name, 0) for own in totals):g} {name}' for name in needs
  )
  raise errors.UserError(
    f'{place.who} asks for {asked}, but the nodes of the cluster have at most '
    f'{most}: {place.remedy}.',
    os.EX_UNAVAILABLE,
  )
