"""What the package says on stderr, and what it has when it is installed."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


pytestmark = pytest.mark.slow

_LIBRARIES = (
  'import tensorflow, dm_control.suite\n'
  'from tf_agents import environments\n'
  'from tf_agents.agents import tf_agent\n'
  'from tf_agents.policies import policy_saver, random_tf_policy\n'
)


def _python(script, **environment):
  hidden = (
    *('TF_CPP_MIN_LOG_LEVEL', 'TF_ENABLE_ONEDNN_OPTS'),
    *('MUJOCO_GL', 'PYTHONWARNINGS'),
  )
  clean = {k: v for k, v in os.environ.items() if k not in hidden}
  return subprocess.run(
    [sys.executable, '-c', script],
    env={**clean, **environment},
    capture_output=True,
    text=True,
  )


def test_import_is_cheap():
  result = _python('import sys, slac; print("tensorflow" in sys.modules)')
  assert (result.stdout, result.stderr) == ('False\n', '')


def test_libraries_keep_quiet_and_we_do_not():
  result = _python(
    'import slac, logging, warnings\n'
    + _LIBRARIES
    + 'from absl import logging as absl_logging\n'
    'tensorflow.get_logger().warning("theirs")\n'
    'path = "lib/site-packages/tensorflow/a.py"\n'
    'exec(compile("absl_logging.warning(1)", path, "exec"))\n'
    'warnings.warn_explicit("theirs", UserWarning, "a.py", 1, "tf_keras.a")\n'
    'import sys; print("imported", file=sys.stderr, flush=True)\n'
    'absl_logging.warning("ours 1")\n'
    'warnings.warn("ours 2")\n'
    'tensorflow.get_logger().error("an error")\n'
  )
  assert result.stdout == ''
  quiet, shown = result.stderr.split('imported\n')
  assert quiet == ''
  assert all(text in shown for text in ('ours 1', 'ours 2', 'an error'))


@pytest.mark.long
def test_the_users_settings_win():
  script = 'import slac, tensorflow'
  told = {'TF_CPP_MIN_LOG_LEVEL': '0'}
  notice = 'oneDNN custom operations are on'
  assert notice in _python(script, **told).stderr
  told['TF_ENABLE_ONEDNN_OPTS'] = '0'
  assert notice not in _python(script, **told).stderr


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
  """The package in a folder of its own; runs one of its scripts elsewhere."""
  folder = tmp_path_factory.mktemp('installed')
  source = folder / 'source'
  ignore = shutil.ignore_patterns('.git', '.venv', 'build', 'runs', 'docs')
  shutil.copytree(REPOSITORY, source, ignore=ignore)
  subprocess.run(
    [
      *(sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps'),
      *('--no-build-isolation', '--target', folder / 'site', source),
    ],
    check=True,
  )
  shutil.rmtree(source)
  elsewhere = folder / 'elsewhere'
  elsewhere.mkdir()

  def run(script, *arguments):
    return subprocess.run(
      [sys.executable, folder / 'site' / 'bin' / script, *arguments],
      cwd=elsewhere,
      env={**os.environ, 'PYTHONPATH': str(folder / 'site')},
      capture_output=True,
      text=True,
    )

  return elsewhere, run


@pytest.mark.slow
@pytest.mark.parametrize('name', ['train', 'play', 'doctor', 'replication'])
def test_scripts_of_an_installed_package_answer(installed, name):
  _, run = installed
  process = run(f'slac-{name}', '--help')
  assert (process.returncode, process.stderr) == (0, '')
  assert process.stdout.startswith('usage: ')


@pytest.mark.slow
@pytest.mark.long
def test_an_installed_package_finds_its_gin_files_and_trains(installed):
  elsewhere, run = installed
  process = run('slac-train', '--gin_file=gin/walkr.gin')
  assert process.returncode == 66
  assert '(did you mean walker.gin?)' in process.stderr
  tiny = REPOSITORY / 'tests' / 'tiny.gin'
  process = run('slac-sweep', '--tasks=half_cheetah', '--overlay', str(tiny))
  _, first, *_, hours = process.stdout.splitlines()
  assert first.startswith(
    'python -m train_eval --gin_file=gin/half_cheetah.gin'
  )
  assert 'a few steps and updates of half_cheetah-tiny-seed0' in hours
  # There is no model to trace; what is included may bind more than it has.
  overlay = elsewhere / 'small.gin'
  overlay.write_text(f"include '{tiny}'\ninclude 'gin/sac_state.gin'\n")
  process = run(
    'slac-train',
    '--gin_file=gin/cartpole.gin',
    '--gin_file=small.gin',
    '--gin_param=ACTION_REPEAT = 10',
    '--gin_param=Schedule.env_steps = 1200',
    '--name=tiny',
  )
  assert process.returncode == 0, process.stderr
  folder = elsewhere / 'runs' / 'tiny'
  assert (folder / 'policy' / 'saved_model.pb').is_file()
  process = run('slac-play', 'runs/tiny', '--episodes=1')
  assert (process.returncode, process.stderr) == (0, '')
  assert (folder / 'videos' / 'play.gif').is_file()


def test_test_tools_are_no_dependency_of_the_package():
  text = (REPOSITORY / 'requirements.in').read_text()
  assert 'tensorflow==' in text
  assert not re.search('pytest|ruff|mypy|import-linter', text)
