"""What docs/deployment.md shows does what it says, as it is written."""

import pathlib
import re
import time

import numpy as np
import pytest

from slac.deployment import exporting
from tests.deployment import exported

PAGE = exporting.packages.REPOSITORY / 'docs' / 'deployment.md'
TEXT = PAGE.read_text()
(FOLDER,) = re.findall(r'--export=(\S+)', TEXT)
LOOP, PLAIN = re.findall(r'```python\n(.*?)```', TEXT, re.S)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
  """Where the page's command has left a policy."""
  root = tmp_path_factory.mktemp('root')
  agent = exported.make_agent('history')
  exporting.export(exported.parts(agent), root / FOLDER, 800)
  return root


def run(code, root, monkeypatch):
  """Returns the names that a page's code has defined."""
  monkeypatch.chdir(root)
  names = {}
  exec(compile(code, str(pathlib.Path(PAGE.name)), 'exec'), names)
  return names


def test_the_loop(root, monkeypatch):
  slept = []
  monkeypatch.setattr(time, 'sleep', slept.append)
  monkeypatch.setattr(time, 'monotonic', lambda: 7.0)  # Time stands still.
  names = run(LOOP, root, monkeypatch)
  # At 4 steps of 25 ms an action is due every 100 ms.
  expected = [0.1 * step for _ in range(2) for step in range(1, 21)]
  np.testing.assert_allclose(slept, expected, rtol=1e-9)
  target = names['robot'].target
  assert np.all(target >= exported.LOW) and np.all(target <= exported.HIGH)
  np.testing.assert_array_equal(target, names['action'])
  assert names['state']['age'] == 3  # At most T.


def test_plain_tensorflow(root, monkeypatch):
  action = run(PLAIN, root, monkeypatch)['action'].numpy()
  loop = run(LOOP.replace('range(20)', 'range(1)'), root, monkeypatch)
  np.testing.assert_allclose(action[0], loop['action'], rtol=1e-6)
