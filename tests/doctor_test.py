"""Tests of slac/doctor.py, with packages, GPUs and disks made up."""

import collections
import pathlib
import re
import subprocess
import sys

import pytest

from slac import doctor
from slac.config import bindings
from slac.environments import processes, rendering
from slac.installation import packages
from slac.training import memory, replay
from tests import tiny

REPOSITORY = bindings.ROOT


def verdicts(findings):
  return {finding.name: finding.verdict for finding in findings}


def test_python_is_one_of_the_lock():
  assert doctor.python((3, 13, 5)).verdict == 'PASS'
  finding = doctor.python((3, 10, 13))
  assert finding.verdict == 'FAIL'
  assert 'none of 3.11 to 3.13' in finding.text
  assert '--python 3.13' in finding.remedy


def test_packages_against_the_lock(monkeypatch):
  assert verdicts(doctor.lock()) == {'packages': 'PASS'}
  faults = [('numpy', '1.0', '2.0'), ('scipy', None, '1.0')]
  monkeypatch.setattr(packages, 'faults', lambda: iter(faults))
  findings = list(doctor.lock())
  assert verdicts(findings) == {'numpy': 'FAIL', 'scipy': 'FAIL'}
  assert str(findings[0]).endswith(
    '1.0, but 2.0 is locked: pip install --no-deps -r requirements.txt'
  )
  assert 'missing, but 1.0 is locked' in findings[1].text


@pytest.mark.parametrize(
  ('output', 'failure', 'has_card', 'expected'),
  [
    ('["H200"]\n', None, True, ('PASS', 'PASS', 'H200')),
    ('[]\n', None, True, ('PASS', 'NOTE', '-r requirements-gpu.txt')),
    ('[]\n', None, False, ('PASS', 'NOTE', 'none')),
    ('', 'ImportError: numpy 2', False, ('FAIL', None, 'numpy 2')),
  ],
)
def test_tensorflow_and_gpus(
  monkeypatch, tmp_path, output, failure, has_card, expected
):
  monkeypatch.setattr(processes, 'run_script', lambda *_: (output, failure))
  if has_card:
    (tmp_path / '0000:01:00.0').mkdir()
  monkeypatch.setattr(doctor, 'NVIDIA', tmp_path)
  findings = list(doctor.tensorflow())
  found = verdicts(findings)
  assert found['import of TensorFlow'] == expected[0]
  assert found.get('GPU') == expected[1]
  assert expected[2] in str(findings[-1])


def test_what_takes_too_long_is_tried_again_and_nothing_installed(monkeypatch):
  monkeypatch.setattr(doctor, '_SECONDS', 0.01)
  for find in (doctor.tensorflow, doctor.graphics):
    findings = list(find())
    assert findings
    for finding in findings:
      assert 'no end within 0.01 s' in finding.text
      assert finding.remedy == 'try again when the machine is not busy'


@pytest.mark.parametrize(
  ('limit', 'verdict'), [(-1, 'PASS'), (2_048_000_000, 'FAIL')]
)
def test_the_limit_on_address_space(monkeypatch, limit, verdict):
  monkeypatch.setattr(packages.resource, 'getrlimit', lambda _: (limit, limit))
  for name in ('lock', 'tensorflow', 'graphics'):
    monkeypatch.setattr(doctor, name, lambda: iter(()))
  found = {finding.name: finding for finding in doctor.examine('runs')}
  finding = found['address space']
  assert finding.verdict == verdict
  if verdict == 'FAIL':
    assert str(finding).endswith(
      'is 2.0 GB, with which TensorFlow crashes or hangs: raise it, by `ulimit '
      '-v unlimited`'
    )


@pytest.mark.parametrize(
  ('asked', 'working', 'expected'),
  [
    ('', ['egl', 'osmesa'], {'egl': 'PASS', 'osmesa': 'PASS'}),
    ('', ['osmesa'], {'egl': 'NOTE', 'osmesa': 'PASS'}),
    ('', [], {'egl': 'FAIL', 'osmesa': 'FAIL'}),
    ('osmesa', ['egl'], {'egl': 'PASS', 'osmesa': 'FAIL'}),
    ('glfw', ['egl'], {'glfw': 'FAIL', 'egl': 'PASS', 'osmesa': 'NOTE'}),
  ],
)
def test_one_backend_must_work(monkeypatch, asked, working, expected):
  def run(script, settings, seconds):
    del script, seconds
    works = settings['MUJOCO_GL'] in working
    return ('0.0123\n', None) if works else ('', 'OSError: no library')

  monkeypatch.setattr(processes, 'run_script', run)
  monkeypatch.setenv('MUJOCO_GL', asked)
  findings = list(doctor.graphics())
  found = {
    name.removeprefix('rendering, '): verdict
    for name, verdict in verdicts(findings).items()
  }
  assert found == expected
  for finding in findings:
    if finding.verdict == 'PASS':
      assert finding.text.startswith('12.3 ms')
    else:
      assert 'no library' in finding.text
      name = finding.name.removeprefix('rendering, ')
      assert ('unset MUJOCO_GL' in finding.remedy) == (name == asked)


