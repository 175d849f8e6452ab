"""What SECURITY.md promises: to load a run executes nothing of it."""

import ast
import io
import json
import pathlib
import pickle
import sys
import zipfile

import gin
import numpy as np
import pytest
import tensorflow as tf

from slac import errors, play
from slac.config import bindings
from slac.replication import ours
from slac.storage import checkpoints, files, manifests, run_folder
from slac.training import experiment  # noqa: F401
from tests.replication import made_up

REPOSITORY = bindings.ROOT
SOURCES = [REPOSITORY / 'train_eval.py', *REPOSITORY.glob('slac/**/*.py')]
EXECUTING_MODULES = (
  *('cloudpickle', 'dill', 'joblib', 'marshal', 'pickle', 'shelve', 'yaml'),
  *('importlib.import_module', 'runpy'),
)
EXECUTING_CALLS = ('eval', 'exec', 'compile', '__import__', 'load_model')


class Trap:
  """Leaves a file where it is unpickled."""

  def __init__(self, path):
    self._path = str(path)

  def __reduce__(self):
    return (open, (self._path, 'w'))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  yield
  gin.clear_config()


MANIFEST = {'step': 1, 'oldest_row': 0, 'files': [], 'segments': []}


def refused(function, *arguments):
  """Returns message and exit code of the UserError of a call."""
  with pytest.raises(errors.UserError) as caught:
    function(*arguments)
  return str(caught.value), caught.value.exit_code


def calls(path):
  """Yields name and keywords of each call in a source file."""
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Call):
      yield ast.unparse(node.func), {k.arg: k.value for k in node.keywords}


def test_nothing_in_the_package_unpickles_or_evaluates():
  assert len(SOURCES) > 40
  loads, saved_models = 0, []
  for path in SOURCES:
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.Import):
        names = [name.name for name in node.names]
      elif isinstance(node, ast.ImportFrom):
        names = [node.module, *(f'{node.module}.{n.name}' for n in node.names)]
      else:
        continue
      for name in names:
        assert not name.startswith(EXECUTING_MODULES), (path, name)
    for name, keywords in calls(path):
      if name in ('np.load', 'np.lib.format.read_array', 'numpy.load'):
        assert keywords['allow_pickle'].value is False, path
        loads += 1
      assert name.split('.')[-1] not in EXECUTING_CALLS or name in (
        're.compile',
      ), (path, name)
      if name.endswith('saved_model.load'):
        saved_models.append(path.relative_to(REPOSITORY).as_posix())
  assert loads == 1  # The scan finds what there is.
  assert saved_models == ['slac/deployment/loaded.py']  # As SECURITY.md says.


def malicious_arrays(path, trap):
  """Writes an npz that creates the file `trap` if it is unpickled."""
  file = io.BytesIO()
  header = {'descr': '|O', 'fortran_order': False, 'shape': (1,)}
  np.lib.format.write_array_header_1_0(file, header)
  file.write(pickle.dumps(np.array([Trap(trap)], object)))
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('x.npy', file.getvalue())


def test_a_pickled_object_among_arrays_is_not_loaded(tmp_path):
  trap = tmp_path / 'sprung'
  malicious_arrays(tmp_path / 'arrays.npz', trap)
  with np.load(tmp_path / 'arrays.npz', allow_pickle=True) as archive:
    archive['x']
  assert trap.exists()  # So the trap is one.
  trap.unlink()
  message, code = refused(files.read_arrays, tmp_path / 'arrays.npz')
  assert 'arrays.npz does not hold plain arrays' in message
  assert code == 65
  (tmp_path / 'arrays.npz').write_bytes(pickle.dumps(Trap(trap)))
  assert refused(files.read_arrays, tmp_path / 'arrays.npz')[1] == 65
  assert not trap.exists()


def claiming(shape):
  """A file of one array that says it is of a shape, and holds a byte."""
  file = io.BytesIO()
  header = {'descr': '<f8', 'fortran_order': False, 'shape': shape}
  np.lib.format.write_array_header_1_0(file, header)
  return zipped(file.getvalue() + b'0', zipfile.ZIP_STORED)


