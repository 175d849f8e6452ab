"""Tests of slac/cluster/nodes.py: which nodes are refused."""

import platform
import types

import pytest

from slac.cluster import nodes
from slac.installation import packages
from tests.cluster import joining_test

GOOD = {
  'sees': True,
  'python': platform.python_version(),
  'is_guarded': True,
  'package': packages.digest(),
}


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
  (tmp_path / nodes.MARK).touch()
  nodes.check({'id': 'there'}, tmp_path.as_uri())


def test_a_node_that_may_not_look_at_the_storage(here):
  # Too long a name is as good as a folder that is closed, also to root.
  storage = f'file:///{300 * "a"}'
  with joining_test.refused(
    73, 'The node there does not see', '--storage=file:///aaa'
  ):
    nodes.check({'id': 'there'}, storage)


def test_a_node_that_dies_while_it_is_asked(here, monkeypatch):
  def dying(_):
    raise here.exceptions.WorkerCrashedError

  monkeypatch.setattr(here, 'get', dying)
  with joining_test.refused(
    69, 'The node there could not be looked at', 'died unexpected'
  ):
    nodes.check({'id': 'there'}, None)


def test_a_node_that_is_as_this_one():
  assert nodes.fault_of(GOOD, 's') is None


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
  fault, found = nodes.fault_of({**GOOD, **changed}, 'there')
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
