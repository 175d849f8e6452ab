"""What two episodes leave in the replay, and going on after a checkpoint."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import policy_step, trajectory
from tf_agents.trajectories import time_step as ts

from slac.environments import checked
from slac.training import collecting, metrics, replay
from tests import tiny

FIRST, MID, LAST = tiny.FIRST, tiny.MID, tiny.LAST
SPEC = trajectory.from_transition(
  tiny.TIME_STEP_SPEC,
  policy_step.PolicyStep(tiny.action_spec(1)),
  tiny.TIME_STEP_SPEC,
)


class Counting(py_environment.PyEnvironment):
  """Pixels count all frames; the reward is ten times the action.

  Episodes take 3 steps to a time limit and 2 to a termination, in turn.
  """

  LENGTHS, DISCOUNTS = (3, 2), (1.0, 0.0)

  def __init__(self):
    super().__init__(handle_auto_reset=True)
    self._episode, self._t, self._frame = -1, 0, -1

  def action_spec(self):
    return array_spec.BoundedArraySpec([1], np.float32, -1, 1)

  def observation_spec(self):
    return {
      'pixels': array_spec.ArraySpec([64, 64, 3], np.uint8),
      'state': array_spec.ArraySpec([1], np.float32),
    }

  def _observation(self):
    self._frame += 1
    return {
      'pixels': np.full([64, 64, 3], self._frame, np.uint8),
      'state': np.float32([self._frame]),
    }

  def _reset(self):
    self._episode, self._t = self._episode + 1, 0
    return ts.restart(self._observation())

  def _step(self, action):
    self._t += 1
    kind = self._episode % 2
    reward = np.float32(10 * action[0])
    if self._t < self.LENGTHS[kind]:
      return ts.transition(self._observation(), reward)
    step = ts.termination(self._observation(), reward)
    return step._replace(discount=np.float32(self.DISCOUNTS[kind]))


class Restorable(Counting):
  """The same, and it can tell its state."""

  def get_state(self):
    return {
      'counters': [self._episode, self._t, self._frame],
      'time_step': self.current_time_step(),
    }

  def set_state(self, state):
    self._episode, self._t, self._frame = state['counters']
    self._current_time_step = state['time_step']


class StubPolicy:
  """Its action is 0.1 in an episode's first step, then 0.2, ..."""

  def get_initial_state(self):
    return {'count': tf.zeros([1])}

  def action(self, time_step, policy_state):
    assert not time_step.is_last()
    count = policy_state['count'] + 1
    action = np.float32(count.numpy() / 10)
    return policy_step.PolicyStep(action, {'count': count})


class RandomPolicy:
  """Keeps no state; its action is always -1."""

  def get_initial_state(self):
    return ()

  def action(self, time_step, policy_state):
    return policy_step.PolicyStep(np.float32([-1]), ())


class SeeingPolicy(StubPolicy):
  """The stub that remembers the types of the steps it was shown."""

  def __init__(self):
    self.step_types = []

  def action(self, time_step, policy_state):
    self.step_types.append(int(time_step.step_type))
    return super().action(time_step, policy_state)


def make(environment=Counting):
  memory = replay.Replay(SPEC, sequence_length=2, seed=0, capacity=50)
  collector = collecting.Collector(
    environment(), memory, SPEC, metrics.Stopwatch()
  )
  return collector, memory


def rows(memory):
  """[frame, step type, action, reward, discount, next step type] by step."""
  fields = memory.rows(0, memory.size)
  return [
    (int(frame[0, 0, 0]), *(round(float(x), 4) for x in rest))
    for frame, *rest in zip(
      fields['observation/pixels'],
      fields['step_type'],
      fields['action'][:, 0],
      fields['reward'],
      fields['discount'],
      fields['next_step_type'],
      strict=True,
    )
  ]


