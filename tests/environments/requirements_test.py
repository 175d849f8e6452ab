"""Tests of slac/environments/requirements.py: checks, and rescaled actions."""

import re

import gymnasium
import numpy as np
import pytest
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.environments import gymnasium_environment, requirements

_PIXELS = array_spec.ArraySpec((64, 64, 3), np.uint8)


def _bounded(minimum, maximum, shape=(2,), dtype=np.float32):
  bounds = [x if x is None else np.array(x, dtype) for x in (minimum, maximum)]
  return array_spec.BoundedArraySpec(shape, dtype, *bounds)


class _Environment(py_environment.PyEnvironment):
  """Records the actions it is given; episodes last two steps."""

  render_seconds = 1.5
  name = 'a task'

  def __init__(self, action_spec=None, observation_spec=None):
    super().__init__(handle_auto_reset=True)
    self._action_spec = action_spec or _bounded(-1, 1)
    self._observation_spec = observation_spec or {'pixels': _PIXELS}
    self.actions = []
    self.seeds = []

  def observation_spec(self):
    return self._observation_spec

  def action_spec(self):
    return self._action_spec

  def seed(self, seed):
    self.seeds.append(seed)

  def get_state(self):
    return {'last': bool(self._current_time_step.is_last())}

  def set_state(self, state):
    observation = {'pixels': np.zeros([64, 64, 3], np.uint8)}
    self._current_time_step = ts.transition(observation, 0.0)
    if state['last']:
      self._current_time_step = ts.termination(observation, 0.0)

  def _reset(self):
    return ts.restart({'pixels': np.zeros([64, 64, 3], np.uint8)})

  def _step(self, action):
    self.actions.append(action)
    observation = {'pixels': np.zeros([64, 64, 3], np.uint8)}
    if len(self.actions) % 2:
      return ts.transition(observation, 1.0)
    return ts.termination(observation, 1.0)


class _Batch(_Environment):
  batched = True
  batch_size = 4


@pytest.mark.parametrize(
  'shape', [(64, 64, 3), (32, 32, 3), (48, 80, 1), (128, 32, 6)]
)
def test_a_fitting_environment_takes_the_actions_as_they_are(shape):
  spec = {'pixels': array_spec.ArraySpec(shape, np.uint8)}
  environment = _Environment(observation_spec=spec)
  prepared = requirements.prepare(environment, 1)
  assert (
    prepared.wrapped_env() is environment
  )  # It keeps no more than the step.
  assert prepared.action_spec() is environment.action_spec()


@pytest.mark.parametrize(
  'environment, message',
  [
    ('walker', 'is a str'),
    (_Batch(), 'a batch of 4'),
    (_Environment(observation_spec=_PIXELS), "the key 'pixels'"),
    (_Environment(observation_spec={'image': _PIXELS}), "the key 'pixels'"),
    (
      _Environment(
        observation_spec={'pixels': array_spec.ArraySpec((84, 84, 3), np.uint8)}
      ),
      r'pixels are uint8 \[84, 84, 3\]',
    ),
    (
      _Environment(
        observation_spec={
          'pixels': array_spec.ArraySpec((64, 64, 3), np.float32)
        }
      ),
      r'pixels are float32 \[64, 64, 3\]',
    ),
    *(
      (
        _Environment(
          observation_spec={'pixels': array_spec.ArraySpec(shape, np.uint8)}
        ),
        re.escape(f'pixels are uint8 {list(shape)}: make them uint8 [height'),
      )
      for shape in (
        *((16, 64, 3), (64, 144, 3), (72, 64, 3), (64, 64)),
        *((64, 64, 2), (64, 64, 4), (64, 64, 9), (1, 64, 64, 3)),
      )
    ),
    *(
      (
        _Environment(
          observation_spec={'state': array_spec.ArraySpec(shape, dtype)}
        ),
        re.escape(f'state is {np.dtype(dtype).name} {list(shape)}: make it'),
      )
      for shape, dtype in (
        *(((2, 3), np.float32), ((), np.float32)),
        *(((0,), np.float32), ((3,), np.int32)),
        *(((3,), np.float64), ((3,), np.float16)),
      )
    ),
    (_Environment(_bounded(0, 3, (), np.int32)), 'one vector of floats'),
    (_Environment(_bounded(0, 3, (2,), np.int32)), 'one vector of floats'),
    (_Environment(_bounded(-1, 1, (2, 2))), 'one vector of floats'),
    (_Environment([_bounded(-1, 1)]), 'one vector of floats'),
    (_Environment(_bounded(-1, 1, (0,))), 'at least one.$'),
    (_Environment(array_spec.ArraySpec((2,), np.float32)), 'a finite minimum'),
    (_Environment(_bounded(None, None)), 'a finite minimum'),
    (_Environment(_bounded(-np.inf, 1)), 'a finite minimum'),
    (_Environment(_bounded(-1e10, 1e10)), 'a finite minimum'),
    (_Environment(_bounded([0, 1], [2, 1])), 'below its maximum'),
    (_Environment(_bounded(0, [1, 1e10])), 'a finite minimum'),
    (_Environment(_bounded([0, 1], 1)), 'below its maximum'),
  ],
)
def test_an_unfit_environment_is_refused(environment, message):
  with pytest.raises(errors.UserError, match=message) as raised:
    requirements.prepare(environment, 1)
  assert raised.value.exit_code == 78


