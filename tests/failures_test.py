"""What counts as a failure of an environment, and trying twice."""

import numpy as np
import pytest
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac import errors, evaluation, failures
from slac.environments import suites
from tests import evaluation_test

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
    (ValueError('no\nluck'), 'raised ValueError: no (failures_test.py:'),
    (KeyError('x'), "raised KeyError: 'x' (failures_test.py:"),
    (time_step(reward=np.float32('nan')), 'reward is nan'),
    (time_step(reward=-np.inf), 'reward is -inf'),
    (time_step(discount=np.float32('nan')), 'discount is nan'),
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
  checked = failures.CheckedEnvironment(Scripted(result))
  with pytest.raises(failures.Failure) as caught:
    checked.step(ACTION) if method == 'step' else checked.reset()
  assert message in str(caught.value)
  assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
  'result',
  [
    time_step(),
    # numpy's own numbers and Python's, which the replay takes too.
    time_step(reward=1.0, discount=np.float64(0)),
    time_step(reward=1, step_type=np.int64(2)),
  ],
)
def test_what_is_none(result):
  assert failures.CheckedEnvironment(Scripted(result)).step(ACTION) is result


def test_what_the_user_can_mend_and_ctrl_c_pass_through():
  for error in (errors.UserError('No GL library.'), KeyboardInterrupt()):
    checked = failures.CheckedEnvironment(Scripted(error))
    with pytest.raises(type(error)) as caught:
      checked.reset()
    assert caught.value is error


def test_mujoco_s_bad_state_ends_an_episode_of_dm_control():
  environment = suites.DmControlEnvironment(
    *('cartpole', 'swingup'), 4, camera=0, shadow_map_size=512, multisamples=0
  )
  checked = failures.CheckedEnvironment(environment)
  checked.reset()
  environment._data.qvel[:] = 1e12
  with pytest.raises(failures.Failure, match=r'PhysicsError: .*BADQVEL'):
    checked.step(ACTION)
  assert checked.reset().is_first()
  for _ in range(3):
    assert checked.step(ACTION).reward < 1
  with pytest.raises(failures.Failure, match=r'PhysicsError: .*BADCTRL'):
    checked.step(np.float32([np.nan]))
  environment.close()


@pytest.mark.parametrize(
  ('num_failures', 'result', 'endings'),
  [
    (0, 'done', []),
    (1, 'done', ['is tried once more']),
    (2, None, ['is tried once more', 'is left out']),
  ],
)
def test_what_fails_is_tried_twice(num_failures, result, endings, capsys):
  errors_left = [ValueError('no luck')] * num_failures

  def call():
    if errors_left:
      raise errors_left.pop()
    return 'done'

  assert failures.attempt('It', call) == result
  warnings = capsys.readouterr().err.splitlines()
  for warning, ending in zip(warnings, endings, strict=True):
    assert warning.startswith(f'It {ending}: ValueError: no luck (')


def test_ctrl_c_is_not_tried_again(capsys):
  def call():
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    failures.attempt('It', call)
  assert capsys.readouterr().err == ''


def test_an_evaluation_fails_by_a_nan_and_repeated_gives_the_same_episodes():
  dice, environment = evaluation_test.evaluator()
  expected = evaluation_test.take(dice, 2)
  step, spoilt = environment._step, []

  def spoil(action):
    result = step(action)
    if environment.num_steps - before == 6 and not spoilt:  # In the second.
      spoilt.append(result)
      return result._replace(reward=np.float32('nan'))
    return result

  before, environment._step = environment.num_steps, spoil
  with pytest.raises(failures.Failure, match='reward is nan'):
    evaluation_test.take(dice, 2)
  again = evaluation_test.take(dice, 2)
  assert isinstance(again[0], evaluation.Episode)
  for one, two in zip(expected, again, strict=True):
    np.testing.assert_array_equal(one.pixels, two.pixels)
    assert one.episode_return == two.episode_return