def test_rows_of_two_episodes():
  collector, memory = make()
  finished = [collector.step(StubPolicy()) for _ in range(6)]
  assert rows(memory) == [
    (0, FIRST, 0.1, 1, 1, MID),
    (1, MID, 0.2, 2, 1, MID),
    (2, MID, 0.3, 3, 1, LAST),  # The time limit: discount 1.
    (3, LAST, 0, 0, 1, FIRST),
    (4, FIRST, 0.1, 1, 1, MID),
    (5, MID, 0.2, 2, 0, LAST),  # The termination: discount 0.
    (6, LAST, 0, 0, 1, FIRST),
    (7, FIRST, 0.1, 1, 1, MID),
  ]
  ends = [f and (round(f.episode_return, 5), f.length) for f in finished]
  assert ends == [None, None, (6, 3), None, (3, 2), None]
  assert list(memory.rows(0, 1)) == [
    'step_type',
    'observation/pixels',
    'action',
    'next_step_type',
    'reward',
    'discount',
  ]


@pytest.mark.parametrize('restored', [False, True])
def test_a_policy_may_take_over_within_an_episode(restored):
  """To it the episode begins there; the replay knows better."""
  collector, memory = make(Restorable)
  collector.step(RandomPolicy())
  if restored:
    state = collector.get_state()
    collector = collecting.Collector(
      Restorable(), memory, SPEC, metrics.Stopwatch()
    )
    collector.set_state(state)
  policy = SeeingPolicy()
  for _ in range(3):
    collector.step(policy)
  assert policy.step_types == [FIRST, MID, FIRST]
  assert rows(memory) == [
    (0, FIRST, -1, -10, 1, MID),
    (1, MID, 0.1, 1, 1, MID),
    (2, MID, 0.2, 2, 1, LAST),
    (3, LAST, 0, 0, 1, FIRST),
    (4, FIRST, 0.1, 1, 1, MID),
  ]


@pytest.mark.parametrize('before', range(7))
def test_a_restored_collector_goes_on_exactly(before):
  straight, expected = make(Restorable)
  finished = [straight.step(StubPolicy()) for _ in range(9)]

  first, memory = make(Restorable)
  again = [first.step(StubPolicy()) for _ in range(before)]
  first.prepare()
  state = first.get_state()
  leaves = tf.nest.flatten(state['policy_state'])
  if before:
    assert all(isinstance(leaf, np.ndarray) for leaf in leaves)
  second, other = make(Restorable)
  second.set_state(state)
  again += [second.step(StubPolicy()) for _ in range(9 - before)]
  assert rows(memory) + rows(other) == rows(expected)
  assert again == finished


def test_telling_the_state_changes_nothing():
  straight, expected = make(Restorable)
  asked, memory = make(Restorable)
  for _ in range(7):
    straight.step(StubPolicy())
    asked.prepare()
    asked.get_state()
    asked.step(StubPolicy())
  assert rows(memory) == rows(expected)


def test_only_an_episode_under_way_has_a_state():
  resets = []

  class Told(Restorable):
    def _reset(self):
      resets.append(None)
      return super()._reset()

  collector, _ = make(Told)
  assert collector.get_state()['environment'] is None
  assert not resets  # To tell a state is no reason to begin an episode.
  collector.prepare()
  collector.prepare()
  assert collector.get_state()['environment'] is not None
  assert len(resets) == 1


def test_an_environment_without_a_state_begins_a_new_episode(capsys):
  first, memory = make()
  for _ in range(2):
    first.step(StubPolicy())
  state = first.get_state()
  assert state['environment'] is None

  second = collecting.Collector(Counting(), memory, SPEC, metrics.Stopwatch())
  second.set_state(state)
  assert 'a new episode begins' in capsys.readouterr().err
  finished = [second.step(StubPolicy()) for _ in range(3)]
  # Return and length are those of the new episode alone.
  assert finished[-1].length == 3
  assert finished[-1].episode_return == pytest.approx(6)
  assert [row[1] for row in rows(memory)] == [
    *(FIRST, MID),
    *(FIRST, MID, MID, LAST),
  ]