@pytest.mark.parametrize(
  'action, inner',
  [
    ([-1, -1], [0, -2]),
    ([1, 1], [10, 4]),
    ([0, 0], [5, 1]),
    ([0.5, -0.5], [7.5, -0.5]),
    ([1.5, -1.5], [10, -2]),
  ],
)
def test_actions_are_rescaled(action, inner):
  environment = _Environment(_bounded([0, -2], [10, 4], dtype=np.float64))
  prepared = requirements.prepare(environment, 1)
  spec = prepared.action_spec()
  assert (spec.dtype, spec.shape) == (np.float32, (2,))
  assert np.all(spec.minimum == -1) and np.all(spec.maximum == 1)
  prepared.reset()
  prepared.step(np.array(action, np.float32))
  assert environment.actions[0].dtype == np.float64
  np.testing.assert_array_equal(environment.actions[0], inner)


def test_one_bound_may_be_for_all_actions():
  environment = _Environment(_bounded(0, [2, 4]))
  prepared = requirements.prepare(environment, 1)
  prepared.reset()
  prepared.step(np.array([0.5, -1], np.float32))
  np.testing.assert_array_equal(environment.actions[0], [1.5, 0])


def test_the_wrapper_passes_on_everything_else():
  environment = _Environment(_bounded(0, 1))
  prepared = requirements.prepare(environment, 1)
  prepared.seed(7)
  assert environment.seeds == [7]
  assert prepared.render_seconds == 1.5
  assert prepared.name == 'a task'
  assert prepared.observation_spec() == {'pixels': _PIXELS}


def test_the_wrapper_starts_episodes_like_the_environment():
  prepared = requirements.prepare(_Environment(_bounded(0, 1)), 1)
  action = np.zeros([2], np.float32)
  kinds = [int(prepared.step(action).step_type) for _ in range(6)]
  assert kinds == [0, 1, 2, 0, 1, 2]


def test_the_wrapper_resumes_in_the_middle_of_an_episode():
  prepared = requirements.prepare(_Environment(_bounded(0, 1)), 1)
  action = np.zeros([2], np.float32)
  prepared.reset()
  prepared.step(action)
  state = prepared.get_state()
  resumed = requirements.prepare(_Environment(_bounded(0, 1)), 1)
  resumed.set_state(state)
  assert resumed.current_time_step().is_mid()
  assert not resumed.step(action).is_first()


def test_a_method_that_is_merely_named_observe_is_left_alone():
  class Own(_Environment):
    def observe(self):
      raise AssertionError

  prepared = requirements.prepare(Own(_bounded(0, 1)), 1)
  requirements.observe(prepared, ['pixels'])
  assert prepared.observation_spec() == {'pixels': _PIXELS}


def test_an_action_repeat_that_is_not_the_schedules_is_refused():
  other = gymnasium_environment.GymnasiumEnvironment(
    gymnasium.make('Pendulum-v1'), 2
  )
  with pytest.raises(errors.UserError, match='repeats an action 2 times, but'):
    requirements.prepare(other, 4)
  assert requirements.prepare(other, 2).action_repeat == 2
