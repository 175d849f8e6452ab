"""Tests of slac/environments/rendering.py: GL libraries, images, threads."""

import functools
import os
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

from slac import errors
from slac.environments import rendering

_BALL = """
<mujoco><worldbody>
  <light pos="0 0 3"/>
  <camera pos="0 -3 0" xyaxes="1 0 0 0 0 1"/>
  <geom pos="0 0 %g" size="%g" rgba="%s"/>
</worldbody></mujoco>"""


def _model_and_data(size=0.5, color='1 0 0 1', height=0):
  rendering.choose_backend()
  import mujoco

  model = mujoco.MjModel.from_xml_string(_BALL % (height, size, color))
  data = mujoco.MjData(model)
  mujoco.mj_forward(model, data)
  return model, data


def _renderer(model, shadow_map_size=512, multisamples=0):
  return rendering.Renderer(model, 0, shadow_map_size, multisamples)


def _physics(domain, task):
  rendering.choose_backend()
  from dm_control import suite

  return suite.load(domain, task, task_kwargs={'random': 0}).physics


def _in_thread(function):
  results = []
  thread = threading.Thread(target=lambda: results.append(function()))
  thread.start()
  thread.join()
  return results[0]


def _python(script, **environment):
  clean = {k: v for k, v in os.environ.items() if k != 'MUJOCO_GL'}
  return subprocess.run(
    [sys.executable, '-c', script],
    env={**clean, **environment},
    capture_output=True,
    text=True,
  )


@pytest.fixture
def clean_process(monkeypatch):
  """As before anything chose a backend; the environment is restored."""
  monkeypatch.setattr(
    rendering,
    'find_backend',
    functools.cache(rendering.find_backend.__wrapped__),
  )
  monkeypatch.setenv('MUJOCO_GL', '')
  monkeypatch.setenv('PYOPENGL_PLATFORM', '')
  monkeypatch.delitem(sys.modules, 'mujoco', raising=False)


@pytest.mark.slow
def test_chooses_a_backend_without_importing_mujoco():
  result = _python(
    'import os, sys\n'
    'from slac.environments import rendering\n'
    'name = rendering.choose_backend()\n'
    'print(name == os.environ["MUJOCO_GL"], "mujoco" in sys.modules)\n'
    'import mujoco\n'
    'print(mujoco.GLContext.__module__ == "mujoco." + name)'
  )
  assert result.stderr == ''
  assert result.stdout.split() == ['True', 'False', 'True']


@pytest.mark.slow
def test_falls_back_to_osmesa(clean_process, monkeypatch):
  probe = 'import os; assert os.environ["MUJOCO_GL"] == "osmesa"'
  monkeypatch.setattr(rendering, '_PROBE', probe)
  assert rendering.choose_backend() == 'osmesa'
  assert os.environ['MUJOCO_GL'] == 'osmesa'
  assert os.environ['PYOPENGL_PLATFORM'] == 'osmesa'


@pytest.mark.slow
def test_keeps_the_users_backend(clean_process, monkeypatch):
  monkeypatch.setenv('MUJOCO_GL', 'OSMesa')
  monkeypatch.setattr(rendering, '_PROBE', 'pass')
  assert rendering.choose_backend() == 'osmesa'


@pytest.mark.slow
def test_no_backend_names_what_was_tried_and_the_remedy(
  clean_process, monkeypatch
):
  monkeypatch.setattr(rendering, '_PROBE', 'raise OSError("no library")')
  with pytest.raises(errors.UserError) as raised:
    rendering.choose_backend()
  assert str(raised.value) == (
    'Cannot render images with egl (OSError: no library) or osmesa (OSError: '
    'no library): install libegl1 and libopengl0, or libosmesa6.'
  )
  assert raised.value.exit_code == 69


@pytest.mark.slow
def test_what_needs_no_backend_goes_on_without(clean_process, monkeypatch):
  monkeypatch.setattr(rendering, '_PROBE', 'raise OSError("no library")')
  assert rendering.choose_backend(is_needed=False) == 'disabled'
  assert os.environ['MUJOCO_GL'] == 'disabled'  # MuJoCo imports no library.
  # Whoever needs one is told what was tried, as before.
  with pytest.raises(errors.UserError, match=r'with egl .* or osmesa'):
    rendering.choose_backend()


@pytest.mark.slow
def test_the_users_backend_does_not_work(clean_process, monkeypatch):
  monkeypatch.setenv('MUJOCO_GL', 'banana')
  with pytest.raises(errors.UserError, match='unset MUJOCO_GL') as e:
    rendering.choose_backend()
  assert 'banana (' in str(e.value) and e.value.exit_code == 69


@pytest.mark.slow
def test_mujoco_may_have_been_imported_before():
  ball = _BALL % (0, 0.5, '1 0 0 1')
  result = _python(
    'import gymnasium, mujoco\n'
    'from slac.environments import rendering\n'
    'rendering.choose_backend(is_needed=False)\n'
    'task = gymnasium.make("InvertedPendulum-v5", render_mode="rgb_array")\n'
    'task.reset()\n'
    'print(task.render().any())\n'
    'task.close()\n'
    f'model = mujoco.MjModel.from_xml_string({ball!r})\n'
    'with mujoco.Renderer(model, 16, 16) as renderer:\n'
    '  data = mujoco.MjData(model)\n'
    '  mujoco.mj_forward(model, data)\n'
    '  renderer.update_scene(data)\n'
    '  print(renderer.render().any())\n'
  )
  assert result.stderr == ''
  assert result.stdout.split() == ['True', 'True']