class Failing(Restorable):
  """The same, whose calls of the given numbers, counted from 0, fail."""

  def __init__(self, steps=(), resets=()):
    super().__init__()
    self._failing = {'step': steps, 'reset': resets}
    self._calls = {'step': 0, 'reset': 0}

  def _fails(self, name):
    self._calls[name] += 1
    return self._calls[name] - 1 in self._failing[name]

  def _reset(self):
    if self._fails('reset'):
      raise RuntimeError('no reset')
    return super()._reset()

  def _step(self, action):
    time_step = super()._step(action)
    if self._fails('step'):
      return time_step._replace(reward=np.float32('nan'))
    return time_step


def collect(collector, n):
  """What n calls return; 'failed' for those that fail."""
  results = []
  for _ in range(n):
    try:
      results.append(collector.step(StubPolicy()))
    except checked.Failure:
      results.append('failed')
  return results


def test_a_failed_step_ends_the_episode_without_a_termination():
  collector, memory = make(lambda: Failing(steps=[2]))
  results = collect(collector, 6)
  # The next one, of two steps, is told apart: return and length are its own.
  assert results == [None, None, 'failed', None, (pytest.approx(3), 2), None]
  assert rows(memory) == [
    (0, FIRST, 0.1, 1, 1, MID),
    (1, MID, 0.2, 2, 1, MID),
    (2, MID, 0, 0, 1, FIRST),  # The step after it is not known.
    (4, FIRST, 0.1, 1, 1, MID),
    (5, MID, 0.2, 2, 0, LAST),
    (6, LAST, 0, 0, 1, FIRST),
    (7, FIRST, 0.1, 1, 1, MID),
  ]
  step_type = memory.sample(200).step_type
  pairs = {tuple(pair) for pair in step_type.tolist()}
  # No sequence ends with a pair that joins two episodes.
  assert pairs == {(FIRST, MID), (MID, MID), (MID, LAST)}


def test_an_episode_may_fail_at_its_first_step():
  collector, memory = make(lambda: Failing(steps=[0]))
  assert collect(collector, 3) == ['failed', None, (pytest.approx(3), 2)]
  assert [row[1] for row in rows(memory)] == [FIRST, FIRST, MID, LAST]


def test_a_failed_reset_loses_nothing_of_the_episode_before():
  collector, memory = make(lambda: Failing(resets=[0, 2, 3]))
  results = collect(collector, 8)
  assert results == [
    'failed',
    *(None, None, (pytest.approx(6), 3)),
    *('failed', 'failed'),
    *(None, (pytest.approx(3), 2)),
  ]
  assert [row[1:] for row in rows(memory)] == [
    (FIRST, 0.1, 1, 1, MID),
    (MID, 0.2, 2, 1, MID),
    (MID, 0.3, 3, 1, LAST),
    (LAST, 0, 0, 1, FIRST),
    (FIRST, 0.1, 1, 1, MID),
    (MID, 0.2, 2, 0, LAST),
    (LAST, 0, 0, 1, FIRST),
  ]


def test_an_environment_that_cannot_begin_can_still_be_saved():
  collector, memory = make(lambda: Failing(resets=[1]))
  collect(collector, 3)
  with pytest.raises(checked.Failure):
    collector.prepare()
  state = collector.get_state()
  assert state['environment'] is None
  other = collecting.Collector(Restorable(), memory, SPEC, metrics.Stopwatch())
  other.set_state(state)
  assert collect(other, 3) == [None, None, (pytest.approx(6), 3)]


def test_the_environment_and_the_policy_are_timed():
  stopwatch = metrics.Stopwatch()
  memory = replay.Replay(SPEC, sequence_length=2, seed=0, capacity=50)
  collector = collecting.Collector(Counting(), memory, SPEC, stopwatch)
  collector.step(StubPolicy())
  assert set(stopwatch.seconds()) == {'acting', 'environment'}
