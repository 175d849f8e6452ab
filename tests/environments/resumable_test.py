"""Tests of slac/environments/resumable.py: what own environments go on with."""

import numpy as np
import pytest
from tf_agents.environments import py_environment, wrappers
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac.environments import requirements
from slac.storage import states

ACTION = np.float32([0.5])


class Walk(py_environment.PyEnvironment):
  """Adds actions up, for six steps; it knows of no time step."""

  def __init__(self, most=1.0):
    super().__init__(handle_auto_reset=True)
    self._most = most
    self._place, self._t = 0.0, 0

  def action_spec(self):
    return array_spec.BoundedArraySpec([1], np.float32, -self._most, self._most)

  def observation_spec(self):
    return {'state': array_spec.ArraySpec([1], np.float32)}

  def get_state(self):
    return {'place': self._place, 't': self._t}

  def set_state(self, state):
    self._place, self._t = state['place'], state['t']

  def _reset(self):
    self._place, self._t = 0.0, 0
    return ts.restart(self._seen())

  def _step(self, action):
    self._place, self._t = self._place + float(action[0]), self._t + 1
    if self._t == 6:
      return ts.termination(self._seen(), self._place)
    return ts.transition(self._seen(), self._place)

  def _seen(self):
    return {'state': np.float32([self._place])}


@pytest.mark.parametrize(
  ('make', 'unit'),
  [
    (Walk, 1.0),
    (lambda: Walk(2.0), 2.0),  # Its actions are rescaled.
    (lambda: wrappers.ActionRepeat(Walk(), 2), 2.0),
  ],
)
def test_it_goes_on_where_it_was_saved(tmp_path, make, unit):
  first = requirements.prepare(make(), 1)
  first.reset()
  first.step(ACTION)
  states.write(tmp_path, first.get_state())
  second = requirements.prepare(make(), 1)
  second.set_state(states.read(tmp_path))
  seen = second.current_time_step()
  assert seen.is_mid() and seen.observation == {'state': [0.5 * unit]}
  # No reset, and the end comes when it would have come.
  found = [second.step(ACTION) for _ in range(2)]
  np.testing.assert_array_equal(found[0].observation['state'], [unit])
  expected = [first.step(ACTION) for _ in range(2)]
  for own, other in zip(found, expected, strict=True):
    assert (own.step_type, own.reward) == (other.step_type, other.reward)


def test_one_whose_wrapper_counts_cannot_be_saved():
  prepared = requirements.prepare(wrappers.TimeLimit(Walk(), 3), 1)
  prepared.reset()
  with pytest.raises(NotImplementedError):
    prepared.get_state()
