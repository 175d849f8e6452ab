"""Tests of tests/sweep/namespaces.py: what a cut does, and what is left."""

import signal
import socket
import subprocess
import sys

import psutil
import pytest

from slac.config import bindings
from tests.sweep import namespaces

pytestmark = pytest.mark.slow

# Who begins the tests may ignore SIGINT, as a shell does in the background.
RUN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.sweep import namespaces
"""
SCRIPT = """
from tests.sweep import namespaces_test
namespaces_test.inside({!r})
"""


@pytest.fixture(autouse=True, scope='module')
def _possible():
  try:
    namespaces.run('')
  except SystemExit as error:
    pytest.skip(str(error))


def inside(mark: str):
  """Prints if a node reaches the head: before, within and after a cut."""
  network = namespaces.Network()
  node = network.add_node()
  server = socket.create_server(('', 0))
  port = server.getsockname()[1]
  reach = 'import socket; socket.create_connection(("10.0.0.1", {}), {})'

  def reaches(seconds):
    script = reach.format(port, seconds)
    command = network.on(node, sys.executable, '-c', script)
    return not subprocess.run(command, capture_output=True).returncode

  found = [reaches(60)]
  with network.cut(node):
    found.append(reaches(1))
  # The first packets may be lost; others follow after 1, 3 and 7 seconds.
  print(mark, *found, reaches(60), flush=True)
  if mark == 'waits':
    signal.pause()


def test_a_node_is_reached_but_for_a_cut(capfd):
  assert namespaces.run(SCRIPT.format('ends')) == 0
  assert capfd.readouterr().out == 'ends True False True\n'
  assert b'hub' not in subprocess.check_output(['ip', 'link'])


def test_a_script_that_fails():
  assert namespaces.run('raise SystemExit(3)') == 3


@pytest.mark.parametrize('name', ['SIGINT', 'SIGTERM', 'SIGKILL'])
def test_nothing_outlives_it(name):
  script = SCRIPT.format('waits')
  with subprocess.Popen(
    [sys.executable, '-c', f'{RUN}namespaces.run({script!r})'],
    cwd=bindings.ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
  ) as process:
    try:
      assert process.stdout.readline() == b'waits True False True\n'
      below = psutil.Process(process.pid).children(recursive=True)
      assert 'sleep' in [one.name() for one in below]  # The node.
      process.send_signal(signal.Signals[name])
      process.wait(60)
    finally:
      process.kill()  # Else a test that fails would wait for it here.
  _, alive = psutil.wait_procs(below, timeout=60)
  assert not alive


def test_one_sentence_where_there_can_be_none(monkeypatch):
  monkeypatch.setattr(namespaces, '_NAMESPACES', ('false',))
  with pytest.raises(SystemExit, match='cannot be made here'):
    namespaces.run('')
