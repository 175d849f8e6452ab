"""Evaluation: whole episodes, the same again for the same seed and step."""

import functools
import time
import types
import weakref

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.environments import py_environment, wrappers
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.agents import policies
from slac.environments import checked, limits
from slac.reporting import pictures
from slac.training import evaluation
from tests import tiny

LENGTH = 4


class Dice(py_environment.PyEnvironment):
  """Shows random pixels; the reward is the action's first number."""

  def __init__(self):
    super().__init__(handle_auto_reset=True)
    self._random = np.random.RandomState(0)
    self.num_steps = 0

  def action_spec(self):
    return array_spec.BoundedArraySpec([2], np.float32, -1, 1)

  def observation_spec(self):
    return {'pixels': array_spec.ArraySpec([64, 64, 3], np.uint8)}

  def seed(self, seed):
    self._random.seed(seed)

  def _observation(self):
    pixels = np.zeros([64, 64, 3], np.uint8)
    pixels[0, 0, 0] = self._random.randint(256)
    return {'pixels': pixels}

  def _reset(self):
    self._t = 0
    return ts.restart(self._observation())

  def _step(self, action):
    self.num_steps += 1
    self._t += 1
    step = ts.termination if self._t == LENGTH else ts.transition
    return step(self._observation(), np.float32(action[0]))


class Unseen(Dice):
  """Offers a state alone, but can be drawn."""

  num_drawn = 0

  def observation_spec(self):
    return {'state': array_spec.ArraySpec([1], np.float32)}

  def _observation(self):
    return {'state': np.full([1], self._t, np.float32)}

  def render(self, mode='rgb_array'):
    self.num_drawn += 1
    return np.full([64, 64, 3], self._t, np.uint8)


class Filmed(Dice):
  """Draws itself for a film, larger than it is seen."""

  def draw_for_film(self, size):
    return np.full([*size, 3], 10 * self._t, np.uint8)


class Unfilmed(Dice):
  """Cannot be drawn on this machine, though it is seen."""

  def draw_for_film(self, size):
    raise errors.UserError('Cannot render images.', 69)


class Undrawable(Unseen):
  """Cannot be drawn on this machine."""

  def render(self, mode='rgb_array'):
    raise errors.UserError('Cannot render images.', 69)


class Unseedable(Dice):
  """Has no seed."""

  def seed(self, seed):
    raise NotImplementedError


def evaluator(seed=0, environment=Dice, spec=tiny.TIME_STEP_SPEC):
  environment = environment()
  policy = policies.TanhGaussianPolicy(
    spec,
    tiny.action_spec(2),
    generator=tf.random.Generator.from_seed(0),
  )
  return evaluation.Evaluator(environment, policy, seed), environment


def take(evaluator, n, env_steps=0):
  return evaluator.run(n, env_steps)


STATE_SPEC = ts.time_step_spec(
  {'state': tf.TensorSpec([1], tf.float32, 'state')}
)


def test_a_film_is_drawn_of_the_first_episode_alone():
  runner, environment = evaluator(environment=Unseen, spec=STATE_SPEC)
  first, second = take(runner, 2)
  assert environment.num_drawn == LENGTH + 1
  assert first.film[:, 0, 0, 0].tolist() == list(range(LENGTH + 1))
  assert len(second.film) == len(first.pixels) == 0
  # Where nobody looks at it, there is none.
  (unseen,) = runner.run(1, 0, is_filmed=False)
  assert len(unseen.film) == 0 and environment.num_drawn == LENGTH + 1
  assert first.length == second.length == LENGTH


def test_an_episode_has_the_states_that_are_observed():
  runner, _ = evaluator(environment=Unseen, spec=STATE_SPEC)
  (episode,) = take(runner, 1)
  assert episode.states.tolist() == [[t] for t in range(LENGTH + 1)]
  steps = np.array([[0, 1], [1, 2]])
  both = episode._replace(pixels=np.arange(LENGTH + 1).reshape(-1, 1, 1, 1))
  seen = both.observation(steps)
  assert seen['state'].tolist() == [[[0], [1]], [[1], [2]]]
  assert seen['pixels'][..., 0, 0, 0].tolist() == steps.tolist()
  (other,) = take(evaluator()[0], 1)
  assert other.states is None and list(other.observation(steps)) == ['pixels']


def test_what_cannot_be_drawn_is_evaluated_all_the_same(capsys):
  runner, _ = evaluator(environment=Undrawable, spec=STATE_SPEC)
  drawn, _ = evaluator(environment=Unseen, spec=STATE_SPEC)
  (episode,), (other,) = take(runner, 1), take(drawn, 1)
  take(runner, 1)
  said = 'There are no films: Cannot render images.\n'
  assert capsys.readouterr().err == said  # Once.
  assert len(episode.pixels) == 0
  assert episode.episode_return == other.episode_return
  agent = types.SimpleNamespace(train_sequence_length=LENGTH + 1, estimated=())
  assert pictures.of_episode(agent, episode, [0, 0]) == {}


