"""Tests of slac/environments/gymnasium_environment.py and of what it adapts."""

import pathlib
import re
import sys

import gin
import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from tf_agents.environments import utils

from slac import errors
from slac.config import bindings
from slac.environments import (
  checked,
  gym_tasks,
  gymnasium_environment,
  rendering,
  requirements,
)
from slac.training import experiment
from tests.environments import dm_environment_test

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
LENGTH = 5


class Counter(gymnasium.Env):
  """The state counts steps; the reward is the action's first number.

  It ends of itself after five steps if `ends`; else it is cut off then.
  """

  metadata = {'render_modes': ['rgb_array']}  # noqa: RUF012
  observation_space = spaces.Box(-np.inf, np.inf, [1], np.float32)
  action_space = spaces.Box(-2, 3, [2], np.float64)

  def __init__(self, ends=False, render_mode='rgb_array'):
    self.render_mode = render_mode
    self._ends = ends

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    self.t = 0
    self.start = self.np_random.integers(1000)
    return self._see(), {}

  def step(self, action):
    assert action.dtype == np.float64
    self.t += 1
    is_last = self.t == LENGTH
    ended, cut = is_last and self._ends, is_last and not self._ends
    return self._see(), float(action[0]), ended, cut, {}

  def _see(self):
    return np.full([1], self.t, np.float32)

  def render(self):
    """128 x 64, of two colours in each pixel of the small one."""
    frame = np.zeros([128, 64, 3], np.uint8)
    frame[::2] = 100
    frame[1::2] = 200
    return frame


class Both(Counter):
  """Has an image and two vectors."""

  observation_space = spaces.Dict(
    velocity=spaces.Box(-1, 9, [2], np.float64),
    camera=spaces.Box(0, 255, [64, 64, 3], np.uint8),
    gripper=spaces.Discrete(3),
  )

  def _see(self):
    return {
      'velocity': np.array([0.5, self.t]),
      'camera': np.full([64, 64, 3], self.t, np.uint8),
      'gripper': 2,
    }


def adapted(environment, action_repeat=1):
  return gymnasium_environment.GymnasiumEnvironment(environment, action_repeat)


@pytest.mark.parametrize('ends', [True, False])
def test_a_termination_and_a_time_limit_are_told_apart(ends):
  environment = adapted(Counter(ends))
  environment.observe(['state'])
  step = environment.reset()
  assert step.is_first() and step.observation == {'state': [0.0]}
  for t in range(1, LENGTH + 1):
    step = environment.step(np.array([t, 0.0]))
    assert step.observation['state'].tolist() == [t]
    assert step.observation['state'].dtype == np.float32
    assert (step.reward, step.is_last()) == (t, t == LENGTH)
    assert step.discount == (0.0 if t == LENGTH and ends else 1.0)
  assert environment.step(np.zeros(2)).is_first()


def test_a_termination_at_the_time_limit_is_one():
  limited = gymnasium.wrappers.TimeLimit(Counter(ends=True), LENGTH)
  environment = adapted(limited)
  environment.observe(['state'])
  environment.reset()
  for _ in range(LENGTH):
    step = environment.step(np.zeros(2))
  assert step.is_last() and step.discount == 0.0


def test_a_step_repeats_the_action_until_the_end():
  environment = adapted(Counter(), action_repeat=3)
  environment.observe(['state'])
  environment.reset()
  step = environment.step(np.array([2.0, 0.0]))
  assert (step.reward, step.is_last()) == (6.0, False)
  step = environment.step(np.array([2.0, 0.0]))
  assert (step.reward, step.is_last()) == (4.0, True)
  assert step.observation['state'].tolist() == [LENGTH]


def test_actions_are_rescaled_to_the_environment_s_bounds():
  prepared = requirements.prepare(Counter(), 1)
  prepared.observe(['state'])
  prepared.reset()
  actions = [np.full(2, a, np.float32) for a in (-1, 0, 1)]
  rewards = [float(prepared.step(action).reward) for action in actions]
  assert rewards == [-2.0, 0.5, 3.0]


