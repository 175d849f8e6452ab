"""An exported policy acts as the agent does, in the environment's bounds."""

import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from slac import deployment, errors
from slac.deployment import description, exporting
from tests import tiny
from tests.agents import policies_test
from tests.deployment import exported

FIRST, T = tiny.FIRST, tiny.T
STREAM = policies_test.STREAM  # Three episodes, one of them shorter than T.
REPOSITORY = exporting.packages.REPOSITORY

# What a robot has: TensorFlow; then this package's files beside it. All is
# blocked that training needs.
ELSEWHERE = """
import importlib.machinery, sys
for name in (
  *('tensorflow_probability', 'tf_agents', 'tf_keras', 'gin', 'gymnasium'),
  *('mujoco', 'dm_control', 'slac.agents', 'slac.models', 'slac.environments'),
  *('slac.training', 'slac.config'),
):
  sys.modules[name] = None
import numpy as np
import tensorflow as tf
folder, pixels, actions, repository = sys.argv[1:]
assert not importlib.machinery.PathFinder.find_spec('slac')
functions = tf.saved_model.load(folder)
state = functions.initial_state(1, 0)
found = []
for t, image in enumerate(np.load(pixels)):
  action, state = functions.act({'pixels': image[None]}, state, [t == 0])
  found.append(action[0].numpy())
sys.path.insert(0, repository)
import slac.deployment
policy = slac.deployment.load(folder)
state = policy.initial_state()
again = []
for t, image in enumerate(np.load(pixels)):
  action, state = policy({'pixels': image}, state, is_first=t == 0)
  again.append(action)
np.save(actions, [found, again])
"""


@pytest.fixture(scope='module')
def agent():
  return exported.make_agent('history')


@pytest.fixture(scope='module')
def folder(agent, tmp_path_factory):
  folder = tmp_path_factory.mktemp('greedy') / 'policy'
  exporting.export(exported.parts(agent), folder, 800)
  return folder


@pytest.fixture(scope='module')
def policy(folder):
  return deployment.load(folder)


def test_the_description_says_what_a_robot_must_know(folder):
  about = json.loads((folder / 'policy.json').read_text())
  assert about.pop('version') == '0.2.0'
  assert about == {
    'format': 1,
    'task': 'a task',
    'env_steps': 800,
    'action_repeat': 4,
    'greedy': True,
    'observation': {'pixels': {'shape': [64, 64, 3], 'dtype': 'uint8'}},
    'action': {
      'shape': [2],
      'dtype': 'float32',
      'minimum': [-2.0, 1.0],
      'maximum': [2.0, 11.0],
    },
    'state': {
      'seed': {'shape': [2], 'dtype': 'int32'},
      'past': {'shape': [T - 1, 4], 'dtype': 'float32'},
      'action': {'shape': [T - 1, 2], 'dtype': 'float32'},
      'age': {'shape': [], 'dtype': 'int32'},
    },
  }
  names = {path.name for path in folder.iterdir()}
  assert {'saved_model.pb', 'variables', 'policy.json'} <= names
  for path in folder.rglob('*.pb'):
    for word in (b'slac', b'tf_agents', os.fsencode(REPOSITORY)):
      assert word not in path.read_bytes()


def test_a_run_has_finished_when_its_end_was_exported(folder, tmp_path):
  def has_finished(config, steps):
    (tmp_path / 'config.json').write_text(json.dumps(config))
    resolved = {'Schedule.env_steps': str(steps), 'A.x': '1'}
    return exporting.has_finished(tmp_path, resolved)

  config = {'Schedule.env_steps': '799', 'A.x': '1'}
  assert not exporting.has_finished(tmp_path, config)  # There is no run.
  assert not has_finished(config, 799)  # It has no policy.
  shutil.copytree(folder, tmp_path / 'policy')
  assert has_finished(config, 799)  # In steps of 4 it ended at 800.
  assert has_finished({**config, 'Schedule.env_steps': '800'}, 800)
  assert not has_finished(config, 801)  # It is to be extended.
  assert not has_finished({**config, 'Schedule.env_steps': '801'}, 801)
  assert not has_finished({**config, 'A.x': '2'}, 799)
  called = {**config, 'Schedule.env_steps': '@budget()'}
  assert not has_finished(called, '@budget()')  # Nobody has called it yet.
  (tmp_path / 'policy' / 'policy.json').write_text('{')
  assert not has_finished(config, 799)
  (tmp_path / 'config.json').unlink()
  (tmp_path / 'config.json').symlink_to(folder / 'policy.json')
  with pytest.raises(errors.UserError, match='a link'):
    exporting.has_finished(tmp_path, config)


@pytest.mark.slow
def test_it_acts_where_there_is_tensorflow_alone(policy, folder, tmp_path):
  pixels = tiny.pixels(5)
  np.save(tmp_path / 'pixels.npy', pixels)
  result = subprocess.run(
    [
      *(sys.executable, '-I', '-c', ELSEWHERE, str(folder)),
      *(str(tmp_path / name) for name in ('pixels.npy', 'actions.npy')),
      str(REPOSITORY),
    ],
    cwd=tmp_path,
    env={k: v for k, v in os.environ.items() if not k.startswith('TF_')},
    capture_output=True,
    text=True,
  )
  assert result.returncode == 0, result.stderr
  here, _ = exported.act(policy, [{'pixels': image} for image in pixels])
  for there in np.load(tmp_path / 'actions.npy'):
    np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-6)


def save(content, folder):
  """Stands for TensorFlow's, which takes a second."""
  tf.io.write_file(f'{folder}/saved_model.pb', content)
  if content == 'killed':
    raise KeyboardInterrupt


