"""Tests of slac/storage/checkpoints.py: all or nothing, whatever happens."""

import builtins
import io
import json
import os
import pathlib
import random
import resource
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import array_spec

from slac import errors
from slac.storage import checkpoints, manifests
from slac.training import replay


class Ring:
  """The replay as checkpoints see it: step i is the number i."""

  def __init__(self, capacity=100):
    self.capacity = capacity
    self.num_added = self.size = 0
    self.restored = []
    self.state = {}

  def add(self, count):
    self.num_added += count
    self.size = min(self.size + count, self.capacity)

  def rows(self, start, stop):
    assert self.num_added - self.size <= start < stop <= self.num_added
    return {'observation/pixels': np.arange(start, stop)}

  def restore_rows(self, start, arrays):
    numbers = arrays['observation/pixels'].tolist()
    assert numbers[0] == start
    self.restored += numbers

  def get_state(self):
    return {'generator': {'state': 2**100 + self.num_added}}

  def set_state(self, state):
    self.state = state


class Run:
  """A run that can be told apart at each step."""

  def __init__(self, folder, capacity=100, width=3, optimizer=True):
    self.kernel = tf.Variable(tf.zeros([width]))
    self.random = tf.random.Generator.from_seed(0)
    self.optimizer = tf.keras.optimizers.Adam(0.1)
    objects = {'kernel': self.kernel, 'random': self.random}
    if optimizer:
      self.optimizer.build([self.kernel])
      objects['optimizer'] = self.optimizer
    self.ring = Ring(capacity)
    self.variables = tf.train.Checkpoint(**objects)
    self.checkpoints = checkpoints.Checkpoints(
      folder, self.variables, self.ring
    )

  def advance(self, rows=10):
    self.optimizer.apply_gradients([(tf.ones_like(self.kernel), self.kernel)])
    self.random.normal([])
    self.ring.add(rows)

  def save(self, step, rows=10):
    self.advance(rows)
    state = {
      'step': step,
      'environment': {'qpos': np.array([step, 0.1]), 'names': ['a', None]},
      'file': np.array(True),
      'a/b~1': {'~': np.array(3)},
      'empty': {},
    }
    self.checkpoints.save(step, state)

  def values(self):
    """Variables, optimizer slots and generator, as numbers."""
    return [
      self.kernel.numpy().tolist(),
      self.random.state.numpy().tolist(),
      *[v.numpy().tolist() for v in self.optimizer.variables],
    ]


def saved(folder, steps=(1, 2), **settings):
  run = Run(folder, **settings)
  assert run.checkpoints.restore() is None
  for step in steps:
    run.save(step)
  return run


def restored_step(folder, **settings):
  """Restores, checks that all parts are those of one step, returns it."""
  run = Run(folder, **settings)
  state = run.checkpoints.restore()
  if state is None:
    return None
  step = state['step']
  expected = Run(folder.parent / 'expected', **settings)
  for _ in range(step):
    expected.advance()
  assert state['environment']['qpos'].tolist() == [step, 0.1]
  assert run.values() == expected.values()
  num_added = expected.ring.num_added
  oldest = num_added - expected.ring.size
  assert run.ring.restored == list(range(oldest, num_added))
  assert run.ring.state == expected.ring.get_state()
  return step


RANDOM = random.Random(0)


def names(folder):
  """All files under a folder, relative to it."""
  files = [p for p in folder.rglob('*') if p.is_file()]
  return sorted(str(p.relative_to(folder)) for p in files)


def segments(folder):
  return [name for name in names(folder) if name.startswith('replay/')]


def test_restores_what_was_saved(tmp_path):
  saved(tmp_path / 'a')
  run = Run(tmp_path / 'a')
  state = run.checkpoints.restore()
  assert state['step'] == 2
  assert state['environment']['names'] == ['a', None]
  assert state['environment']['qpos'].dtype == np.float64
  assert state['file'].shape == () and state['file'].dtype == bool
  assert state['a/b~1'] == {'~': 3}
  assert state['empty'] == {}
  assert restored_step(tmp_path / 'a') == 2