def test_without_numpy_rendering_is_not_tried(monkeypatch):
  monkeypatch.delattr('slac.environments.rendering')
  monkeypatch.setitem(sys.modules, 'slac.environments.rendering', None)
  (finding,) = doctor.graphics()
  assert finding.verdict == 'FAIL' and 'pip install' in finding.remedy


def test_cpu_features_are_no_condition(monkeypatch):
  monkeypatch.setattr(doctor.platform, 'machine', lambda: 'x86_64')
  assert verdicts(doctor.cpu('flags : fpu avx2 amx_bf16\n')) == {
    'CPU, AVX2': 'PASS',
    'CPU, AVX512-BF16': 'NOTE',
    'CPU, AMX': 'PASS',
  }
  monkeypatch.setattr(doctor.platform, 'machine', lambda: 'aarch64')
  assert verdicts(doctor.cpu('')) == {'CPU': 'NOTE'}


def test_memory_for_the_paper_s_replay(monkeypatch):
  for free, verdict in ((3.16e9, 'FAIL'), (3.18e9, 'PASS')):
    monkeypatch.setattr(memory, 'available', lambda free=free: int(free))
    assert doctor.memory().verdict == verdict
  assert '1.2 GB of it' in doctor.memory().text


def test_the_paper_s_replay_is_as_large_as_said():
  """With the capacity of gin/slac.gin, and walker's 6 actions."""
  gin = (REPOSITORY / 'gin/slac.gin').read_text()
  capacity = re.search(r'^Replay\.capacity = (\d+) ', gin, re.MULTILINE)
  agent = tiny.agent(action_size=6)
  ring = replay.Replay(
    agent.training_data_spec, agent.train_sequence_length, seed=0, capacity=1
  )
  assert int(capacity[1]) * ring.nbytes == doctor.REPLAY_BYTES


def test_the_disk_of_the_runs(monkeypatch, tmp_path):
  usage = collections.namedtuple('usage', 'total used free')
  for free, verdict in ((2.4e9, 'FAIL'), (2.5e9, 'PASS')):
    monkeypatch.setattr(
      doctor.shutil, 'disk_usage', lambda _, free=free: usage(0, 0, free)
    )
    assert doctor.disk(tmp_path / 'not' / 'yet').verdict == verdict
  assert not (tmp_path / 'not').exists()
  (tmp_path / 'file').write_text('')
  for place in (tmp_path / 'file' / 'runs', pathlib.Path('/proc/runs')):
    finding = doctor.disk(place)
    assert finding.verdict == 'FAIL'
    assert 'cannot be written' in finding.text
    assert '--root_dir' in finding.remedy


def test_a_disk_in_a_folder_that_is_closed(monkeypatch, tmp_path):
  def closed(path):
    raise PermissionError(13, 'Permission denied', str(path))

  monkeypatch.setattr(pathlib.Path, 'exists', closed)
  finding = doctor.disk(tmp_path / 'runs')
  assert finding.verdict == 'FAIL' and 'Permission denied' in finding.text


@pytest.mark.parametrize(
  ('last', 'code'), [('PASS', 0), ('NOTE', 0), ('FAIL', 69)]
)
def test_only_a_failure_changes_the_exit_code(monkeypatch, capsys, last, code):
  findings = [
    doctor.Finding('PASS', 'a', 'is so'),
    doctor.Finding(last, 'b', 'c'),
  ]
  monkeypatch.setattr(doctor, 'examine', lambda _: findings)
  assert doctor.report('runs') == code
  assert ('cannot run' in capsys.readouterr().out) == bool(code)


@pytest.mark.slow
def test_it_works_where_nothing_is_installed():
  process = subprocess.run(
    # -S hides all packages, but not from a process begun in turn.
    [
      *(sys.executable, '-S', '-c'),
      'from slac import doctor\n'
      'from slac.environments import processes\n'
      'processes.run_script = lambda *_: ("", "ModuleNotFoundError: a")\n'
      'raise SystemExit(doctor.report("runs"))',
    ],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
  )
  assert (process.returncode, process.stderr) == (69, '')
  lines = process.stdout.splitlines()
  for start in (
    'FAIL  tensorflow ',
    'FAIL  numpy ',
    'FAIL  import of TensorFlow    fails (ModuleNotFoundError: a)',
    'FAIL  rendering ',
    'FAIL  memory ',
  ):
    assert any(line.startswith(start) for line in lines), (start, lines)


@pytest.mark.slow
def test_what_it_says_of_this_machine():
  process = subprocess.run(
    [sys.executable, '-m', 'slac.doctor'],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
  )
  assert process.stderr == ''
  *lines, _ = process.stdout.splitlines()
  found = {line[6:].split('  ')[0]: line[:4] for line in lines}
  assert found['packages'] == 'PASS'
  assert found['import of TensorFlow'] == 'PASS'
  backend = rendering.choose_backend()
  assert found[f'rendering, {backend}'] == 'PASS'
  assert process.returncode == (69 if 'FAIL' in found.values() else 0)
