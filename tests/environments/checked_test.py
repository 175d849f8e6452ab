"""Tests of slac/environments/checked.py: what counts as a failure."""

import signal
import time

import numpy as np
import pytest
import tree
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.environments import checked, dm_control_tasks, limits

ACTION = np.zeros(1, np.float32)
GOOD = {
  'pixels': np.zeros([64, 64, 3], np.uint8),
  'state': np.zeros(2, np.float32),
}


class Scripted(py_environment.PyEnvironment):
  """Returns what it is told to, or raises it."""

  def __init__(self, result):
    super().__init__(handle_auto_reset=True)
    self._result = result

  def action_spec(self):
    return array_spec.BoundedArraySpec([1], np.float32, -1, 1)

  def observation_spec(self):
    return {
      'pixels': array_spec.ArraySpec([64, 64, 3], np.uint8),
      'state': array_spec.ArraySpec([2], np.float32),
    }

  def _reset(self):
    return self._step(ACTION)

  def _step(self, action):
    if isinstance(self._result, BaseException):
      raise self._result
    return self._result


def time_step(**changes):
  changes = {'observation': {}, **changes}
  observation = {**GOOD, **changes.pop('observation')}
  return ts.transition(GOOD, 1.0)._replace(observation=observation, **changes)


@pytest.mark.parametrize(
  ('result', 'message'),
  [
    (ValueError('no\nluck'), 'raised ValueError: no (checked_test.py:'),
    (ValueError('a' * 600), f'raised ValueError: {"a" * 248}...{"a" * 248} ('),
    (KeyError('x'), "raised KeyError: 'x' (checked_test.py:"),
    (SystemExit(3), 'raised SystemExit: 3 (checked_test.py:'),
    (time_step(reward=np.float32('nan')), 'reward is nan'),
    (time_step(reward=-np.inf), 'reward is -inf'),
    (time_step(reward=1e39), 'reward is 1e+39, which float32 does not hold'),
    (
      time_step(observation={'pixels': np.full([64, 64, 3], 300, np.uint16)}),
      'pixels is 300, which uint8 does not hold',
    ),
    (time_step(discount=np.float32('nan')), 'discount is nan'),
    (time_step(discount=np.float32(1.5)), 'discount is 1.5, not between 0 and'),
    (time_step(discount=-1), 'discount is -1, not between 0 and 1'),
    (
      time_step(observation={'state': np.float32([0, np.nan])}),
      'observation/state is nan',
    ),
    (
      time_step(observation={'pixels': np.zeros([64, 64, 3], np.float32)}),
      'pixels is float32 [64, 64, 3], not uint8 [64, 64, 3]',
    ),
    (
      time_step(observation={'pixels': np.zeros([64, 64, 1], np.uint8)}),
      'pixels is uint8 [64, 64, 1], not uint8 [64, 64, 3]',
    ),
    (time_step(reward=np.zeros([1], np.float32)), 'reward is float32 [1], not'),
    (time_step()._replace(observation=GOOD['pixels']), 'raised '),
    (None, 'raised '),
  ],
)
@pytest.mark.parametrize('method', ['step', 'reset'])
def test_what_is_a_failure(method, result, message):
  environment = checked.CheckedEnvironment(Scripted(result))
  with pytest.raises(checked.Failure) as caught:
    environment.step(ACTION) if method == 'step' else environment.reset()
  assert message in str(caught.value)
  assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
  'result',
  [
    time_step(),
    # numpy's own numbers and Python's, which the replay takes too.
    time_step(reward=1.0, discount=np.float64(0)),
    time_step(reward=1, step_type=np.int64(2)),
    time_step(observation={'state': np.array([0.5, 2.0])}),
  ],
)
def test_what_is_none(result):
  environment = Scripted(result)
  found = checked.CheckedEnvironment(environment).step(ACTION)
  tree.map_structure(np.testing.assert_array_equal, found, result)
  for value, spec in zip(
    tree.flatten(found), tree.flatten(environment.time_step_spec()), strict=True
  ):
    assert value.dtype == spec.dtype


