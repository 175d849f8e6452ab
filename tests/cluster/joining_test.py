"""Tests of slac/cluster/joining.py: what is refused before anything runs."""

import contextlib
import platform
import socket
import sys
import types

import pytest

from slac import errors
from slac.cluster import joining
from slac.installation import packages

GOOD = {
  'sees': True,
  'python': platform.python_version(),
  'is_guarded': True,
  'package': packages.digest(),
}


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


@pytest.fixture
def here(monkeypatch):
  """Has the nodes be this process, in the place of a cluster."""
  ray = pytest.importorskip('ray')
  from ray.util import scheduling_strategies

  def remote(function):
    task = types.SimpleNamespace(remote=lambda: function)
    return types.SimpleNamespace(options=lambda **_: task)

  strategy = 'NodeAffinitySchedulingStrategy'
  monkeypatch.setattr(scheduling_strategies, strategy, lambda *_, **__: None)
  monkeypatch.setattr(ray, 'remote', remote)
  monkeypatch.setattr(ray, 'wait', lambda tasks, **_: (tasks, []))
  monkeypatch.setattr(ray, 'get', lambda task: task())
  monkeypatch.setenv('RAY_AUTH_MODE', 'token')
  return ray


def test_a_node_that_sees_the_storage(here, tmp_path):
  (tmp_path / joining._MARK).touch()
  joining._check_nodes({'id': 'there'}, tmp_path.as_uri())


def test_a_node_that_may_not_look_at_the_storage(here):
  # Too long a name is as good as a folder that is closed, also to root.
  storage = f'file:///{300 * "a"}'
  with refused(73, 'The node there does not see', '--storage=file:///aaa'):
    joining._check_nodes({'id': 'there'}, storage)


def test_a_node_that_dies_while_it_is_asked(here, monkeypatch):
  def dying(_):
    raise here.exceptions.WorkerCrashedError

  monkeypatch.setattr(here, 'get', dying)
  with refused(69, 'The node there could not be looked at', 'died unexpected'):
    joining._check_nodes({'id': 'there'}, None)


def test_a_node_that_is_as_this_one():
  assert joining.node_fault(GOOD, 's') is None


@pytest.mark.parametrize(
  ('changed', 'text', 'code'),
  [
    ({'is_guarded': False}, 'asks for no token', 77),
    ({'python': '3.13.0'}, 'has Python 3.13.0, not', 69),
    ({'package': 'none'}, 'has no slac, or another version', 69),
    ({'sees': False}, '--storage=there', 73),
  ],
)
def test_a_node_that_differs(changed, text, code):
  fault, found = joining.node_fault({**GOOD, **changed}, 'there')
  assert text in fault and found == code


def test_other_code_is_another_package(monkeypatch, tmp_path):
  package = tmp_path / 'slac'
  package.mkdir()
  (package / 'a.py').write_text('a = 1\n')
  monkeypatch.setattr(packages, 'PACKAGE', package)
  monkeypatch.setattr(packages, 'REPOSITORY', tmp_path)
  (tmp_path / 'train_eval.py').write_text('')
  first = packages.digest()
  (package / 'notes.txt').write_text('no code')
  assert packages.digest() == first
  (package / 'a.py').write_text('a = 2\n')
  assert packages.digest() != first