@pytest.fixture
def quickly(monkeypatch):
  monkeypatch.setattr(exporting.tf.saved_model, 'save', save)


def content_of(folder):
  model = (folder / 'saved_model.pb').read_text()
  assert json.loads((folder / 'policy.json').read_text()) == {'is': model}
  return model


def write(content, folder):
  exporting.write(content, {'is': content}, folder)


def test_an_export_replaces_the_one_before_as_a_whole(tmp_path, quickly):
  folder = tmp_path / 'policy'
  write('first', folder)
  with pytest.raises(KeyboardInterrupt):
    write('killed', folder)
  assert content_of(folder) == 'first'
  write('second', folder)
  assert content_of(folder) == 'second'
  assert [path.name for path in tmp_path.iterdir()] == ['policy']


class Killer:
  """Kills its process at one of the calls that lead to the disk."""

  def __init__(self, moment):
    self._left = moment

  def __call__(self, function, *arguments):
    if not self._left:
      os.kill(os.getpid(), signal.SIGKILL)
    self._left -= 1
    return function(*arguments)


def write_until(moment, folder):
  """Writes a policy in a process that is killed then; whether it was."""
  child = os.fork()
  if not child:
    killer = Killer(moment)
    for name in ('fsync', 'mkdir', 'rename', 'replace'):
      call = functools.partial(killer, getattr(os, name))
      setattr(os, name, call)
    try:
      exporting.write('second', {'is': 'second'}, folder)
      os._exit(0)
    finally:
      os._exit(1)
  _, status = os.waitpid(child, 0)
  assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
  return os.WIFSIGNALED(status)


def test_a_kill_at_any_moment_leaves_no_half_policy(tmp_path, monkeypatch):
  def save(content, folder):  # TensorFlow's own threads are not forked.
    pathlib.Path(folder, 'saved_model.pb').write_text(content)

  monkeypatch.setattr(exporting.tf.saved_model, 'save', save)
  folder, found = tmp_path / 'policy', []
  moment, killed = 0, True
  while killed:
    write('first', folder)
    killed = write_until(moment, folder)
    found.append(content_of(folder) if folder.exists() else 'none')
    if not folder.exists():  # Between the two renames it has another name.
      assert content_of(tmp_path / '.policy.old') == 'first'
    moment += 1
  assert found == sorted(found, key=['first', 'none', 'second'].index)
  assert found.count('none') == 1 and len(found) > 6
  assert [path.name for path in tmp_path.iterdir()] == ['policy']


def test_a_killed_first_export_leaves_nothing_to_load(tmp_path, quickly):
  folder = tmp_path / 'policy'
  with pytest.raises(KeyboardInterrupt):
    write('killed', folder)
  assert list(tmp_path.iterdir()) == []
  # Nor does what no process could tidy up count as a policy.
  (tmp_path / '.policy.tmp').mkdir()
  (tmp_path / '.policy.tmp' / 'saved_model.pb').write_text('half')
  with pytest.raises(errors.UserError, match='There is no folder'):
    deployment.load(folder)
  write('second', folder)
  assert content_of(folder) == 'second'
  assert [path.name for path in tmp_path.iterdir()] == ['policy']


def test_a_policy_is_not_lost_between_the_two_renames(tmp_path, quickly):
  folder = tmp_path / 'policy'
  write('first', folder)
  folder.rename(tmp_path / '.policy.old')  # Where a killed process left it.
  with pytest.raises(KeyboardInterrupt):
    write('killed', folder)
  assert content_of(folder) == 'first'
  assert [path.name for path in tmp_path.iterdir()] == ['policy']


def test_an_export_replaces_the_policy_of_an_older_version(tmp_path, quickly):
  folder = tmp_path / 'policy'
  folder.mkdir()
  for name in ('saved_model.pb', 'policy_specs.pbtxt', 'fingerprint.pb'):
    (folder / name).write_text('older')
  write('first', folder)
  assert content_of(folder) == 'first'
  assert not (folder / 'policy_specs.pbtxt').exists()


def test_an_export_replaces_nothing_but_a_policy(tmp_path, quickly):
  (tmp_path / 'thesis.tex').write_text('precious')
  with pytest.raises(errors.UserError, match=r'holds thesis\.tex') as error:
    write('first', tmp_path)
  assert error.value.exit_code == 73
  assert (tmp_path / 'thesis.tex').read_text() == 'precious'


def test_an_export_replaces_no_file_no_link_and_not_where_one_is(
  tmp_path, quickly, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'notes.txt').write_text('precious')
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'link').symlink_to('empty')
  for name in ('notes.txt', 'link', '.', 'empty/..'):
    with pytest.raises(errors.UserError, match='name a new folder') as error:
      write('first', pathlib.Path(name))
    assert error.value.exit_code == 73
  assert (tmp_path / 'notes.txt').read_text() == 'precious'
  names = sorted(path.name for path in tmp_path.iterdir())
  assert names == ['empty', 'link', 'notes.txt']


def test_an_export_that_cannot_be_written_is_a_sentence(tmp_path, quickly):
  (tmp_path / 'file').write_text('')
  with pytest.raises(
    errors.UserError, match='Cannot write the policy'
  ) as error:
    write('first', tmp_path / 'file' / 'policy')
  assert error.value.exit_code == 74
  assert '\n' not in str(error.value) and f'{tmp_path}/file' in str(error.value)


def test_a_policy_is_current_until_the_run_is_extended(tmp_path, monkeypatch):
  monkeypatch.setattr(description, 'read', lambda folder: {'env_steps': 800})
  current = [exporting.is_current(tmp_path, n) for n in (796, 800, 804)]
  assert current == [False, True, False]
