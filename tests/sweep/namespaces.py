"""A cluster whose nodes have a network of their own each, which can be cut.

All of it is in namespaces that end with `run`, whatever ends it, with the
processes and links in them; nothing of this machine's network is touched.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import psutil

from slac.config import bindings
from tests.sweep import clusters

_HEAD = '10.0.0.1'
_PORT = 6379
_RAY = (sys.executable, '-m', 'ray.scripts.scripts', 'start')
# Where the first process ends, so do all.
_NAMESPACES = (
  *('setpriv', '--pdeathsig', 'KILL', 'unshare', '--net', '--pid'),
  *('--mount-proc', '--fork', '--kill-child'),
)
_BRIDGE = """
ip link set lo up
ip link add hub type bridge
ip address add {address}/24 dev hub
ip link set hub up
"""
# The other end of a node's link is in the namespace of the bridge.
_NODE = """
ip link set lo up
ip link add eth0 type veth peer name {link} netns {bridge}
ip address add {address}/24 dev eth0
ip link set eth0 up
nsenter --net=/proc/{bridge}/ns/net ip link set {link} master hub up
echo joined
exec sleep infinity
"""


def run(script: str) -> int:
  """Runs Python in namespaces and a TMPDIR of its own; returns its exit code.

  Args:
    script: the text, in which a `Network` or a `Cluster` can be made.

  Raises:
    SystemExit: this machine or this user cannot make them.
  """
  is_root = os.geteuid() == 0
  command = [*_NAMESPACES, *(() if is_root else ('--map-root-user',))]
  _probe(command)
  with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    return subprocess.run(
      [*command, sys.executable, '-c', script],
      cwd=bindings.ROOT,
      env={
        **os.environ,
        **clusters.variables(),
        'RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER': '1',  # More than the loopback.
        'TMPDIR': folder,  # What nodes leave is removed with it.
      },
    ).returncode


class Network:
  """A bridge in this namespace, and nodes in others that are joined to it."""

  def __init__(self):
    """Makes the bridge."""
    script = _BRIDGE.format(address=_HEAD)
    subprocess.run(['sh', '-ec', script], check=True)
    self._nodes: dict[str, subprocess.Popen] = {}

  def add_node(self) -> str:
    """Joins a new node; returns its address."""
    number = len(self._nodes) + 2
    address = f'10.0.0.{number}'
    script = _NODE.format(
      link=_link(address), bridge=os.getpid(), address=address
    )
    node = subprocess.Popen(
      ['unshare', '--net', 'sh', '-ec', script],
      stdout=subprocess.PIPE,
      text=True,
    )
    assert node.stdout.readline() == 'joined\n'
    self._nodes[address] = node
    return address

  def on(self, address: str, *command: str) -> list[str]:
    """Returns the command that runs another on a node."""
    namespace = f'/proc/{self._nodes[address].pid}/ns/net'
    return ['nsenter', f'--net={namespace}', *command]

  @contextlib.contextmanager
  def cut(self, address: str) -> Iterator[None]:
    """Has nothing reach a node, nor come from it, within the context."""
    _set(address, 'down')
    try:
      yield
    finally:
      _set(address, 'up')


class Cluster:
  """A cluster of a head without processors, and nodes with one each."""

  def __init__(self, nodes: int):
    """Begins it, its head beside the bridge."""
    self._network = Network()
    self.address = f'{_HEAD}:{_PORT}'
    head = '--head', f'--port={_PORT}', '--include-dashboard=false'
    _start([*_ray(_HEAD, processors=0), *head])
    for _ in range(nodes):
      self.add_node()

  def add_node(self) -> None:
    """Begins another node."""
    node = self._network.add_node()
    command = *_ray(node, processors=1), f'--address={self.address}'
    _start(self._network.on(node, *command))

  @contextlib.contextmanager
  def cut(self, raylet: psutil.Process) -> Iterator[None]:
    """Cuts off the node of a raylet within the context."""
    flag = '--node_ip_address='
    (node,) = (w for w in raylet.cmdline() if w.startswith(flag))
    with self._network.cut(node.removeprefix(flag)):
      yield


def _probe(command):
  """Raises SystemExit if the command makes no namespaces."""
  probe = [*command, 'ip', 'link', 'add', 'hub', 'type', 'bridge']
  try:
    subprocess.run(probe, check=True, capture_output=True, text=True)
  except (OSError, subprocess.CalledProcessError) as error:
    reason = (getattr(error, 'stderr', '') or str(error)).strip()
    sys.exit(f'Networks of nodes cannot be made here ({reason}): be root.')


def _link(address):
  return 'node' + address.rpartition('.')[2]


def _set(address, state):
  subprocess.run(['ip', 'link', 'set', _link(address), state], check=True)


def _ray(address, processors):
  return *_RAY, f'--node-ip-address={address}', f'--num-cpus={processors}'


def _start(command):
  subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