def test_rendered_pixels_are_means_of_what_they_cover():
  environment = adapted(Counter())
  environment.observe(['pixels'])
  step = environment.reset()
  assert list(step.observation) == ['pixels']
  assert step.observation['pixels'].shape == (64, 64, 3)
  assert step.observation['pixels'].dtype == np.uint8
  assert (step.observation['pixels'] == 150).all()


def test_an_environment_that_draws_nothing_offers_no_pixels():
  environment = adapted(Counter(render_mode=None))
  assert list(environment.observation_spec()) == ['state']


def test_a_dict_s_image_is_the_pixels_and_the_rest_the_state():
  environment = adapted(Both(render_mode=None))
  spec = environment.observation_spec()
  assert spec['pixels'].shape == (64, 64, 3)
  assert spec['state'].shape == (5,)
  environment.reset()
  step = environment.step(np.zeros(2))
  # In the order of their names: of 3 grippers the last, then the velocity.
  assert step.observation['state'].tolist() == [0, 0, 1, 0.5, 1.0]
  assert (step.observation['pixels'] == 1).all()


def test_equal_seeds_give_equal_episodes_and_the_next_one_differs():
  starts = []
  for seed in (5, 5, 6):
    environment = Counter()
    wrapped = adapted(environment)
    wrapped.observe(['state'])
    wrapped.seed(seed)
    wrapped.reset()
    starts.append(environment.start)
    wrapped.reset()
    starts.append(environment.start)
  assert starts[0:2] == starts[2:4] != starts[4:6]
  assert starts[0] != starts[1]


def test_conforms_to_tf_agents():
  utils.validate_py_environment(adapted(Both()), episodes=2)


class Broken(Counter):
  """Cannot be drawn without a library."""

  def render(self):
    raise gymnasium.error.DependencyNotInstalled('pygame is not installed')


@pytest.mark.parametrize(
  ('found', 'end'),
  [
    ('egl', "observes its 'state'."),
    (errors.UserError('Set it.'), "observes its 'state'. Set it."),
  ],
)
def test_what_cannot_be_drawn_is_said_before_the_first_step(
  found, end, monkeypatch
):
  monkeypatch.setattr(rendering, 'find_backend', lambda: found)
  environment = adapted(Broken())
  with pytest.raises(errors.UserError, match='pygame is not') as raised:
    environment.observe(['pixels'])
  assert raised.value.exit_code == 69
  assert str(raised.value).endswith(end)


@pytest.mark.parametrize(
  ('drawn', 'says'),
  [
    (np.full([64, 64, 3], 0.5), r'returns float64 \[64, 64, 3\], not uint8 \['),
    (
      np.zeros([64, 64, 1], np.uint8),
      r'returns uint8 \[64, 64, 1\], not uint8',
    ),
    (None, r'returns object \[\], not uint8 \[height, width, 3\]'),
  ],
)
def test_what_is_no_image_is_said_before_the_first_step(drawn, says):
  own = Counter()
  own.render = lambda: drawn
  environment = adapted(own)
  with pytest.raises(errors.UserError, match=says) as raised:
    environment.observe(['pixels'])
  assert raised.value.exit_code == 69


def test_a_drawing_may_be_grey_or_have_transparency():
  for shape in ([128, 64], [128, 64, 4]):
    own = Counter()
    own.render = lambda shape=shape: np.full(shape, 9, np.uint8)
    environment = adapted(own)
    environment.observe(['pixels'])
    pixels = environment.reset().observation['pixels']
    np.testing.assert_array_equal(pixels, np.full([64, 64, 3], 9))


class Changing(Counter):
  """Changes its action in place, and remembers what it was given."""

  action_space = spaces.Box(-1, 1, [2], np.float32)

  def step(self, action):
    given = action.tolist()
    action *= 0.1
    self.t += 1
    return self._see(), 0.0, False, False, {'given': self.given.append(given)}