def test_run_goes_on_after_a_restore(tmp_path):
  saved(tmp_path / 'a')
  run = Run(tmp_path / 'a')
  run.checkpoints.restore()
  run.ring.add(20)  # The stand-in does not count what it restores.
  before = segments(tmp_path / 'a')
  run.save(3)
  assert set(segments(tmp_path / 'a')) - set(before) == {
    'replay/rows-0000000020-0000000030.npz'
  }
  assert restored_step(tmp_path / 'a') == 3


def test_empty_folder_has_nothing_to_restore(tmp_path):
  assert Run(tmp_path / 'a').checkpoints.restore() is None


def test_state_without_replay_rows(tmp_path):
  run = Run(tmp_path / 'a')
  run.checkpoints.save(0, {'x': 1})
  assert Run(tmp_path / 'a').checkpoints.restore() == {'x': 1}


def test_keeps_the_last_two(tmp_path):
  saved(tmp_path / 'a', steps=(1, 2, 3, 4))
  kept = sorted(p.name for p in (tmp_path / 'a').glob('*point-*'))
  assert kept == ['checkpoint-0000000003', 'checkpoint-0000000004']


def test_saves_twice_at_one_step(tmp_path):
  run = saved(tmp_path / 'a', steps=(1,))
  for count in range(12):
    run.checkpoints.save(1, {'count': count})
    assert Run(tmp_path / 'a').checkpoints.restore() == {'count': count}
  assert len(list((tmp_path / 'a').glob('checkpoint-*'))) == 2


def test_writes_only_new_rows(tmp_path):
  run = saved(tmp_path / 'a', steps=(1,))
  first = tmp_path / 'a/replay/rows-0000000000-0000000010.npz'
  written = first.stat().st_mtime_ns
  run.save(2)
  assert segments(tmp_path / 'a') == [
    'replay/rows-0000000000-0000000010.npz',
    'replay/rows-0000000010-0000000020.npz',
  ]
  assert first.stat().st_mtime_ns == written


def test_many_rows_are_written_in_parts(tmp_path):
  run = Run(tmp_path / 'a', capacity=10_000)
  run.save(1, rows=5000)
  assert segments(tmp_path / 'a') == [
    'replay/rows-0000000000-0000004096.npz',
    'replay/rows-0000004096-0000005000.npz',
  ]
  again = Run(tmp_path / 'a', capacity=10_000)
  again.checkpoints.restore()
  assert again.ring.restored == list(range(5000))


def test_rows_are_removed_when_no_checkpoint_needs_them(tmp_path):
  # Room for 25: checkpoint 4 needs 15 ... 39, and 3, also kept, 5 ... 29.
  run = saved(tmp_path / 'a', steps=(1, 2, 3, 4), capacity=25)
  assert segments(tmp_path / 'a') == [
    f'replay/rows-{n:010d}-{n + 10:010d}.npz' for n in (0, 10, 20, 30)
  ]
  assert restored_step(tmp_path / 'a', capacity=25) == 4
  run.save(5)
  assert segments(tmp_path / 'a')[0] == 'replay/rows-0000000010-0000000020.npz'


def test_rows_lost_from_the_ring_between_two_saves(tmp_path):
  run = saved(tmp_path / 'a', steps=(1,), capacity=25)
  run.save(2, rows=90)  # Holds 75 ... 99.
  again = Run(tmp_path / 'a', capacity=25)
  again.checkpoints.restore()
  assert again.ring.restored == list(range(75, 100))


class Killed(BaseException):
  """Ends a save as kill -9 does: nothing handles it."""


