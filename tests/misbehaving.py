"""An environment that hangs, dies and raises where its action says so.

Gin files may `import tests.misbehaving`, as may other processes.
"""

import contextlib
import os
import pathlib
import signal
import time

import gin
import numpy as np
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.environments import checked

HANG, DIE, LEAVE, RAISE, REFUSE, LACK, FAIL = np.linspace(0.5, 0.8, 7)


@gin.configurable
class Misbehaving(py_environment.PyEnvironment):
  """Its state counts the steps from the seed on; the reward is the action."""

  def __init__(self):
    super().__init__(handle_auto_reset=True)
    self._count = 0

  def action_spec(self):
    return array_spec.BoundedArraySpec([1], np.float32, -1.0, 1.0)

  def observation_spec(self):
    return {'state': array_spec.ArraySpec([1], np.float32)}

  def seed(self, seed):
    self._count = seed

  def get_state(self):
    if self._count < 0:
      return lambda: None
    return {'count': self._count, 'time_step': tuple(self._current_time_step)}

  def set_state(self, state):
    self._count = state['count']
    self._current_time_step = ts.TimeStep(*state['time_step'])

  def _reset(self):
    return ts.restart(self._observe())

  def _step(self, action):
    faults = [HANG, DIE, LEAVE, RAISE, REFUSE, LACK, FAIL]
    asked = np.isclose(action[0], faults)
    if asked[0]:
      time.sleep(1000)
    if asked[1]:
      os.kill(os.getpid(), signal.SIGKILL)
    if asked[2]:
      os._exit(3)
    if asked[3]:
      raise KeyboardInterrupt('no luck\nat all')
    if asked[4]:
      raise errors.UserError('plug it in', 69)
    if asked[5]:
      self._count = -10
    if asked[6]:
      raise checked.Failure('there is no frame')
    return ts.transition(self._observe(), np.float32(action[0]))

  def _observe(self):
    self._count += 1
    return {'state': np.float32([self._count])}


@gin.configurable
class Trapped(Misbehaving):
  """Episodes of random length; a step in which a file TRAP is there hangs.

  That takes the file away. TRAP is in the environment of the process.
  """

  def seed(self, seed):
    self._random = np.random.RandomState(seed)

  def get_state(self):
    state = self._random.get_state(legacy=False)
    return {**super().get_state(), 'random': state, 'length': self._length}

  def set_state(self, state):
    super().set_state(state)
    self._random = np.random.RandomState()
    self._random.set_state(state['random'])
    self._length = state['length']

  def _reset(self):
    self._count, self._length = 0, self._random.randint(3, 9)
    return super()._reset()

  def _step(self, action):
    trap = pathlib.Path(os.environ['TRAP'])
    with contextlib.suppress(FileNotFoundError):
      trap.unlink()
      time.sleep(1000)
    reward = np.float32(self._random.normal() + action[0])
    observation = self._observe()
    kind = ts.truncation if self._count > self._length else ts.transition
    return kind(observation, reward)
