"""Renders images of MuJoCo's models without a display.

MuJoCo chooses its GL library from the environment variable MUJOCO_GL when it is
imported. So no module here imports it before `choose_backend` has been called.
"""

import atexit
import functools
import importlib
import os
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import TYPE_CHECKING, Any

import numpy as np

from slac import errors
from slac.environments import processes
from slac.installation import loading

if TYPE_CHECKING:
  import mujoco

IMAGE_SIZE = (64, 64)  # Height and width of the paper's images.

BACKENDS = ('egl', 'osmesa')
NO_BACKEND = 'disabled'  # MuJoCo's and dm_control's word for it.
_PROBE_SECONDS = 60
_PROBE = """
import mujoco
model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><geom size="1"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 16, 16) as renderer:
  renderer.update_scene(data)
  assert renderer.render().any(), 'the rendered image is black'
"""

_open_renderers = weakref.WeakSet()


def choose_backend(is_needed: bool = True) -> str:
  """Finds a GL library that renders here, and has MuJoCo use it.

  If the user has set MUJOCO_GL, this is the one candidate; otherwise EGL and
  then OSMesa are tried. Each renders an image in a process of its own, which
  takes a second, since a failed attempt cannot be undone. MuJoCo uses it even
  where it has been imported before, as a module of the user's may do.

  Args:
    is_needed: Whether anything is to be rendered. If not, and none is found,
      MuJoCo does without.

  Returns:
    The backend's name, which is also put into `os.environ['MUJOCO_GL']`.

  Raises:
    UserError: (69) if no candidate works, or MuJoCo has been imported in a way
      that excludes it, or TensorFlow in one that would crash it.
  """
  found = find_backend()
  if not isinstance(found, errors.UserError):
    return found
  if is_needed:
    raise found.with_traceback(None)  # It is kept, and would grow.
  os.environ['MUJOCO_GL'] = NO_BACKEND
  return NO_BACKEND


@functools.cache
def find_backend() -> str | errors.UserError:
  """Returns what `choose_backend` does, once; or what it raises."""
  try:
    return _first_that_works()
  except errors.UserError as error:
    return error


def _first_that_works() -> str:
  loading.check_symbols()
  asked = asked_backend()
  failures = []
  for name in [asked] if asked else BACKENDS:
    settings = settings_of(name)
    _, failure = processes.run_script(_PROBE, settings, _PROBE_SECONDS)
    if failure is None:
      os.environ.update(settings)
      _have_mujoco_use(name)
      return name
    failures.append(f'{name} ({failure})')
  names = ('MUJOCO_GL', 'PYOPENGL_PLATFORM')
  given = [name for name in names if os.environ.get(name, '').strip()]
  unset = f', or unset {" and ".join(given)}' if given else ''
  raise errors.UserError(
    f'Cannot render images with {" or ".join(failures)}: install libegl1 '
    f'and libopengl0, or libosmesa6{unset}.',
    os.EX_UNAVAILABLE,
  )


def asked_backend() -> str:
  """Returns the backend that the user's MUJOCO_GL names, or ''."""
  return os.environ.get('MUJOCO_GL', '').strip().lower()


def settings_of(name: str) -> dict[str, str]:
  """Returns the environment variables that choose a backend."""
  settings = {'MUJOCO_GL': name}
  if name in BACKENDS and not os.environ.get('PYOPENGL_PLATFORM'):
    settings['PYOPENGL_PLATFORM'] = name
  return settings


def _have_mujoco_use(name: str):
  """Has MuJoCo use a GL library in place of what it was imported with.

  The same is done for dm_control, which has its own contexts.
  """
  if 'mujoco' not in sys.modules or name not in BACKENDS:
    return
  try:
    library = importlib.import_module(f'mujoco.{name}')
    if imported := sys.modules.get('dm_control._render'):
      imported.Renderer = getattr(imported, f'_import_{name}')()
      imported.BACKEND = name
  except Exception as error:  # OpenGL was imported for another one.
    raise errors.UserError(
      'MuJoCo was imported before a GL library was chosen for it: set '
      f'MUJOCO_GL={name}.',
      os.EX_UNAVAILABLE,
    ) from error
  for module in ('mujoco', 'mujoco.rendering.classic.gl_context'):
    if imported := sys.modules.get(module):
      imported.GLContext = library.GLContext