def killed_after(monkeypatch, count):
  """Raises Killed after the call number `count` that changes the disk.

  From then on nothing changes it any more, as `with` statements and finally
  clauses otherwise would, which a killed process does not come to.
  """
  calls = iter(range(count))
  is_dead = False

  def dying(function):
    def call(*args, **kwargs):
      nonlocal is_dead
      if is_dead:
        raise Killed
      result = function(*args, **kwargs)
      if next(calls, None) is None:
        is_dead = True
        raise Killed
      return result

    return call

  class File:
    """A file whose every write reaches the disk, and may be the last."""

    def __init__(self, file):
      self._file = file

    def __getattr__(self, name):
      return getattr(self._file, name)

    def __enter__(self):
      return self

    def __exit__(self, *_):
      self._file.close()

    @dying
    def write(self, data):
      self._file.write(data)
      self._file.flush()
      return len(data)

  def opened(file, mode='r', *args, **kwargs):
    result = builtins.open(file, mode, *args, **kwargs)  # noqa: SIM115
    return result if mode.startswith('r') else File(result)

  write = tf.train.Checkpoint.write

  def write_variables(self, prefix):
    """TensorFlow's own writes: half of the data, all of it, then the index."""
    write(self, prefix)
    data = pathlib.Path(f'{prefix}.data-00000-of-00001')
    index = pathlib.Path(f'{prefix}.index')
    contents = data.read_bytes(), index.read_bytes()
    index.unlink()
    for path, content in (
      (data, contents[0][: len(contents[0]) // 2]),
      (data, contents[0]),
      (index, contents[1]),
    ):
      path.write_bytes(content)

  for name in ('rename', 'fsync', 'mkdir', 'rmdir', 'unlink'):
    monkeypatch.setattr(os, name, dying(getattr(os, name)))
  monkeypatch.setattr(io, 'open', opened)
  monkeypatch.setattr(tf.train.Checkpoint, 'write', write_variables)


def test_kill_at_any_moment_of_a_save_leaves_a_whole_checkpoint(tmp_path):
  saved(tmp_path / 'origin', steps=(1, 2))
  outcomes = []
  for moment in range(1000):
    folder = tmp_path / f'{moment}' / 'a'
    shutil.copytree(tmp_path / 'origin', folder)
    run = Run(folder)
    for _ in range(2):
      run.advance()
    run.checkpoints.restore()
    with pytest.MonkeyPatch.context() as patch:
      killed_after(patch, moment)
      try:
        run.save(3)
        break
      except Killed:
        pass
    outcomes.append(restored_step(folder))
    assert not list(folder.glob('tmp-*'))
    assert segments(folder) == segments(tmp_path / 'origin') + (
      ['replay/rows-0000000020-0000000030.npz'] * (outcomes[-1] == 3)
    )
  assert set(outcomes) == {2, 3}
  assert outcomes == sorted(outcomes)
  # Every write, fsync and rename of a save was the last one once.
  assert len(outcomes) > 40


def test_kill_while_an_old_checkpoint_is_removed(tmp_path, capsys):
  run = saved(tmp_path / 'a', steps=(1, 2))

  def half(folder):
    (folder / 'state.json').unlink()
    raise Killed

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(shutil, 'rmtree', half)
    with pytest.raises(Killed):
      run.save(3)
  assert restored_step(tmp_path / 'a') == 3
  assert not list((tmp_path / 'a').glob('checkpoint-*1'))
  assert capsys.readouterr().err == ''


def test_first_save_that_is_killed_leaves_an_empty_folder(tmp_path):
  run = Run(tmp_path / 'a')
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(os, 'rename', lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
      run.save(1)
  assert names(tmp_path / 'a')
  assert restored_step(tmp_path / 'a') is None
  assert names(tmp_path / 'a') == []


def test_all_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
  folder = tmp_path / 'a'
  run = saved(folder, steps=(1,))
  calls = []
  fsync, rename = os.fsync, os.rename

  def recorded_fsync(descriptor):
    path = os.readlink(f'/proc/self/fd/{descriptor}')
    calls.append(os.path.relpath(path, folder))
    fsync(descriptor)

  def recorded_rename(source, target):
    files = {f'{os.path.basename(source)}/{p.name}' for p in source.iterdir()}
    assert files <= set(calls)
    calls.append('rename')
    rename(source, target)

  monkeypatch.setattr(os, 'fsync', recorded_fsync)
  monkeypatch.setattr(os, 'rename', recorded_rename)
  run.save(2)
  new = 'tmp-checkpoint-0000000002'
  assert calls == [
    'replay/rows-0000000010-0000000020.npz',
    'replay',
    f'{new}/arrays.npz',
    f'{new}/state.json',
    f'{new}/variables.data-00000-of-00001',
    f'{new}/variables.index',
    f'{new}/manifest.json',
    new,
    'rename',
    '.',
  ]


def flip(path):
  content = bytearray(path.read_bytes())
  content[RANDOM.randrange(len(content))] ^= 1 << RANDOM.randrange(8)
  path.write_bytes(content)


def truncate(path):
  content = path.read_bytes()
  path.write_bytes(content[: RANDOM.randrange(len(content))])


def empty(path):
  path.write_bytes(b'')


@pytest.mark.parametrize('damage', [flip, truncate, empty, pathlib.Path.unlink])
def test_damage_is_named_and_the_checkpoint_before_is_used(
  damage, tmp_path, capsys
):
  saved(tmp_path / 'origin', steps=(1, 2))
  newest = [
    name
    for name in names(tmp_path / 'origin')
    if '00000002/' in name or '-0000000020' in name
  ]
  assert len(newest) == 6
  for number, name in enumerate(newest):
    folder = tmp_path / f'{number}' / 'a'
    shutil.copytree(tmp_path / 'origin', folder)
    damage(folder / name)
    contents = sorted(p.read_bytes() for p in folder.rglob('*') if p.is_file())
    assert restored_step(folder) == 1
    message = capsys.readouterr().err
    assert message.count('\n') == 1
    assert ('bytes instead' in message) == (damage in (truncate, empty)) or (
      name.endswith('manifest.json')
    )
    assert str(folder / name) in message
    assert 'continuing from checkpoint-0000000001' in message
    # Set aside, not deleted, and no longer in the way.
    assert contents == sorted(
      p.read_bytes() for p in folder.rglob('*') if p.is_file()
    )
    aside = folder / 'damaged-checkpoint-0000000002'
    assert (aside / 'replay/rows-0000000010-0000000020.npz').exists() or (
      damage is pathlib.Path.unlink and 'rows' in name
    )
    assert restored_step(folder) == 1
    assert capsys.readouterr().err == ''


def test_no_byte_of_a_manifest_can_change_unnoticed(tmp_path):
  folder = tmp_path / 'a'
  saved(folder, steps=(1,))
  path = folder / 'checkpoint-0000000001/manifest.json'
  content = path.read_bytes()
  for place in range(len(content)):
    changed = bytearray(content)
    changed[place] ^= 1 << RANDOM.randrange(8)
    path.write_bytes(changed)
    with pytest.raises(manifests.Damage, match='manifest'):
      manifests.read(path.parent)


def test_run_with_a_damaged_checkpoint_goes_on(tmp_path):
  folder = tmp_path / 'a'
  saved(folder, steps=(1, 2))
  flip(folder / 'checkpoint-0000000002/state.json')
  run = Run(folder)
  run.advance()
  run.checkpoints.restore()
  run.save(2)
  flip(folder / 'checkpoint-0000000002/state.json')
  assert restored_step(folder) == 1
  assert (folder / 'damaged-checkpoint-0000000002-1').is_dir()


def test_older_checkpoint_with_a_damaged_manifest_is_set_aside(
  tmp_path, capsys
):
  run = saved(tmp_path / 'a', steps=(1, 2))
  flip(tmp_path / 'a/checkpoint-0000000002/manifest.json')
  run.save(3)
  assert 'checkpoint-0000000002/manifest.json' in capsys.readouterr().err
  assert (tmp_path / 'a/damaged-checkpoint-0000000002').is_dir()
  assert restored_step(tmp_path / 'a') == 3


def test_nothing_whole_is_an_error_each_time(tmp_path):
  folder = tmp_path / 'a'
  saved(folder, steps=(1, 2))
  shared = folder / 'replay/rows-0000000000-0000000010.npz'
  flip(shared)
  (folder / 'tmp-checkpoint-0000000003').mkdir()
  before = names(folder)
  for _ in range(2):
    with pytest.raises(errors.UserError, match='--fresh') as caught:
      Run(folder).checkpoints.restore()
    assert caught.value.exit_code == 74
    assert str(shared) in str(caught.value)
    assert '\n' not in str(caught.value)
    assert names(folder) == before


def test_folder_with_only_damaged_checkpoints_is_not_started_anew(tmp_path):
  (tmp_path / 'a/damaged-checkpoint-0000000002').mkdir(parents=True)
  with pytest.raises(errors.UserError, match='damaged-checkpoint-0000000002'):
    Run(tmp_path / 'a').checkpoints.restore()


def forge(folder, change):
  """Changes a manifest and makes its checksum right again."""
  path = folder / 'manifest.json'
  content = json.loads(path.read_text())
  del content['sha256']
  change(content)
  manifests.write(folder, content)


@pytest.mark.parametrize('part', ['files', 'segments'])
@pytest.mark.parametrize('name', ['../secret', '/etc/passwd', '..', ''])
def test_manifest_cannot_name_files_elsewhere(part, name, tmp_path, capsys):
  saved(tmp_path / 'a', steps=(1, 2))
  newest = tmp_path / 'a/checkpoint-0000000002'
  forge(newest, lambda content: content[part][0].update(name=name))
  assert restored_step(tmp_path / 'a') == 1
  assert repr(name) in capsys.readouterr().err


@pytest.mark.parametrize(
  'change',
  [
    lambda content: content.update(step='1'),
    lambda content: content.pop('step'),
    lambda content: content.pop('oldest_row'),
    lambda content: content.pop('files'),
    lambda content: content.update(segments={}),
    lambda content: content['files'][0].update(name=7),
    lambda content: content['files'].append('state.json'),
    lambda content: content['segments'][0].update(start=True),
    lambda content: content['segments'][0].pop('stop'),
  ],
)
def test_manifest_that_is_none_is_damaged(change, tmp_path, capsys):
  saved(tmp_path / 'a', steps=(1, 2))
  forge(tmp_path / 'a/checkpoint-0000000002', change)
  assert restored_step(tmp_path / 'a') == 1
  assert 'manifest.json is damaged (not a manifest)' in capsys.readouterr().err


@pytest.mark.parametrize(
  'text', ['[]', '{"state": {}}', '{"a', '[' * 100_000, '{"~kind": "tuple"}']
)
def test_state_of_another_kind_is_one_sentence(text, tmp_path):
  saved(tmp_path / 'a', steps=(1,))
  checkpoint = tmp_path / 'a/checkpoint-0000000001'
  (checkpoint / 'state.json').write_text(text)

  def seal(content):
    paths = [checkpoint / entry['name'] for entry in content['files']]
    content['files'] = [manifests.seal(path) for path in paths]

  forge(checkpoint, seal)
  with pytest.raises(errors.UserError, match='cannot be restored') as fault:
    Run(tmp_path / 'a').checkpoints.restore()
  assert fault.value.exit_code == 65
  assert f'The state in {checkpoint} ' in str(fault.value)


def test_file_that_is_a_link_is_refused(tmp_path, capsys):
  saved(tmp_path / 'a', steps=(1, 2))
  path = tmp_path / 'a/checkpoint-0000000002/state.json'
  os.rename(path, tmp_path / 'elsewhere.json')
  os.symlink(tmp_path / 'elsewhere.json', path)
  assert restored_step(tmp_path / 'a') == 1
  assert 'it is a link' in capsys.readouterr().err


def test_checkpoint_of_another_format_is_not_damaged(tmp_path):
  saved(tmp_path / 'a', steps=(1, 2))
  newest = tmp_path / 'a/checkpoint-0000000002'
  forge(newest, lambda content: content.update(format=2))
  with pytest.raises(errors.UserError, match='format 2'):
    Run(tmp_path / 'a').checkpoints.restore()
  assert newest.is_dir()


@pytest.mark.parametrize(
  ('settings', 'difference'),
  [
    ({'width': 4}, r'kernel is float32 \[3\] there and float32 \[4\] here'),
    ({'optimizer': False}, r'optimizer\S* is \S+ \S* ?there and missing here'),
  ],
)
def test_other_variables_are_an_error(settings, difference, tmp_path):
  saved(tmp_path / 'a')
  with pytest.raises(errors.UserError, match=difference) as caught:
    Run(tmp_path / 'a', **settings).checkpoints.restore()
  assert caught.value.exit_code == 78
  assert '\n' not in str(caught.value)


def test_missing_variable_is_an_error(tmp_path):
  saved(tmp_path / 'a', optimizer=False)
  with pytest.raises(errors.UserError, match='is missing there and'):
    Run(tmp_path / 'a').checkpoints.restore()


def test_full_disk_is_an_error_of_one_line_and_leaves_no_rest(tmp_path):
  folder = tmp_path / 'a'
  run = saved(folder, steps=(1, 2))
  before = names(folder)
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  outcomes = []
  # A limit on a file's size meets every writer, TensorFlow too, with an error.
  for size in range(0, 100_000, 100):
    run.advance(rows=1)
    try:
      resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
      run.checkpoints.save(3, {'size': size, 'array': np.zeros(100)})
      break
    except errors.UserError as error:
      assert error.exit_code == 74
      outcomes.append(str(error))
    finally:
      resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(folder) == before
  # First the replay, then TensorFlow's variables, then the manifest.
  assert len(outcomes) > 10
  for message in outcomes:
    assert '\n' not in message and 'File too large' in message
    assert 'make room on the file system' in message
  again = Run(folder)
  assert again.checkpoints.restore()['size'] == size
  assert again.values() == run.values()
  assert again.ring.restored == list(range(run.ring.num_added))


def test_a_state_that_cannot_be_saved_leaves_no_rest(tmp_path):
  run = Run(tmp_path / 'a')
  with pytest.raises(errors.UserError, match='x holds a'):
    run.checkpoints.save(1, {'x': {1, 2}})
  assert names(tmp_path / 'a') == []


@pytest.mark.parametrize('damage', ['flip', 'cut', 'remove'])
def test_rows_on_the_disk_that_are_lost_are_written_again(
  damage, tmp_path, capsys
):
  """While the run lives, it has them in memory."""
  run = saved(tmp_path / 'a')
  first = tmp_path / 'a' / segments(tmp_path / 'a')[0]
  content = first.read_bytes()
  if damage == 'remove':
    first.unlink()
  else:
    end = content[40:] if damage == 'flip' else b''
    first.write_bytes(content[:39] + b'?' + end)
  run.save(3)
  run.save(4)  # Two saves look at the content of both.
  assert str(first) in capsys.readouterr().err
  assert first.read_bytes() == content
  assert restored_step(tmp_path / 'a') == 4


def test_lost_rows_that_the_ring_has_lost_too_are_left_out(tmp_path):
  run = saved(tmp_path / 'a', capacity=25)  # Rows 0 to 10 and 10 to 20.
  (tmp_path / 'a' / segments(tmp_path / 'a')[0]).unlink()
  run.save(3)  # Rows 5 to 30 are in the ring.
  assert [name[-26:-4] for name in segments(tmp_path / 'a')] == [
    '-0000000005-0000000010',
    '-0000000010-0000000020',
    '-0000000020-0000000030',
  ]
  assert restored_step(tmp_path / 'a', capacity=25) == 3


@pytest.mark.parametrize('name', ['a[1]', 'a*', 'a\\b', '[a-z]?'])
def test_a_folder_may_be_named_like_a_pattern(name, tmp_path):
  """TensorFlow looks for a file 1 where it is told to read [1]."""
  saved(tmp_path / name)
  assert restored_step(tmp_path / name) == 2
  other = Run(tmp_path / 'other', width=4)
  with pytest.raises(errors.UserError, match=r'float32 \[3\] there'):
    checkpoints.restore_variables(tmp_path / name, other.variables)


def test_a_folder_that_cannot_be_listed_is_no_empty_one(tmp_path, monkeypatch):
  run = saved(tmp_path / 'a')

  def denied(*_):
    raise PermissionError(13, 'Permission denied')

  monkeypatch.setattr(os, 'listdir', denied)
  with pytest.raises(errors.UserError, match='Permission denied') as caught:
    run.checkpoints.restore()
  assert caught.value.exit_code == 74


def test_variables_alone_for_a_policy(tmp_path):
  run = saved(tmp_path / 'a')
  flip(tmp_path / 'a/replay/rows-0000000000-0000000010.npz')  # Not needed.
  before = names(tmp_path / 'a')
  kernel = tf.Variable(tf.zeros([3]))
  variables = tf.train.Checkpoint(kernel=kernel)
  state = checkpoints.restore_variables(tmp_path / 'a', variables)
  assert state['step'] == 2
  assert kernel.numpy().tolist() == run.kernel.numpy().tolist()
  assert names(tmp_path / 'a') == before


def test_variables_alone_must_all_be_there(tmp_path):
  saved(tmp_path / 'a')
  variables = tf.train.Checkpoint(bias=tf.Variable(0.0))
  with pytest.raises(errors.UserError, match='bias is missing there'):
    checkpoints.restore_variables(tmp_path / 'a', variables)


def test_variables_of_a_folder_without_checkpoints(tmp_path):
  with pytest.raises(errors.UserError, match='no checkpoint') as caught:
    checkpoints.restore_variables(tmp_path / 'none', tf.train.Checkpoint())
  assert caught.value.exit_code == 66


def test_replay_draws_the_same_batches_after_a_resume(tmp_path):
  number = array_spec.ArraySpec([], np.int32)
  spec = {'step_type': number, 'observation': {'number': number}}

  def step(number, step_type):
    return {'step_type': step_type, 'observation': {'number': number}}

  def numbers(batch):
    return batch['observation']['number'].tolist()

  def start():
    ring = replay.Replay(spec, sequence_length=3, seed=1, capacity=20)
    folder = checkpoints.Checkpoints(tmp_path, tf.train.Checkpoint(), ring)
    folder.restore()
    return ring, folder

  def go_on(ring, count):
    batches = []
    for number in range(ring.num_added, ring.num_added + count):
      ring.add(step(number, step_type=number % 5 and 1))
      if number > 4:
        batches.append(numbers(ring.sample(30)))
    return batches

  straight = go_on(start()[0], 60)
  resumed = []
  for _ in range(6):
    ring, folder = start()
    resumed += go_on(ring, 9)
    ring.add(step(ring.num_added, step_type=1))
    folder.save(ring.num_added, {})
    # The step that the straight run samples after is sampled after the load.
    ring, folder = start()
    resumed.append(numbers(ring.sample(30)))
    folder.save(ring.num_added, {})
  assert resumed == straight
