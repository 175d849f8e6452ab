"""How TensorFlow is imported: with a stand-in for it, and with itself."""

import os
import subprocess
import sys

import pytest

NOTICES = (
  'WARNING: All log messages before absl::InitializeLog() is called are\n'
  'I0000 00:00:1795555542.539840   16916 port.cc:153] oneDNN is on.\n'
)
# What a package `tensorflow` does that is not TensorFlow.
WRITES = f"""
import os, sys
os.write(2, {NOTICES.encode()!r} + b'E0000 a fault\\n')
print('a warning', file=sys.stderr)
symbols = sys.modules['tensorflow.python.pywrap_dlopen_global_flags']
"""
TOLD = 'E0000 a fault\na warning\n'


@pytest.fixture
def python(tmp_path):
  """A function that runs a script where the package is the stand-in's text."""

  def run(tensorflow, script, **settings):
    (tmp_path / 'tensorflow').mkdir()
    (tmp_path / 'tensorflow' / '__init__.py').write_text(tensorflow)
    path = f'{tmp_path}{os.pathsep}{os.getcwd()}'
    return subprocess.run(
      [sys.executable, '-c', script],
      env={**os.environ, 'PYTHONPATH': path, **settings},
      capture_output=True,
      text=True,
      timeout=60,
    )

  return run


def test_its_notices_are_left_out_and_all_else_is_told_in_order(python):
  result = python(
    WRITES,
    'import slac, sys, tensorflow\n'
    'from slac.installation import loading\n'
    'print(tensorflow.symbols, loading._GLOBAL_SYMBOLS in sys.modules)\n'
    'print("later", file=sys.stderr)\n',
  )
  assert result.stderr == TOLD + 'later\n'
  assert result.stdout == 'None False\n'


def test_a_user_who_wants_to_know_is_told_all(python):
  script = 'import slac, tensorflow'
  result = python(WRITES, script, TF_CPP_MIN_LOG_LEVEL='0')
  assert result.stderr == NOTICES + TOLD


def test_what_it_raises_is_raised(python):
  result = python(
    WRITES + 'raise ImportError("no such library")\n',
    'import slac, tensorflow',
  )
  assert result.returncode == 1
  assert result.stderr.startswith(TOLD + 'Traceback')
  assert result.stderr.endswith('ImportError: no such library\n')


def test_what_it_says_in_a_crash_is_told(python):
  result = python(WRITES + 'os.abort()\n', 'import slac, tensorflow')
  assert result.returncode < 0
  assert result.stderr == TOLD


def test_a_process_that_it_leaves_behind_holds_nothing_up(python):
  result = python(
    'import subprocess\nprocess = subprocess.Popen(["sleep", "20"])\n',
    'import slac, time\n'
    'start = time.monotonic()\n'
    'import tensorflow\n'
    'print(time.monotonic() - start < 10)\n'
    'tensorflow.process.kill()\n',
  )
  assert result.stdout == 'True\n'


def test_a_closed_stderr_is_no_fault(python):
  result = python(
    'x = 1',
    'import os\nos.close(2)\nimport slac, tensorflow\nprint(tensorflow.x)',
  )
  assert (result.returncode, result.stdout) == (0, '1\n')


@pytest.mark.slow
def test_who_imports_tensorflow_first_is_told_what_would_go_wrong():
  script = """
import tensorflow, slac
from slac import errors
from slac.environments import rendering
from slac.models import networks
for call in (
  rendering.choose_backend,
  lambda: rendering.Renderer(None, 0, 512, 0),
  lambda: networks.mlp(1, 2, 1, 'relu'),
):
  try:
    call()
  except errors.UserError as error:
    print(error.exit_code, error)
"""
  hidden = {'TF_USE_LEGACY_KERAS'}
  result = subprocess.run(
    [sys.executable, '-c', script],
    env={k: v for k, v in os.environ.items() if k not in hidden},
    capture_output=True,
    text=True,
  )
  lines = result.stdout.splitlines()
  assert len(lines) == 3, result.stderr
  for line, text in zip(lines, ('symbols', 'symbols', 'Keras 3'), strict=True):
    assert line.startswith('69 TensorFlow was imported before slac,')
    assert text in line
    assert line.endswith(': import slac first.')


@pytest.mark.slow
def test_a_renderer_works_beside_tensorflow():
  script = """
import slac, tensorflow as tf
from slac.environments import rendering
rendering.choose_backend()
import mujoco
model = mujoco.MjModel.from_xml_string(
  '<mujoco><worldbody>'
  '<camera pos="0 0 5"/><geom size="1"/>'
  '</worldbody></mujoco>'
)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = rendering.Renderer(model, 0, 512, 0)
print(renderer.render(data).any())
print(float(tf.function(tf.reduce_sum, jit_compile=True)(tf.ones(3))))
"""
  result = subprocess.run(
    [sys.executable, '-c', script], capture_output=True, text=True
  )
  assert (result.returncode, result.stderr) == (0, '')
  assert result.stdout == 'True\n3.0\n'