@pytest.mark.parametrize('action_repeat', [1, 4])
def test_an_action_that_is_changed_in_place_is_repeated_and_kept(action_repeat):
  own = Changing()
  own.given = []
  prepared = requirements.prepare(own, action_repeat)
  prepared.observe(['state'])
  protected = checked.CheckedEnvironment(prepared)
  protected.reset()
  action = np.float32([1, -0.5])
  protected.step(action)
  assert action.tolist() == [1, -0.5]
  assert own.given == action_repeat * [[1, -0.5]]


def test_a_reset_that_fails_is_not_the_same_again():
  seeds = []

  class Unlucky(Counter):
    def reset(self, *, seed=None, options=None):
      seeds.append(seed)
      if len(seeds) == 1:
        raise RuntimeError('no pose found')
      return super().reset(seed=seed)

  environment = adapted(Unlucky(render_mode=None))
  environment.seed(3)
  with pytest.raises(RuntimeError, match='no pose found'):
    environment.reset()
  assert environment.reset().is_first() and seeds == [3, None]


def test_it_is_closed_with_what_has_been_prepared():
  own = Counter()
  closed = []
  own.close = lambda: closed.append(own)
  requirements.prepare(own, 1).close()
  assert closed == [own]


class TwoImages(Counter):
  """Has two cameras."""

  observation_space = spaces.Dict(
    left=spaces.Box(0, 255, [64, 64, 3], np.uint8),
    right=spaces.Box(0, 255, [64, 64, 3], np.uint8),
  )


class OddImage(Counter):
  """Has an image of a size that no model takes."""

  observation_space = spaces.Box(0, 255, [96, 100, 3], np.uint8)


class GreyImage(Counter):
  """Has an image of its own size, without colours."""

  observation_space = spaces.Box(0, 255, [48, 80, 1], np.uint8)

  def _see(self):
    return np.full([48, 80, 1], 7, np.uint8)


def test_an_image_has_its_own_size_and_a_drawing_the_one_that_is_asked_for():
  spec = adapted(GreyImage(render_mode=None)).observation_spec()
  assert spec['pixels'].shape == (48, 80, 1)
  for render_mode in (None, 'rgb_array'):  # It is not drawn in either case.
    seen = requirements.prepare(GreyImage(render_mode=render_mode), 1)
    seen.observe(['pixels'])
    pixels = seen.reset().observation['pixels']
    np.testing.assert_array_equal(pixels, np.full([48, 80, 1], 7))
  asked = gymnasium_environment.GymnasiumEnvironment(
    Counter(), 2, image_size=(32, 64)
  )
  asked = requirements.prepare(asked, 2)
  assert asked.observation_spec()['pixels'].shape == (32, 64, 3)
  drawn = asked.reset().observation['pixels']
  assert drawn.shape == (32, 64, 3)
  # Of 128 x 64, a pixel is the mean of the four above one another.
  own = np.asarray(Counter().render(), float).reshape([32, 4, 64, 3]).mean(1)
  np.testing.assert_allclose(drawn, own, atol=1)


class Solved(Counter):
  """Is solved by its last step."""

  def is_success(self):
    return self.t == LENGTH


def test_success_is_told_where_the_environment_tells_it():
  limited = gymnasium.wrappers.TimeLimit(Solved(), 9)
  for environment, expected in (
    (Counter(), [False, None, None]),
    (limited, [True, False, True]),
  ):
    prepared = requirements.prepare(environment, LENGTH)
    prepared.observe(['state'])
    assert dm_environment_test.told_of_success(prepared) == expected


class Varying(Counter):
  """Observes any number of points, beside an image."""

  observation_space = spaces.Dict(
    camera=spaces.Box(0, 255, [64, 64, 3], np.uint8),
    points=spaces.Sequence(spaces.Box(0, 1, [2])),
  )