class Reusing(Scripted):
  """Counts its steps in all numbers of one and the same observation."""

  def __init__(self):
    super().__init__(time_step(observation=tree.map_structure(np.copy, GOOD)))

  def _step(self, action):
    for array in self._result.observation.values():
      array += 1
    return self._result


def test_a_step_keeps_its_numbers_when_the_environment_uses_its_arrays_again():
  environment = checked.CheckedEnvironment(Reusing())
  steps = [environment.reset(), *(environment.step(ACTION) for _ in range(2))]
  for count, step in enumerate(steps, 1):
    assert (step.observation['pixels'] == count).all()
    assert (step.observation['state'] == count).all()


def test_an_action_stays_as_it_is_when_the_environment_changes_it():
  class Halving(Scripted):
    def _step(self, action):
      if action is not ACTION:  # That of a reset.
        action *= 0.5
      return super()._step(action)

  environment = checked.CheckedEnvironment(Halving(time_step()))
  environment.reset()
  action = np.ones(1, np.float32)
  environment.step(action)
  assert action.tolist() == [1]


def test_seeding_fails_as_a_reset_does_where_there_is_a_seed():
  environment, seeds = Scripted(time_step()), []
  environment.seed = seeds.append
  protected = checked.CheckedEnvironment(environment)
  protected.seed(3)
  assert seeds == [3]
  environment.seed = lambda seed: 1 / 0
  with pytest.raises(checked.Failure, match='raised ZeroDivisionError'):
    protected.seed(3)

  def refuse(seed):
    raise NotImplementedError

  environment.seed = refuse
  protected.seed(3)
  environment.seed = lambda seed: time.sleep(100)
  within = limits.Limit(0.3).alarm
  with pytest.raises(checked.Failure, match='TimeoutError: no end within'):
    checked.CheckedEnvironment(environment, within).seed(3)


def test_success_is_told_if_the_environment_tells_it():
  environment = Scripted(time_step())
  assert checked.CheckedEnvironment(environment).is_success() is None
  environment.is_success = lambda: np.bool_(True)
  protected = checked.CheckedEnvironment(environment)
  assert protected.is_success() is True
  # Others may have something else of the name.
  for other in (False, lambda reached, desired: True):
    environment.is_success = other
    assert not checked.tells_success(environment)
    assert protected.is_success() is None
  environment.is_success = lambda: 1 / 0
  with pytest.raises(checked.Failure, match='raised ZeroDivisionError'):
    protected.is_success()


def test_what_the_user_can_mend_and_ctrl_c_pass_through(monkeypatch):
  # Processes in the background ignore it.
  monkeypatch.setattr(signal, 'getsignal', lambda _: signal.default_int_handler)
  for error in (errors.UserError('No GL library.'), KeyboardInterrupt()):
    environment = checked.CheckedEnvironment(Scripted(error))
    with pytest.raises(type(error)) as caught:
      environment.reset()
    assert caught.value is error


def test_where_ctrl_c_is_handled_the_environment_raised_it(monkeypatch):
  monkeypatch.setattr(signal, 'getsignal', lambda _: print)
  environment = checked.CheckedEnvironment(Scripted(KeyboardInterrupt()))
  with pytest.raises(checked.Failure, match=r'raised KeyboardInterrupt \('):
    environment.reset()


def test_mujoco_s_bad_state_ends_an_episode_of_dm_control():
  environment = dm_control_tasks.DmControlEnvironment(
    *('cartpole', 'swingup'), 4, camera=0, shadow_map_size=512, multisamples=0
  )
  protected = checked.CheckedEnvironment(environment)
  protected.reset()
  environment._data.qvel[:] = 1e12
  with pytest.raises(checked.Failure, match=r'PhysicsError: .*BADQVEL'):
    protected.step(ACTION)
  assert protected.reset().is_first()
  for _ in range(3):
    assert protected.step(ACTION).reward < 1
  with pytest.raises(checked.Failure, match=r'PhysicsError: .*BADCTRL'):
    protected.step(np.float32([np.nan]))
  environment.close()