def zipped(content, how):
  file = io.BytesIO()
  with zipfile.ZipFile(file, 'w', how) as archive:
    archive.writestr('x.npy', content)
  return file.getvalue()


def one_array():
  file = io.BytesIO()
  np.save(file, np.zeros(1000))
  return file.getvalue()


@pytest.mark.parametrize(
  'content',
  [
    b'',
    b'PK',
    one_array(),  # No archive.
    zipped(b'', zipfile.ZIP_STORED),
    zipped(b'\x93NUMPY', zipfile.ZIP_STORED),
    claiming((10**11,)),  # 800 GB.
    claiming((3,)),
    zipped(one_array(), zipfile.ZIP_DEFLATED),  # Of zeros, it grows in memory.
  ],
)
def test_arrays_are_what_the_file_has_room_for(tmp_path, content):
  path = tmp_path / 'arrays.npz'
  path.write_bytes(content)
  message, code = refused(files.read_arrays, path)
  assert message.startswith(f'{path} does not hold plain arrays (')
  assert code == 65


def test_nor_in_a_checkpoint_with_the_right_checksums(tmp_path):
  trap = tmp_path / 'sprung'
  checkpoint = tmp_path / 'checkpoints' / 'checkpoint-0000000001'
  checkpoint.mkdir(parents=True)
  variables = tf.train.Checkpoint(x=tf.Variable(1.0))
  variables.write(str(checkpoint / 'variables'))
  (checkpoint / 'state.json').write_text('{"state": {}}')
  malicious_arrays(checkpoint / 'arrays.npz', trap)
  files = [manifests.seal(path) for path in sorted(checkpoint.iterdir())]
  manifests.write(checkpoint, {**MANIFEST, 'files': files})
  message, _ = refused(
    checkpoints.restore_variables, checkpoint.parent, variables
  )
  assert 'arrays.npz does not hold plain arrays' in message
  assert not trap.exists()


@pytest.mark.parametrize(
  ('name', 'text'),
  [
    ('import trap\nReplay.capacity', '1'),
    ('from trap import x\nReplay.capacity', '1'),
    ("include 'trap.gin'\nReplay.capacity", '1'),
    ('Replay.capacity', '1\nimport trap'),
    ('Replay.capacity', "1\ninclude 'trap.gin'"),
    ('Replay.capacity', '__import__("trap")'),
    ('Replay.capacity', '@os.system()'),
    ('Replay.capacity', '@gin.singleton()'),
    ('Replay.capacity', '[1, {2: @tf_agents.suite_gym.load()}]'),
    ('Replay.capacity', '@scope/suite_gym.load()'),
    ('Replay.capacity', '@security_test.foreign()'),
    ('Replay:\n  capacity', '1'),
    ('CAPACITY', '1'),
    ('# Replay.capacity', '1'),
    ('Replay.capacity', ''),
    ('import trap', ''),
    ('from __gin__ import dynamic_registration\nReplay.capacity', '1'),
  ],
)
def test_a_resolved_configuration_runs_nothing(tmp_path, name, text):
  (tmp_path / 'trap.py').write_text('open("sprung", "w")')
  (tmp_path / 'trap.gin').write_text('Replay.capacity = 666\n')
  modules = set(sys.modules)
  message, code = refused(bindings.load_resolved, {name: text})
  assert code == 78 and message.endswith('.')
  assert not (tmp_path / 'sprung').exists()
  assert not gin.config._CONFIG
  assert set(sys.modules) == modules


called = []
gin.configurable('foreign', module='security_test')(lambda: called.append(1))


def test_references_to_the_package_itself_are_loaded():
  resolved = {
    'LatentModel.compute_dtype': '@fastest_dtype()',
    'Experiment.agent': '@SlacAgent',
    'Experiment.seed': '3',
  }
  bindings.load_resolved(resolved)
  assert bindings.resolved() == dict(sorted(resolved.items()))
  foreign = {'Replay.capacity': '@security_test.foreign()'}
  bindings.load_resolved(foreign, allow_imports=True)
  assert called == []