def test_a_film_changes_nothing_of_what_is_evaluated(capsys):
  films = []
  for environment in (Dice, Filmed, Unfilmed):
    runner, _ = evaluator(environment=environment)
    first, second = take(runner, 2)
    films.append(first.film)
    assert len(second.film) == len(second.filmed) == 0
    expected, _ = evaluator()
    for one, two in zip((first, second), take(expected, 2), strict=True):
      np.testing.assert_array_equal(one.pixels, two.pixels)
      np.testing.assert_array_equal(one.actions, two.actions)
    if environment is Filmed:
      assert first.filmed.tolist() == list(range(LENGTH + 1))
      assert first.film[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40]
  assert [film.shape[1:] for film in films] == [(), (256, 256, 3), ()]
  said = 'Films show no more than is observed: Cannot render images.\n'
  assert capsys.readouterr().err == said


def fail(*_):
  raise RuntimeError('no display')


@pytest.mark.parametrize(
  ('name', 'draw', 'says'),
  [
    ('render', lambda *_: None, ''),
    ('draw_for_film', lambda *_: None, ''),
    ('render', fail, 'There are no films: RuntimeError: no display ('),
    ('draw_for_film', fail, 'There are no films: RuntimeError: no display ('),
    ('render', lambda *_: time.sleep(100), 'There are no films: TimeoutError:'),
    (
      'draw_for_film',
      lambda *_: np.zeros([9, 9, 3]),
      'There are no films: the environment draws float64 [9, 9, 3]: have it',
    ),
    (
      'render',
      lambda *_: np.zeros([9, 9], np.uint8),
      'There are no films: the environment draws uint8 [9, 9]: have it draw',
    ),
    (
      'render',
      lambda t: np.zeros([9 + t, 9, 3], np.uint8),
      'There are no films: the environment draws [',
    ),
  ],
)
@pytest.mark.parametrize('step', [0, 2])
def test_what_is_not_drawn_costs_no_more_than_the_film(
  name, draw, says, step, capsys
):
  runner, environment = evaluator(environment=Unseen, spec=STATE_SPEC)
  whole = np.full([64, 64, 3], 7, np.uint8)

  def draw_from_then_on(*_):
    return draw(environment._t) if environment._t >= step else whole

  setattr(environment, name, draw_from_then_on)
  limit = limits.Limit(0.3 if 'TimeoutError' in says else 300.0)
  limited = evaluation.Evaluator(environment, runner._policy, 0, limit)
  episodes = [*take(limited, 2), *take(limited, 1)]
  said = capsys.readouterr().err
  assert said.count('\n') == bool(says) and said.startswith(says)
  (expected,) = take(evaluator(environment=Unseen, spec=STATE_SPEC)[0], 1)
  assert episodes[0].episode_return == expected.episode_return
  agent = types.SimpleNamespace(train_sequence_length=LENGTH + 1, estimated=())
  for episode in episodes:
    assert pictures.of_episode(agent, episode, [0, 0]) == {}


def test_after_a_fault_nothing_of_the_episode_is_drawn():
  runner, environment = evaluator(environment=Unseen, spec=STATE_SPEC)
  drawn = []

  def draw(size):
    drawn.append(environment._t)
    raise OSError('no display')

  environment.draw_for_film = draw
  for _ in range(2):
    assert len(take(runner, 2)[0].film) == 0
  assert drawn == [0, 0]  # Of each evaluation's first episode.


def test_an_episode_is_its_frames_its_actions_and_their_return():
  dice, environment = evaluator()
  episodes = take(dice, 2)
  for episode in episodes:
    assert episode.length == LENGTH
    assert episode.pixels.shape == (LENGTH + 1, 64, 64, 3)
    assert episode.pixels.dtype == np.uint8
    assert episode.actions.shape == (LENGTH + 1, 2)
    assert not np.any(episode.actions[-1]) and np.all(episode.actions[:-1])
    assert episode.episode_return == pytest.approx(episode.actions[:, 0].sum())
  assert environment.num_steps == 2 * LENGTH  # None is begun in vain.
  assert episodes[0].episode_return != episodes[1].episode_return


