"""Draws a model's meshes with fewer faces, where most are below a pixel."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  import mujoco


def simplify(model: 'mujoco.MjModel', size: float):
  """Removes the faces of meshes that are smaller than `size` metres.

  The vertices in each cube of that size become one of them, and faces that
  thereby lose their area are left out. Renderers that are created afterwards
  draw what remains; the simulation, which collides convex hulls, is the same.
  """
  for mesh in range(model.nmesh):
    begin, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    cubes = np.round(model.mesh_vert[begin : begin + count] / size)
    _, first, cube = np.unique(
      cubes, axis=0, return_index=True, return_inverse=True
    )
    begin, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    faces = first[cube.ravel()][model.mesh_face[begin : begin + count]]
    a, b, c = faces.T
    (kept,) = np.nonzero((a != b) & (b != c) & (c != a))
    model.mesh_face[begin : begin + len(kept)] = faces[kept]
    # By corners, as the faces are.
    for values in (model.mesh_facenormal, model.mesh_facetexcoord):
      values[begin : begin + len(kept)] = values[begin + kept]
    model.mesh_facenum[mesh] = len(kept)
