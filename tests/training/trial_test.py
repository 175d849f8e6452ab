"""Tests of slac/training/trial.py, as the doctor shows it."""

import os
import pathlib
import re
import subprocess
import sys

import gin
import pytest

from slac import doctor
from slac.training import trial

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / 'README.md').read_text()


@pytest.fixture
def findings(tmp_path, monkeypatch):
  """Returns what the doctor says of the page's environment, if changed."""
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(sys, 'path', [*sys.path])
  python = re.search(r'```python\n(import gin, .*?)```', PAGE, re.S)[1]
  config = re.search(r'```\n(import reach\n.*?)```', PAGE, re.S)[1]

  def tell(name, old='', new='', allow_imports=True, lacks=''):
    assert old in python and lacks in config
    changed = python.replace(old, new).replace('Reach', name)
    (tmp_path / f'{name.lower()}.py').write_text(changed)
    own = config.replace('reach', name.lower()).replace('Reach', name)
    (tmp_path / 'own.gin').write_text(own.replace(lacks, ''))
    found = list(doctor.environment(['own.gin'], allow_imports))
    gin.clear_config()
    return [(finding.verdict, finding.text) for finding in found]

  return tell


def test_a_sound_environment_passes(findings):
  *notes, last = findings('Sound')
  assert last == ('PASS', 'Sound: 200 steps are well')
  assert {verdict for verdict, _ in notes} <= {'NOTE'}


def test_what_gymnasium_s_checker_finds_is_told(findings):
  *notes, last = findings(
    'Wide', 'clip(self.x + action, -9, 9)', 'add(self.x, 99)'
  )
  assert last[0] == 'PASS'
  assert any('not within the observation space' in text for _, text in notes)
  assert all('\x1b' not in text for _, text in notes)


def test_what_the_checker_refuses_may_be_trained_in(findings):
  *notes, last = findings(
    'Noisy', '-float(np.linalg.norm(self.x))', 'float(np.random.normal())'
  )
  assert last == ('PASS', 'Noisy: 200 steps are well')
  assert any("gymnasium's checker: AssertionError" in x for _, x in notes)


@pytest.mark.parametrize(
  ('name', 'old', 'new', 'says'),
  [
    # What is not finite, from the second step of an episode on.
    (
      'Lost',
      '-float(np.linalg.norm(self.x))',
      'np.nan if self.t == 3 else 0.0',
      'a nan array',
    ),
    # At an episode's end, which gymnasium's checker does not reach.
    (
      'Late',
      '-float(np.linalg.norm(self.x))',
      'np.nan if self.t == 20 else 0.0',
      "There is nothing to train in, as the environment's reward is nan: mend "
      'the environment.',
    ),
    ('Broken', 'super().reset(seed=seed)', 'no_such_name', 'NameError'),
  ],
)
def test_a_fault_is_named(findings, name, old, new, says):
  ((verdict, text),) = findings(name, old, new)
  assert verdict == 'FAIL'
  assert says in text and '\n' not in text


def test_it_imports_nothing_unless_it_may(findings):
  ((verdict, text),) = findings('Shy', allow_imports=False)
  assert verdict == 'FAIL' and '--allow_gin_imports' in text


def test_an_agent_finds_there_what_it_observes(findings):
  ((verdict, text),) = findings('Dark', lacks="include 'gin/sac_state.gin'\n")
  assert verdict == 'FAIL'
  assert text.startswith('The environment offers state: give it an observation')


def test_a_gpu_is_prepared_before_an_agent_is_made(findings, monkeypatch):
  called = []
  for module, name in (
    (trial.devices, 'prepare'),
    (trial.experiment, 'make_agent'),
  ):
    own = getattr(module, name)
    monkeypatch.setattr(
      module,
      name,
      lambda *a, own=own, name=name, **k: called.append(name) or own(*a, **k),
    )
  *_, (verdict, _) = findings('Prepared')
  assert verdict == 'PASS' and called == ['prepare', 'make_agent']


@pytest.mark.slow
@pytest.mark.parametrize(
  'imports', ['gin, gymnasium', 'gin, gymnasium, mujoco']
)
@pytest.mark.long
def test_gymnasium_renders_what_is_observed(tmp_path, imports):
  (tmp_path / 'arm.py').write_text(
    f'import {imports}\n'
    '@gin.configurable\n'
    'def arm():\n'
    "  return gymnasium.make('InvertedPendulum-v5', render_mode='rgb_array',\n"
    '                        width=64, height=64)\n'
  )
  (tmp_path / 'arm.gin').write_text(
    'import arm\n'
    f"include '{REPOSITORY}/gin/slac.gin'\n"
    f"include '{REPOSITORY}/gin/sac_pixels.gin'\n"
    'Experiment.environment = @arm.arm\n'
    'ACTION_REPEAT = 1\n'
    'DECODER_VARIANCE = 0.1\n'
  )
  script = (
    'from slac.training import trial\n'
    "print(trial.environment(['arm.gin'], True)[0])"
  )
  unset = ('MUJOCO_GL', 'PYOPENGL_PLATFORM')
  clean = {k: v for k, v in os.environ.items() if k not in unset}
  result = subprocess.run(
    [sys.executable, '-c', script],
    cwd=tmp_path,
    env={**clean, 'PYTHONPATH': str(REPOSITORY)},
    capture_output=True,
    text=True,
  )
  assert result.stdout == 'InvertedPendulum-v5\n', result.stderr