def test_evaluation_depends_on_seed_and_step_alone():
  dice, _ = evaluator()
  take(dice, 1, env_steps=500)
  episodes = take(dice, 2, env_steps=1000)
  for again in (take(dice, 2, 1000), take(evaluator()[0], 2, 1000)):
    for one, two in zip(episodes, again, strict=True):
      np.testing.assert_array_equal(one.pixels, two.pixels)
      np.testing.assert_array_equal(one.actions, two.actions)
  for other in (take(dice, 2, 2000), take(evaluator(seed=1)[0], 2, 1000)):
    for one, two in zip(episodes, other, strict=True):
      assert np.any(one.pixels != two.pixels)
      assert np.all(one.actions[:-1] != two.actions[:-1])


def test_an_environment_without_a_seed_will_do():
  unseedable, _ = evaluator(environment=Unseedable)
  one, two = take(unseedable, 1), take(unseedable, 1)
  # The policy's draws come back all the same.
  np.testing.assert_array_equal(one[0].actions, two[0].actions)
  assert np.any(one[0].pixels != two[0].pixels)


def test_a_request_to_stop_is_heeded_within_an_episode():
  dice, environment = evaluator()
  told = []

  def should_stop():
    return environment.num_steps >= LENGTH + 2

  assert dice.run(3, 0, should_stop, told.append) is None
  assert [episode.length for episode in told] == [LENGTH]  # One is whole.
  assert environment.num_steps == LENGTH + 2
  assert dice.run(3, 0, lambda: True, told.append) is None
  assert environment.num_steps == LENGTH + 2 and len(told) == 1


def test_each_episode_is_told_of_as_soon_as_it_has_ended():
  dice, environment = evaluator()
  told = []
  episodes = dice.run(
    2,
    0,
    on_episode=lambda episode: told.append((environment.num_steps, episode)),
  )
  assert [steps for steps, _ in told] == [LENGTH, 2 * LENGTH]
  assert [episode for _, episode in told] == episodes
  assert dice.run(0, 0) == []


def test_an_evaluation_fails_by_a_nan_and_repeated_gives_the_same_episodes():
  dice, environment = evaluator()
  expected = take(dice, 2)
  step, spoilt = environment._step, []

  def spoil(action):
    result = step(action)
    if environment.num_steps - before == 6 and not spoilt:  # In the second.
      spoilt.append(result)
      return result._replace(reward=np.float32('nan'))
    return result

  before, environment._step = environment.num_steps, spoil
  with pytest.raises(checked.Failure, match='reward is nan'):
    take(dice, 2)
  again = take(dice, 2)
  assert isinstance(again[0], evaluation.Episode)
  for one, two in zip(expected, again, strict=True):
    np.testing.assert_array_equal(one.pixels, two.pixels)
    assert one.episode_return == two.episode_return


class Odd(Dice):
  """Every other episode is a success, which is known at its end."""

  num_episodes = 0

  def _reset(self):
    self.num_episodes += 1
    return super()._reset()

  def is_success(self):
    assert self._t == LENGTH
    return self.num_episodes % 2 == 1


def test_success_is_that_of_an_episodes_end():
  odd, _ = evaluator(environment=Odd)
  found = [episode.is_success for episode in take(odd, 3)]
  assert found == [True, False, True]
  dice, _ = evaluator()
  assert [episode.is_success for episode in take(dice, 2)] == [None, None]


def test_an_episode_tells_its_rewards_and_whether_it_has_terminated():
  for limit in (LENGTH, LENGTH - 1):
    limited = functools.partial(wrappers.TimeLimit, Dice(), limit)
    (episode,) = take(evaluator(environment=limited)[0], 1)
    assert episode.length == limit
    # A reward is the action's first number.
    np.testing.assert_array_equal(episode.rewards, episode.actions[:limit, 0])
    assert episode.has_terminated == (limit == LENGTH)


@pytest.mark.parametrize('name', ['seed', '_step'])
def test_a_call_in_an_evaluation_is_limited(name):
  runner, environment = evaluator()
  setattr(environment, name, lambda _: time.sleep(100))
  limited = evaluation.Evaluator(
    environment, runner._policy, 0, limits.Limit(0.3)
  )
  with pytest.raises(checked.Failure, match='no end within'):
    limited.run(1, 0)


def test_an_episode_keeps_no_more_than_it_has():
  class Filming(Dice):
    def observation_spec(self):
      camera = array_spec.ArraySpec([9], np.uint8)
      return {**super().observation_spec(), 'camera': camera}

    def _observation(self):
      return {**super()._observation(), 'camera': np.zeros(9, np.uint8)}

  runner, _ = evaluator(environment=Filming)
  step, seen, alive = runner._checked.step, [], []

  def watched(action):
    time_step = step(action)
    seen.append(weakref.ref(time_step.observation['camera']))
    alive.append(sum(own() is not None for own in seen))
    return time_step

  runner._checked.step = watched
  take(runner, 1)
  assert len(seen) == LENGTH and max(alive) <= 2
