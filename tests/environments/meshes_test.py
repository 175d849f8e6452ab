"""Tests of slac/environments/meshes.py: fewer faces, the same simulation."""

import numpy as np

from slac.environments import meshes, rendering

# A tetrahedron of 1 m, one of whose corners is two points 1 mm apart.
_MODEL = """
<mujoco>
  <option gravity="0 0 -9.81"/>
  <asset>
    <mesh name="m" vertex="0 0 0 1 0 0 0 1 0 0 0 1 0 0 0.999 5 5 5"
      face="4 2 3 3 1 4 0 2 1 0 1 3 0 3 2 1 2 4"/>
  </asset>
  <worldbody>
    <geom type="plane" size="5 5 1"/>
    <body pos="0 0 2"><freejoint/><geom type="mesh" mesh="m"/></body>
  </worldbody>
</mujoco>"""


def make(size):
  rendering.choose_backend(is_needed=False)
  import mujoco

  model = mujoco.MjModel.from_xml_string(_MODEL)
  if size:
    meshes.simplify(model, size)
  data = mujoco.MjData(model)
  return mujoco, model, data


def test_faces_without_an_area_are_left_out():
  _, whole, _ = make(None)
  _, model, _ = make(0.01)
  assert whole.mesh_facenum[0] == 6
  assert model.mesh_facenum[0] == 4
  # The near points have become one of them; the first two faces had both. The
  # others have the normals that they had.
  expected = np.where(whole.mesh_face[2:] == 4, 3, whole.mesh_face[2:])
  np.testing.assert_array_equal(model.mesh_face[:4], expected)
  np.testing.assert_array_equal(
    model.mesh_facenormal[:4], whole.mesh_facenormal[2:]
  )


def test_what_is_larger_stays():
  _, whole, _ = make(None)
  _, model, _ = make(0.0001)
  np.testing.assert_array_equal(model.mesh_face, whole.mesh_face)
  np.testing.assert_array_equal(model.mesh_facenum, whole.mesh_facenum)


def test_the_simulation_is_the_same():
  states = []
  for size in (None, 0.2):
    mujoco, model, data = make(size)
    mujoco.mj_step(model, data, 400)
    assert data.ncon  # It lies on the ground.
    states.append(data.qpos.copy())
  np.testing.assert_array_equal(*states)
