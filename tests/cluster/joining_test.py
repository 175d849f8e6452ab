"""Tests of slac/cluster/joining.py: what is refused before anything runs."""

import contextlib
import socket
import sys

import pytest

from slac import errors
from slac.cluster import joining


def where(address, needs):
  remedy = 'ask for less with --cpus and --gpus'
  return joining.Place('--ray', address, 'A run', needs, remedy)


@contextlib.contextmanager
def refused(code, *texts):
  with pytest.raises(errors.UserError) as caught:
    yield
  assert caught.value.exit_code == code
  assert all(text in str(caught.value) for text in texts)


def test_no_ray(monkeypatch):
  monkeypatch.setitem(sys.modules, 'ray', None)
  monkeypatch.setattr(joining, '_LOCAL', {})
  monkeypatch.setenv('RAY_AUTH_MODE', 'token')
  place = where('local', {'CPU': 1})
  with refused(69, 'Ray', 'pip install --no-deps -r requirements-cluster.txt'):
    joining.check(place)


def test_a_machine_that_is_too_small(monkeypatch):
  monkeypatch.setattr(joining, '_LOCAL', {})
  monkeypatch.setenv('RAY_AUTH_MODE', 'token')
  place = where('local', {'CPU': 4096})
  with refused(69, 'asks for 4096 CPU', 'at most'):
    joining.check(place)


def test_a_cluster_that_asks_for_no_token(monkeypatch):
  monkeypatch.setenv('RAY_AUTH_MODE', 'disabled')
  place = where('local', {'CPU': 1})
  with refused(77, "'disabled'", 'unset it'):
    joining.check(place)


def test_what_is_no_address():
  with refused(78, '--ray=head is neither local nor HOST:PORT'):
    joining.check(where('head', {}))


def test_nobody_answers_at_an_address():
  with socket.socket() as taken:
    taken.bind(('127.0.0.1', 0))  # And does not listen.
    address = f'127.0.0.1:{taken.getsockname()[1]}'
    with refused(69, f'--ray={address}', 'does not answer', 'ray start --head'):
      joining._check_answers(where(address, {}))


@pytest.mark.slow
def test_something_else_answers_at_an_address(monkeypatch):
  pytest.importorskip('ray')
  monkeypatch.setattr(joining, '_PROBE_SECONDS', 5)
  with socket.socket() as other:
    other.bind(('127.0.0.1', 0))
    other.listen()
    address = f'127.0.0.1:{other.getsockname()[1]}'
    with refused(69, f'--ray={address} is no cluster', 'ray start --address'):
      joining._check_answers(where(address, {}))


@pytest.mark.slow
def test_a_storage_that_cannot_be_written(monkeypatch, tmp_path):
  pytest.importorskip('ray')
  monkeypatch.setattr(joining, '_LOCAL', {})
  monkeypatch.setenv('RAY_AUTH_MODE', 'token')
  file = tmp_path / 'file'
  file.touch()
  place = where('local', {'CPU': 1})._replace(storage=f'{file.as_uri()}/below')
  with refused(73, f'--storage={file.as_uri()}/below cannot be written'):
    joining.check(place)


def test_a_cluster_that_cannot_be_begun(monkeypatch):
  ray = pytest.importorskip('ray')

  def failing(*_, **__):
    raise Exception('The node timed out.')

  monkeypatch.setattr(ray, 'init', failing)
  with (
    refused(69, '--ray=local cannot', 'The node timed out.', 'too busy'),
    joining.joined(where('local', {'CPU': 1})),
  ):
    pass


def test_no_node_has_what_a_run_asks_for():
  nodes = [{'CPU': 4.0}, {'CPU': 1.0, 'GPU': 2.0}]
  joining._check_resources(where('local', {'CPU': 1, 'GPU': 0.5}), nodes)
  joining._check_resources(where('local', {'CPU': 4}), nodes)
  with refused(69, 'asks for 2 CPU, 1 GPU', 'at most 4 CPU, 2 GPU', '--gpus'):
    joining._check_resources(where('local', {'CPU': 2, 'GPU': 1}), nodes)


def test_more_workers_than_the_nodes_have_room_for():
  beside_robots = [{'CPU': 9.0, 'robot': 1.0}, {'CPU': 9.0, 'robot': 1.0}]
  place = where('local', {'robot': 1.0})
  joining._check_resources(place._replace(workers=2), beside_robots)
  with refused(
    69,
    '5 workers ask for 1 robot each, but the nodes of the cluster have that '
    'for 2: set Collection.workers = 2, or ask for less',
  ):
    joining._check_resources(place._replace(workers=5), beside_robots)
  # What is left of a node is of no use to one that needs more.
  halves = [{'CPU': 3.0}, {'CPU': 3.0}]
  place = where('local', {'CPU': 2.0})
  with refused(69, '3 workers ask for 2 CPU each', 'that for 2: set'):
    joining._check_resources(place._replace(workers=3), halves)
  # Without a resource any number may share a node.
  place = where('local', {})
  joining._check_resources(place._replace(workers=1000), halves)