class Nodes(Counter):
  """Observes a graph."""

  observation_space = spaces.Graph(spaces.Box(0, 1, [2]), None)


class Unbounded(Counter):
  """Has actions without bounds."""

  action_space = spaces.Box(-np.inf, np.inf, [2], np.float32)


class Choice(Counter):
  """Has discrete actions."""

  action_space = spaces.Discrete(4)


@pytest.mark.parametrize(
  ('environment', 'message'),
  [
    (TwoImages(), r'TwoImages has several images \(left, right\)'),
    (Varying(), '^Varying observes a Sequence, whose size varies: leave it'),
    (Nodes(), '^Nodes observes a Graph, whose size varies: leave it out, or'),
    (OddImage(), r'pixels are uint8 \[96, 100, 3\]: make them'),
    (Unbounded(), 'a finite minimum below its maximum'),
    (Choice(), r'actions of Choice are Discrete\(4\): choose .* a Box'),
  ],
)
def test_an_unfit_one_is_refused(environment, message):
  with pytest.raises(errors.UserError, match=message) as raised:
    requirements.prepare(environment, 1)
  assert raised.value.exit_code == 78


def test_a_registered_task_is_made_by_its_id():
  environment = gym_tasks.GymEnvironment('Pendulum-v1', 4, arguments={'g': 5.0})
  environment.observe(['state'])
  assert environment.name == 'Pendulum-v1'
  assert environment.observation_spec()['state'].shape == (3,)
  spec = environment.action_spec()
  assert (spec.minimum, spec.maximum) == ([-2.0], [2.0])
  own = gymnasium.make('Pendulum-v1', g=5.0)
  environment.seed(3)
  state, _ = own.reset(seed=3)
  assert environment.reset().observation['state'].tolist() == state.tolist()
  action = np.array([1.5], np.float32)
  total = sum(own.step(action)[1] for _ in range(4))
  step = environment.step(action)
  assert step.reward == np.float32(total)
  for _ in range(49):
    step = environment.step(action)
  assert (step.is_last(), step.discount) == (True, 1.0)  # After 200 steps.


@pytest.mark.parametrize(
  ('task', 'arguments', 'message'),
  [
    ('Pendulum-v7', {}, r"no task 'Pendulum-v7' \(did you mean Pendulum-v1"),
    ('CartPole-v1', {}, r'CartPole-v1 are Discrete\(2\)'),
    ('Pendulum-v1', {'h': 1}, r'cannot be made .*GymEnvironment\.arguments'),
    ('Pendulum-v1', 3, r"cannot be made .*'int' .* GymEnvironment\.arguments"),
    ('os:Pendulum-v1', {}, "no task 'os:Pendulum-v1'"),
  ],
)
def test_what_cannot_be_made_is_one_sentence(task, arguments, message):
  with pytest.raises(errors.UserError, match=message):
    gym_tasks.GymEnvironment(task, 1, arguments=arguments)


def test_the_documented_environment_is_one(tmp_path, monkeypatch):
  page = (REPOSITORY / 'README.md').read_text()
  python = re.search(r'```python\n(import gin, .*?)```', page, re.S)[1]
  config = re.search(r'```\n(import reach\n.*?)```', page, re.S)[1]
  assert len([line for line in python.splitlines() if line]) <= 15
  (tmp_path / 'reach.py').write_text(python)
  (tmp_path / 'reach.gin').write_text(config)
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(sys, 'path', [*sys.path])
  bindings.load(['reach.gin'], ['Experiment.seed = 0'], allow_imports=True)
  with bindings.translate_gin_errors():
    parts = experiment.Experiment()
  bindings.check_all_used()
  assert parts.task == 'Reach'
  step = parts.environments[0].reset()
  start = step.observation['state']
  step = parts.environments[0].step(np.array([1, -0.5], np.float32))
  # Actions of the agent are in [-1, 1], of the environment in [-2, 2].
  assert (step.observation['state'] - start).tolist() == [2, -1]
  gin.clear_config()
