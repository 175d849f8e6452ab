"""A claw of three fingers that turns a valve to a goal, which images show.

Versions 1 and 2 of the paper (2019) have this task; its environment was not
published. The model is the project's own: docs/environments.md says what is
approximated.
"""

from collections.abc import Callable

import gin
import numpy as np

from slac import errors
from slac.environments import manipulation, rendering

# Radians, of a finger's three joints: what an action of 1 asks for, and where
# an episode begins.
_REACH = np.tile([0.48, 1.05, 1.57], 3)
_START = np.tile([0, -np.pi / 3, np.pi / 3], 3)
_SUBSTEPS = 40  # Of 2.5 ms.
_SOLVED = 0.25  # Radians.
_GOAL_RADIUS = 0.115  # Metres from the valve's axis.
_VIEW = manipulation.View((0.3, -0.3, 0.42), (0, 0, 0.07), 36)


def fixed(random: np.random.Generator) -> float:
  """Returns the same goal each time, in radians."""
  del random
  return np.pi / 2


def three(random: np.random.Generator) -> float:
  """Returns one of three goals."""
  return random.choice([-np.pi / 2, 0, np.pi / 2])


def uniform(random: np.random.Generator) -> float:
  """Returns any goal in the half circle in which those three are."""
  return random.uniform(-np.pi / 2, np.pi / 2)


GOALS: dict[str, Callable[[np.random.Generator], float]] = {
  'fixed': fixed,
  'three': three,
  'uniform': uniform,
}


@gin.configurable
class ClawEnvironment(manipulation.ManipulationEnvironment):
  """The claw, rewarded with minus the angle between valve and goal.

  In the image a red ball on one lobe of the valve is to be brought to a green
  ball. The state is the joints' 9 positions and 9 velocities, cosine and sine
  of the valve's angle, its velocity, and the goal's angle.
  """

  _step_count = 0  # Of this episode.

  def __init__(self, task: str = gin.REQUIRED):
    """Makes the model.

    Args:
      task: Where goals are: 'fixed', 'three' or 'uniform'.

    Raises:
      UserError: There is no such task.
    """
    if task not in GOALS:
      raise errors.UserError(
        f'The claw has no task {errors.short(task)!r}'
        f'{errors.did_you_mean_or_all(task, GOALS)}.'
      )
    rendering.choose_backend(is_needed=False)
    import mujoco  # Not before MUJOCO_GL is set: see rendering.py.

    self._draw_goal = GOALS[task]
    self._goal = 0.0
    model = mujoco.MjModel.from_xml_string(model_xml())
    super().__init__(
      f'claw-{task}', model, mujoco.MjData(model), 0, _VIEW, 9, 22
    )

  def is_success(self) -> bool:
    """Returns whether the valve is at the goal now."""
    return bool(abs(self._error()) < _SOLVED)

  def _begin_episode(self) -> np.ndarray:
    self._mujoco.mj_resetData(self._model, self._data)
    valve = self._random.uniform(-np.pi, np.pi)
    self._goal = float(self._draw_goal(self._random))
    place = _GOAL_RADIUS * np.array([np.cos(self._goal), np.sin(self._goal)])
    self._model.site('goal').pos[:2] = place
    self._data.qpos[:] = [*_START, valve]
    self._data.ctrl[:] = _START
    self._mujoco.mj_forward(self._model, self._data)
    self._step_count = 0
    return self._state()

  def _advance(self, action: np.ndarray) -> float:
    self._data.ctrl[:] = _REACH * np.clip(action, -1, 1)
    self._mujoco.mj_step(self._model, self._data, _SUBSTEPS)
    # The bodies' places are those of one substep ago.
    self._mujoco.mj_forward(self._model, self._data)
    self._step_count += 1
    return -abs(self._error())

  def _state(self) -> np.ndarray:
    data = self._data
    valve = data.qpos[9]
    return np.concatenate(
      [
        data.qpos[:9],
        data.qvel[:9],
        [np.cos(valve), np.sin(valve), data.qvel[9], self._goal],
      ]
    )

  def _error(self) -> float:
    """Returns the valve's angle from the goal, in [-pi, pi)."""
    return (self._data.qpos[9] - self._goal + np.pi) % (2 * np.pi) - np.pi


def model_xml() -> str:
  """Returns the model in MuJoCo's format: three fingers above a valve."""
  thirds = range(0, 360, 120)
  fingers = '\n'.join(
    _FINGER.format(i=i, angle=60 + a) for i, a in enumerate(thirds)
  )
  lobes = '\n'.join(_LOBE.format(angle=angle) for angle in thirds)
  motors = '\n'.join(
    f'<position joint="finger{i}_{j}" kp="{kp}" ctrlrange="{-reach} {reach}"/>'
    for i in range(3)
    for j, (reach, kp) in enumerate(zip(_REACH[:3], (2, 2, 1.5), strict=True))
  )
  return _MODEL.format(fingers=fingers, lobes=lobes, motors=motors)


_MODEL = """
<mujoco model="claw">
  <compiler angle="degree"/>
  <option timestep="0.0025" integrator="implicitfast"/>
  <visual>
    <headlight ambient="0.35 0.35 0.35" diffuse="0.3 0.3 0.3"/>
  </visual>
  <default>
    <joint damping="0.1" armature="0.002"/>
    <geom friction="1 0.005 0.0001" density="600"/>
  </default>
  <worldbody>
    <camera/>
    <light pos="0.2 -0.3 1" dir="-0.2 0.3 -1" diffuse="0.6 0.6 0.6"/>
    <geom type="plane" size="1 1 0.1" rgba="0.55 0.55 0.5 1"/>
    <site name="goal" size="0.018" pos="0 0 0.05" rgba="0 0.9 0.1 1"/>
    {fingers}
    <body name="valve" pos="0 0 0.045">
      <joint name="valve" axis="0 0 1" damping="0.05" frictionloss="0.15"
        armature="0.001"/>
      <geom type="cylinder" size="0.03 0.02" rgba="0.2 0.25 0.6 1"/>
      {lobes}
      <site name="pointer" size="0.022" pos="0.085 0 0.01" rgba="1 0 0 1"/>
    </body>
  </worldbody>
  <actuator>
    {motors}
  </actuator>
</mujoco>"""
_LOBE = """
<body euler="0 0 {angle}">
  <geom type="capsule" size="0.017" fromto="0.02 0 0 0.085 0 0"
    rgba="0.3 0.4 0.8 1"/>
</body>"""
# Joint 0 swings the finger sideways, 1 and 2 bend it away from the axis.
_FINGER = """
<body pos="0 0 0.21" euler="0 0 {angle}">
  <body pos="0.045 0 0">
    <joint name="finger{i}_0" axis="1 0 0" range="-30 30"/>
    <geom type="box" size="0.014 0.014 0.018" pos="0 0 -0.012"
      rgba="0.15 0.15 0.15 1"/>
    <body pos="0 0 -0.03">
      <joint name="finger{i}_1" axis="0 1 0" range="-65 65"/>
      <geom type="capsule" size="0.011" fromto="0 0 0 0 0 -0.085"
        rgba="0.85 0.85 0.85 1"/>
      <body pos="0 0 -0.085">
        <joint name="finger{i}_2" axis="0 1 0" range="-95 95"/>
        <geom type="capsule" size="0.010" fromto="0 0 0 0 0 -0.095"
          rgba="0.2 0.2 0.2 1"/>
      </body>
    </body>
  </body>
</body>"""
