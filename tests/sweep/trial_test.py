"""Tests of slac/sweep/trial.py with processes, and without a cluster."""

import fcntl
import signal
import threading
import types

import psutil
import pytest

from slac.environments import processes

pytest.importorskip('ray', reason='There is no Ray; see docs/scale.md.')
from slac.sweep import trial

OUTLIVE_NO_NODE = trial.Trial._outlive_no_node
# Saves twice, and does what it is told; says at SIGTERM that it has saved.
RUN = """
import os, pathlib, signal, sys, time
do, root, name = sys.argv[1], *(w.partition('=')[2] for w in sys.argv[-2:])
folder = pathlib.Path(root, name)
def save(number):
  there = folder / 'checkpoints' / f'checkpoint-000000000{number}'
  there.mkdir(parents=True, exist_ok=True)
  (there / 'state.json').write_text('{}')
def stop(number, frame):
  save(9)
  sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop)
save(len(os.listdir(folder / 'checkpoints')) if folder.exists() else 0)
if do == 'fail':
  sys.exit('train_eval.py: There is no GL.')
elif do == 'die':
  os.kill(os.getpid(), signal.SIGKILL)
elif do == 'finish':
  (folder / 'policy').mkdir()
else:
  time.sleep(600)
"""


@pytest.fixture
def begin(monkeypatch, tmp_path):
  """Makes trials of runs that do what they are told, and has their flag."""
  flag = trial.StopFlag()
  handle = types.SimpleNamespace(
    is_set=types.SimpleNamespace(remote=flag.is_set)
  )
  monkeypatch.setattr(trial.ray, 'get_actor', lambda name: handle)
  monkeypatch.setattr(trial.ray, 'get', lambda value: value)
  monkeypatch.setattr(trial.tempfile, 'gettempdir', lambda: str(tmp_path))
  monkeypatch.setattr(trial.tempfile, 'tempdir', str(tmp_path))
  monkeypatch.setattr(trial, '_REPORT_SECONDS', 60.0)
  monkeypatch.setattr(trial.Trial, '_outlive_no_node', lambda self: None)
  (tmp_path / 'run.py').write_text(RUN)
  made = []

  def make(do):
    own = object.__new__(trial.Trial)
    run = {
      'name': 'a',
      'arguments': ['run.py', do],
      'cwd': str(tmp_path),
      'env_steps': 100,
      'cpus': 1.0,
    }
    own.setup({'run': run})
    made.append(own)
    return own

  yield types.SimpleNamespace(trial=make, flag=flag)
  for own in made:
    own.cleanup()


def store(own, path):
  path.mkdir()
  own.save_checkpoint(str(path))
  return path


def test_what_a_run_has_saved_is_stored_once(begin, tmp_path):
  own = begin.trial('wait')
  assert own.step()['should_checkpoint']
  path = store(own, tmp_path / 'stored')
  assert (path / 'checkpoints/checkpoint-0000000000/state.json').exists()
  assert not own._new_checkpoints()


def test_a_finished_run_is_done(begin):
  result = begin.trial('finish').step()
  assert result['done'] and result['phase'] == 'finished'
  assert result['seconds_left'] == 0 and 'fault' not in result


def test_another_trial_goes_on_from_what_was_stored(begin, tmp_path):
  first = begin.trial('wait')
  first.step()
  path = store(first, tmp_path / 'stored')
  second = begin.trial('wait')
  second.load_checkpoint(str(path))
  assert second._folder != first._folder
  second.step()  # It has saved another one, as it found the first.
  assert len(second._new_checkpoints()) == 1
  path = store(second, tmp_path / 'next')
  assert len(list((path / 'checkpoints').iterdir())) == 2


def test_the_fault_that_a_run_names_is_reported_before_it_fails(begin):
  own = begin.trial('fail')
  result = own.step()
  assert result['fault'] == 'train_eval.py: There is no GL.'
  assert (result['exit_code'], result['done']) == (1, False)
  with pytest.raises(ChildProcessError, match='no GL'):
    own.step()


def test_a_run_that_is_killed_fails_and_names_no_fault(begin):
  with pytest.raises(ChildProcessError, match=r'by a signal \(-9\)'):
    begin.trial('die').step()


def test_a_run_that_is_told_to_stop_saves_before(begin, tmp_path):
  own = begin.trial('wait')
  own.step()
  store(own, tmp_path / 'stored')
  begin.flag.set()
  result = own.step()
  assert result['stopped'] and result['should_checkpoint']
  assert own._new_checkpoints() == {'checkpoint-0000000009'}
  store(own, tmp_path / 'last')
  result = own.step()
  assert result['stopped'] and not result['should_checkpoint']
  assert own._process.returncode == 128 + signal.SIGTERM


def test_what_is_begun_after_that_trains_nothing(begin):
  begin.flag.set()
  own = begin.trial('wait')
  assert own.step()['stopped'] and own._process is None


def test_the_process_ends_with_its_trial_and_leaves_no_folder(begin, tmp_path):
  own = begin.trial('wait')
  own.step()
  pid = own._process.pid
  own.cleanup()
  assert not psutil.pid_exists(pid)
  assert not list(tmp_path.glob('slac-trial-*'))


def test_nothing_outlives_the_node(begin, monkeypatch, tmp_path):
  ended = threading.Event()
  parent = [7]
  monkeypatch.setattr(trial.os, 'getppid', lambda: parent[0])
  monkeypatch.setattr(trial.os, '_exit', lambda code: ended.set())
  own = begin.trial('wait')
  threading.Thread(target=OUTLIVE_NO_NODE, args=[own], daemon=True).start()
  own.step()
  pid = own._process.pid
  assert not ended.is_set() and psutil.pid_exists(pid)
  parent[0] = 1
  assert ended.wait(60)
  assert not psutil.pid_exists(pid)
  assert not list(tmp_path.glob('slac-trial-*'))


def test_the_folders_of_processes_that_were_killed_are_removed(begin, tmp_path):
  left = tmp_path / 'slac-trial-x'
  left.mkdir()
  (left / 'lock').touch()
  begin.trial('wait')
  assert not left.exists()
  assert len(list(tmp_path.glob('slac-trial-*'))) == 1


def test_the_folders_of_other_nodes_are_left_alone(begin, tmp_path):
  """Whose processes are not to be seen from here, and what is no trial's."""
  other = begin.trial('wait')
  dead = max(psutil.pids()) + 100_000
  for name in ('old', f'{dead}-x'):
    (tmp_path / f'slac-trial-{name}').mkdir()
  lock = tmp_path / f'slac-trial-{dead}-x' / 'lock'
  with lock.open('w') as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    begin.trial('wait')
    assert lock.exists()
  assert other._root.exists() and (tmp_path / 'slac-trial-old').exists()


def test_nothing_of_tensorflow_is_loaded_on_a_node():
  script = 'import sys, slac.sweep.trial; print("tensorflow" in sys.modules)'
  assert processes.run_script(script, {}, 600) == ('False\n', None)
