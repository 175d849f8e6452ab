"""Tests of slac/__init__.py: what is said on stderr, in new processes."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

_LIBRARIES = (
  'import tensorflow, dm_control.suite\n'
  'from tf_agents import environments\n'
  'from tf_agents.agents import tf_agent\n'
  'from tf_agents.policies import policy_saver, random_tf_policy\n'
)


def _python(script, **environment):
  hidden = ('TF_CPP_MIN_LOG_LEVEL', 'MUJOCO_GL', 'PYTHONWARNINGS')
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


def test_the_users_setting_wins():
  result = _python('import slac, tensorflow', TF_CPP_MIN_LOG_LEVEL='2')
  assert 'oneDNN custom operations are on' in result.stderr
