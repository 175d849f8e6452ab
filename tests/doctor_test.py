"""Tests of slac/doctor.py, with packages, GPUs and disks made up."""

import collections
import pathlib
import re
import subprocess
import sys
from importlib import metadata

import pytest

from slac import doctor
from slac.config import bindings
from slac.environments import processes, rendering
from slac.training import memory, replay
from tests import tiny

REPOSITORY = bindings.ROOT


def verdicts(findings):
  return {finding.name: finding.verdict for finding in findings}


def test_python_is_that_of_the_pins():
  assert doctor.python((3, 11, 0)).verdict == 'PASS'
  for version in ((3, 10, 13), (3, 12, 0), (4, 11, 0)):
    finding = doctor.python(version)
    assert finding.verdict == 'FAIL'
    assert 'made for 3.11' in finding.text
    assert '--python 3.11' in finding.remedy


def test_pins_are_those_of_the_requirements(monkeypatch, tmp_path):
  found = doctor.pins()
  assert found['tensorflow'] == '2.15.1'
  assert found['gymnasium'] == '1.3.0'  # Written gymnasium[mujoco]==1.3.0.
  lines = doctor.REQUIREMENTS.read_text().splitlines()
  assert len(found) == sum('==' in s and not s.startswith('#') for s in lines)
  # Installed without the repository, the package's metadata has them.
  monkeypatch.setattr(doctor, 'REQUIREMENTS', tmp_path / 'none')
  monkeypatch.setattr(metadata, 'requires', lambda _: ['a[b]==1.2', 'c==3'])
  assert doctor.pins() == {'a': '1.2', 'c': '3'}


def test_packages_against_the_pins(monkeypatch):
  installed = {'right': '1.0', 'other': '1.1', 'ruff': '1.1'}

  def version(name):
    if name not in installed:
      raise metadata.PackageNotFoundError(name)
    return installed[name]

  monkeypatch.setattr(metadata, 'version', version)
  wanted = dict.fromkeys(('right', 'other', 'missing', 'ruff', 'pytest'), '1.0')
  findings = list(doctor.packages(wanted))
  assert verdicts(findings) == {
    'right': 'PASS',
    'other': 'FAIL',
    'missing': 'FAIL',
    'ruff': 'NOTE',  # Only the tests need it.
    'pytest': 'NOTE',
  }
  assert str(findings[1]).endswith(
    '1.1, but 1.0 is pinned: pip install -r requirements.txt'
  )
  assert 'missing, 1.0 is pinned' in findings[2].text


@pytest.mark.parametrize(
  ('output', 'failure', 'has_card', 'expected'),
  [
    ('["H200"]\n', None, True, ('PASS', 'PASS', 'H200')),
    ('[]\n', None, True, ('PASS', 'NOTE', 'tensorflow[and-cuda]==2.15.1')),
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
  for free, verdict in ((2.95e9, 'FAIL'), (2.97e9, 'PASS')):
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
  assert found['tensorflow'] == 'PASS'
  assert found['import of TensorFlow'] == 'PASS'
  backend = rendering.choose_backend()
  assert found[f'rendering, {backend}'] == 'PASS'
  assert process.returncode == (69 if 'FAIL' in found.values() else 0)