def test_play_imports_nothing_unless_it_is_told_to(tmp_path, monkeypatch):
  made_up_run = tmp_path / 'run'
  (made_up_run / 'videos').mkdir(parents=True)
  settings = {'import': 'import trap', 'Replay.capacity': '1'}
  (made_up_run / 'config.json').write_text(json.dumps(settings))
  (made_up_run / 'config.gin').write_text('import trap\n')
  (tmp_path / 'trap.py').write_text('open("sprung", "w")')

  def call(*flags):
    monkeypatch.setattr(sys, 'argv', ['play', str(made_up_run), *flags])
    return refused(play.play, play.parse_arguments())

  message, code = call()
  assert '(import trap)' in message and '--allow_gin_imports' in message
  assert code == 78
  assert not (tmp_path / 'sprung').exists()
  monkeypatch.syspath_prepend(tmp_path)
  message, _ = call('--allow_gin_imports')
  assert (tmp_path / 'sprung').exists()
  assert 'Experiment.environment' in message  # As config.json has none.


def test_replication_reads_text_and_literals_only(tmp_path):
  folder = made_up.write_run(tmp_path / 'run', {30_000: 20.0})
  (folder / 'trap.gin').write_text('import trap\n')
  (tmp_path / 'trap.py').write_text('open("sprung", "w")')
  settings = json.loads((folder / 'config.json').read_text())
  settings['import'] = 'import trap'
  settings['Experiment.environment'] = '@trap.environment()'
  (folder / 'config.json').write_text(json.dumps(settings))
  (run,) = ours.read([folder])
  assert run.returns == {30_000: 20.0}
  settings['Experiment.seed'] = '__import__("trap")'
  (folder / 'config.json').write_text(json.dumps(settings))
  assert 'Experiment.seed' in refused(ours.read, [folder])[0]
  assert not (tmp_path / 'sprung').exists()


@pytest.mark.parametrize(
  'name', ['../x', '/etc/passwd', 'a/b', '..', '.', '', 'a/../../b']
)
@pytest.mark.parametrize('kind', ['files', 'segments'])
def test_a_manifest_names_only_files_of_its_folder(tmp_path, kind, name):
  entry = {'name': name, 'bytes': 0, 'sha256': '', 'start': 0, 'stop': 1}
  manifests.write(tmp_path, {**MANIFEST, kind: [entry]})
  with pytest.raises(manifests.Damage, match='not a plain file name'):
    manifests.read(tmp_path)


def test_a_file_that_a_manifest_names_is_no_link(tmp_path):
  (tmp_path / 'outside').write_text('text')
  entry = manifests.seal(tmp_path / 'outside')
  folder = tmp_path / 'checkpoint'
  folder.mkdir()
  (folder / 'outside').symlink_to(tmp_path / 'outside')
  with pytest.raises(manifests.Damage, match='it is a link'):
    manifests.verify(folder, [entry])


@pytest.mark.parametrize(
  'place', ['checkpoints', 'checkpoints/replay', 'videos', 'videos/play.gif']
)
def test_no_link_leads_out_of_a_run_s_folder(tmp_path, monkeypatch, place):
  outside = tmp_path / 'outside'
  outside.mkdir()
  (outside / 'precious').write_text('kept')
  version, settings = {'commit': 'a'}, {'Replay.capacity': '1'}
  folder = run_folder.open_run(tmp_path / 'run', False, settings, version)
  link = folder / place
  link.parent.mkdir(parents=True, exist_ok=True)
  link.symlink_to(outside)
  before = (folder / 'version.json').read_text()
  message, code = refused(
    run_folder.open_run, tmp_path / 'run', False, settings, version
  )
  assert (message, code) == (
    f'{link} is a link, which no run makes: replace it by what it leads to.',
    74,
  )
  assert (folder / 'version.json').read_text() == before
  monkeypatch.setattr(sys, 'argv', ['play', str(folder)])
  assert refused(play.play, play.parse_arguments()) == (message, 74)
  # Where the runs are kept may well be a link.
  link.unlink()
  root = pathlib.Path('runs')
  root.symlink_to(tmp_path)
  opened = run_folder.open_run(root / 'run', False, settings, version)
  assert opened.name == 'run'