@pytest.mark.slow
def test_dm_control_may_have_been_imported_before():
  result = _python(
    'from dm_control import suite\n'
    'from slac.environments import rendering\n'
    'rendering.choose_backend(is_needed=False)\n'
    'physics = suite.load("cartpole", "swingup").physics\n'
    'print(physics.render(16, 16, camera_id=0).any())\n'
  )
  assert result.stdout.split() == ['True'], result.stderr


@pytest.mark.slow
def test_mujoco_was_imported_too_early(clean_process, monkeypatch):
  monkeypatch.setattr(rendering, '_PROBE', 'pass')
  monkeypatch.setitem(sys.modules, 'mujoco', types.SimpleNamespace())
  monkeypatch.setitem(sys.modules, 'mujoco.egl', None)  # OpenGL has another.
  with pytest.raises(errors.UserError, match='set MUJOCO_GL=egl'):
    rendering.choose_backend()


def test_image_is_right_side_up_and_colored():
  model, data = _model_and_data(color='1 0 0 1', height=0.8)
  image = _renderer(model).render(data)
  assert image.shape == (64, 64, 3) and image.dtype == np.uint8
  red = image[..., 0] > 2 * image[..., 2]
  assert red[:32].sum() > 100 and red[32:].sum() == 0


def test_settings_reach_the_context():
  model, data = _model_and_data()
  smooth = _renderer(model, multisamples=4).render(data)
  rough = _renderer(model, multisamples=0).render(data)
  assert (smooth != rough).any()
  visual = model.vis
  assert (visual.global_.offwidth, visual.global_.offheight) == (64, 64)
  assert visual.quality.shadowsize == 512


@pytest.mark.parametrize(
  ('domain', 'task', 'camera', 'size'),
  [
    ('walker', 'walk', 1, (64, 64)),
    ('finger', 'spin', 0, (64, 64)),
    ('walker', 'walk', 1, (48, 80)),
  ],
)
def test_pixels_equal_dm_controls_own(domain, task, camera, size):
  physics = _physics(domain, task)
  ours = rendering.Renderer(physics.model.ptr, camera, 512, 4, size)
  image = ours.render(physics.data.ptr)
  ours.close()
  assert image.shape == (*size, 3)
  np.testing.assert_array_equal(image, physics.render(*size, camera_id=camera))


def test_interleaved_models_render_as_alone():
  scenes = [_model_and_data(0.5, '1 0 0 1'), _model_and_data(0.9, '0 1 0 1')]
  alone = []
  for model, data in scenes:
    renderer = _renderer(model)
    alone.append(renderer.render(data))
    renderer.close()
  assert (alone[0] != alone[1]).any()
  renderers = [_renderer(model) for model, _ in scenes]
  for _ in range(3):
    for i in (0, 1):
      image = renderers[i].render(scenes[i][1])
      np.testing.assert_array_equal(image, alone[i])


def test_renders_in_any_thread():
  model, data = _model_and_data()
  here = _renderer(model)
  there = _in_thread(lambda: _renderer(model))
  expected = here.render(data)
  assert expected.any()
  for renderer in (here, there):
    for image in (
      renderer.render(data),
      _in_thread(lambda r=renderer: r.render(data)),
    ):
      np.testing.assert_array_equal(image, expected)


def test_errors_reach_the_caller():
  model, _ = _model_and_data()
  with pytest.raises(TypeError):
    _renderer(model).render(None)


@pytest.mark.parametrize('how', ['close', 'collect', 'collect in thread'])
def test_freeing_one_leaves_the_others_right(how):
  physics = _physics('walker', 'walk')  # Has textures to be freed.
  model, data = physics.model.ptr, physics.data.ptr
  kept, freed = _renderer(model), _renderer(model)
  before = kept.render(data)
  holder = [freed]
  del freed
  if how == 'close':
    holder.pop().close()
  elif how == 'collect':
    holder.pop()
  else:
    _in_thread(holder.clear)
  np.testing.assert_array_equal(kept.render(data), before)


def test_neither_we_nor_dm_controls_own_rendering_disturb_the_other():
  ours, theirs = _physics('walker', 'walk'), _physics('cheetah', 'run')
  their_image = theirs.render(64, 64, camera_id=0)
  renderer = _renderer(ours.model.ptr)
  image = renderer.render(ours.data.ptr)
  for _ in range(2):
    np.testing.assert_array_equal(
      theirs.render(64, 64, camera_id=0), their_image
    )
    np.testing.assert_array_equal(renderer.render(ours.data.ptr), image)
  theirs.free()
  np.testing.assert_array_equal(renderer.render(ours.data.ptr), image)


@pytest.mark.slow
def test_a_renderer_left_open_does_not_trouble_the_exit():
  result = _python(
    'from slac.environments import rendering\n'
    'rendering.choose_backend()\n'
    'from dm_control import suite\n'
    'physics = suite.load("cartpole", "swingup").physics\n'
    'renderer = rendering.Renderer(physics.model.ptr, 0, 512, 0)\n'
    'renderer.itself = renderer  # Is collected when modules are gone.\n'
    'physics.render(64, 64, camera_id=0)'
  )
  assert (result.returncode, result.stdout, result.stderr) == (0, '', '')