class Renderer:
  """Renders one camera of one model, from any thread.

  MuJoCo draws into, and frees textures of, whichever GL context is current in
  the calling thread. So each renderer makes its own context current before
  every use, freeing included, and all renderers work in one thread of their
  own. Elsewhere dm_control's `physics.render` can then be used, too, which
  relies on its thread's context being left alone.
  """

  def __init__(
    self,
    model: 'mujoco.MjModel',
    camera: int,
    shadow_map_size: int,
    multisamples: int,
    image_size: Sequence[int] = IMAGE_SIZE,
  ):
    """Creates the GL context, for the model as it is now.

    Args:
      model: The model to render. Its `vis` settings are overwritten with those
        given here, which cannot be changed once the context exists.
      camera: The index of a camera of the model, or -1 for a free one, which
        sees all of it.
      shadow_map_size: The side of the shadow map in texels; it takes most of
        the time.
      multisamples: Samples per pixel; 0 turns antialiasing off.
      image_size: Height and width of the images.
    """
    loading.check_symbols()
    import mujoco  # Not before MUJOCO_GL is set: see the top of this file.

    self._mujoco = mujoco
    self._height, self._width = image_size
    model.vis.global_.offwidth = self._width
    model.vis.global_.offheight = self._height
    model.vis.quality.shadowsize = shadow_map_size
    model.vis.quality.offsamples = multisamples
    self._model = model
    self._camera = mujoco.MjvCamera()
    if camera < 0:
      mujoco.mjv_defaultFreeCamera(model, self._camera)
    else:
      self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
      self._camera.fixedcamid = camera
    self._options = mujoco.MjvOption()
    self._scene = mujoco.MjvScene(model, maxgeom=10_000)
    self._viewport = mujoco.MjrRect(0, 0, self._width, self._height)
    self._gl = self._resources = None
    _in_thread(self._open).result()
    _open_renderers.add(self)
    # What is registered last runs first: before the GL library's own shutdown.
    atexit.unregister(_close_all)
    atexit.register(_close_all)

  def render(self, data: 'mujoco.MjData') -> np.ndarray:
    """Returns what the camera sees, uint8 [H, W, 3]."""
    return _in_thread(self._render, data).result()

  def close(self):
    """Frees the GL context; further calls do nothing."""
    # The garbage collector calls this, in any thread, and must not wait.
    gl, self._gl = getattr(self, '_gl', None), None
    if gl is not None:
      _in_thread(_free, gl, self._resources)

  def __del__(self):
    self.close()

  def _open(self):
    self._gl = self._mujoco.GLContext(self._width, self._height)
    self._gl.make_current()
    font = self._mujoco.mjtFontScale.mjFONTSCALE_100
    self._resources = self._mujoco.MjrContext(self._model, font)
    buffer = self._mujoco.mjtFramebuffer.mjFB_OFFSCREEN
    self._mujoco.mjr_setBuffer(buffer, self._resources)

  def _render(self, data: 'mujoco.MjData') -> np.ndarray:
    self._mujoco.mjv_updateScene(
      self._model,
      data,
      self._options,
      None,
      self._camera,
      self._mujoco.mjtCatBit.mjCAT_ALL,
      self._scene,
    )
    pixels = np.empty((self._height, self._width, 3), np.uint8)
    self._gl.make_current()
    self._mujoco.mjr_render(self._viewport, self._scene, self._resources)
    self._mujoco.mjr_readPixels(pixels, None, self._viewport, self._resources)
    return pixels[::-1].copy()  # GL's first row is the lowest.


def _free(gl: Any, resources: 'mujoco.MjrContext'):
  gl.make_current()
  resources.free()
  gl.free()


def _close_all():
  for renderer in list(_open_renderers):
    renderer.close()
  _in_thread(bool).result()  # Waits until all are closed.


def _in_thread(function: Callable[..., Any], *args: Any) -> futures.Future:
  """Has the rendering thread call a function, in the order of these calls."""
  future = futures.Future()
  _jobs().put((future, function, args))
  return future


@functools.cache
def _jobs() -> queue.SimpleQueue:
  """Starts the rendering thread; returns the queue of what it is to call.

  If the garbage collector called `close` while an executor held its locks, they
  would deadlock. A SimpleQueue is safe to use then.
  """
  jobs = queue.SimpleQueue()
  target = functools.partial(_work, jobs)
  threading.Thread(target=target, name='rendering', daemon=True).start()
  return jobs


def _work(jobs: queue.SimpleQueue):
  while True:
    future, function, args = jobs.get()
    try:
      future.set_result(function(*args))
    except BaseException as error:  # Raised where the result is asked for.
      future.set_exception(error)
    # While the thread waits, no renderer must be kept alive by these names.
    del future, function, args
