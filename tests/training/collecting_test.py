"""What two episodes leave in the replay, and going on after a checkpoint."""

import re
import threading
import time

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import policy_step, trajectory
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.environments import checked, limits, requirements
from slac.training import collecting, collection, metrics, replay
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


class Stub:
  """A policy that acts on one environment after the other."""

  def actions(self, time_steps, policy_states):
    return list(map(self.action, time_steps, policy_states))


class StubPolicy(Stub):
  """Its action is 0.1 in an episode's first step, then 0.2, ..."""

  def get_initial_state(self):
    return {'count': tf.zeros([1])}

  def action(self, time_step, policy_state):
    assert not time_step.is_last()
    count = policy_state['count'] + 1
    action = np.float32(count.numpy() / 10)
    return policy_step.PolicyStep(action, {'count': count})


class RandomPolicy(Stub):
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
    [environment()], memory, SPEC, metrics.Stopwatch()
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


def collect(collector, n):
  """What has become of n steps in one environment; 'failed' is a failure."""
  results = []
  for _ in range(n):
    turn = collector.step(StubPolicy())
    assert turn.num_steps + len(turn.failures) == 1
    assert all(isinstance(x, checked.Failure) for x in turn.failures)
    (result,) = turn.finished or (['failed'] if turn.failures else [None])
    results.append(result)
  return results


def test_rows_of_two_episodes():
  collector, memory = make()
  finished = collect(collector, 6)
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
      [Restorable()], memory, SPEC, metrics.Stopwatch()
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


def test_each_continuation_without_a_state_has_a_seed_of_its_own():
  seeds = []

  class Seeded(Counting):
    def seed(self, seed):
      seeds.append(seed)

  state = {'environment': None}
  for _ in range(3):
    memory = replay.Replay(SPEC, 2, 0, 50, num_streams=2)
    collector = collecting.Collector(
      [Seeded(), Seeded()], memory, SPEC, metrics.Stopwatch(), seed=3
    )
    collector.set_state({'streams': [state, state]})
    state = collector.get_state()['streams'][0]
  assert len(set(seeds)) == 6 and 3 not in seeds
  assert seeds[2] == collection.seed_of(3, 0, 0, continued=2)


def no_seed(_):
  raise ValueError('no seed')


@pytest.mark.parametrize(
  ('seed', 'fault'),
  [
    (no_seed, r'ValueError: no seed \('),
    (lambda _: time.sleep(1000), 'TimeoutError: no end within'),
  ],
)
def test_where_a_continuation_cannot_be_seeded_it_says_what_to_mend(
  seed, fault
):
  environment = Counting()
  environment.seed = seed
  memory = replay.Replay(SPEC, sequence_length=2, seed=0, capacity=50)
  collector = collecting.Collector(
    [environment], memory, SPEC, metrics.Stopwatch(), limits.Limit(0.5)
  )
  with pytest.raises(errors.UserError) as caught:
    collector.set_state({'environment': None})
  assert re.fullmatch(
    f'There is nothing to train in, as the environment raised {fault}.*: mend '
    'the environment.',
    str(caught.value),
  )
  assert caught.value.exit_code == 69


@pytest.mark.parametrize('before', range(7))
def test_a_restored_collector_goes_on_exactly(before):
  straight, expected = make(Restorable)
  finished = collect(straight, 9)

  first, memory = make(Restorable)
  again = collect(first, before)
  first.prepare()
  state = first.get_state()
  assert state['num_continued'] == 0  # Which no exact continuation changes.
  leaves = tf.nest.flatten(state['policy_state'])
  if before:
    assert all(isinstance(leaf, np.ndarray) for leaf in leaves)
  second, other = make(Restorable)
  second.set_state(state)
  # No exact continuation leaves a trace.
  assert second.get_state()['num_continued'] == state['num_continued'] == 0
  again += collect(second, 9 - before)
  assert rows(memory) + rows(other) == rows(expected)
  assert again == finished


def test_a_restored_step_has_the_types_of_the_spec():
  class Loose(Restorable):
    def current_time_step(self):
      step = super().current_time_step()
      loose = np.int64(step.step_type), np.float64(step.reward)
      return step._replace(step_type=loose[0], reward=loose[1])

  collector, _ = make(Loose)
  collect(collector, 2)
  state = collector.get_state()
  other, memory = make(Loose)
  other.set_state(state)
  seen = []

  class Seeing(StubPolicy):
    def actions(self, time_steps, states):
      seen.extend(time_steps)
      return super().actions(time_steps, states)

  other.step(Seeing())
  assert [step.step_type.dtype.name for step in seen] == ['int32']
  assert [step.reward.dtype.name for step in seen] == ['float32']
  assert rows(memory)[0][0] == 2


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

  second = collecting.Collector([Counting()], memory, SPEC, metrics.Stopwatch())
  second.set_state(state)
  assert 'a new episode begins' in capsys.readouterr().err
  finished = collect(second, 3)
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
  (failure,) = collector.prepare()
  assert isinstance(failure, checked.Failure)
  state = collector.get_state()
  assert state['environment'] is None
  other = collecting.Collector(
    [Restorable()], memory, SPEC, metrics.Stopwatch()
  )
  other.set_state(state)
  assert collect(other, 3) == [None, None, (pytest.approx(6), 3)]


def test_the_environment_and_the_policy_are_timed():
  stopwatch = metrics.Stopwatch()
  memory = replay.Replay(SPEC, sequence_length=2, seed=0, capacity=50)
  collector = collecting.Collector([Counting()], memory, SPEC, stopwatch)
  collector.step(StubPolicy())
  assert set(stopwatch.seconds()) == {'acting', 'environment'}


def side_by_side(*environments):
  """A collector from several environments, and its replay."""
  memory = replay.Replay(SPEC, 2, 0, 50, num_streams=len(environments))
  collector = collecting.Collector(
    environments, memory, SPEC, metrics.Stopwatch()
  )
  return collector, memory


def of_streams(memory):
  """The rows of each of two streams, and the streams in the order of rows."""
  streams = memory.rows(0, memory.size)['stream'].tolist()
  own = list(zip(streams, rows(memory), strict=True))
  return [[row for s, row in own if s == stream] for stream in (0, 1)], streams


def test_several_environments_leave_what_each_would_leave_alone():
  collector, memory = side_by_side(Counting(), Failing(steps=[1], resets=[2]))
  turns = [collector.step(StubPolicy()) for _ in range(6)]
  # The second fails in its second step, and to begin its third episode.
  assert [turn.num_steps for turn in turns] == [2, 1, 2, 2, 1, 2]
  assert [len(turn.failures) for turn in turns] == [0, 1, 0, 0, 1, 0]
  finished = [
    [(round(f.episode_return, 5), f.length) for f in turn.finished]
    for turn in turns
  ]
  assert finished == [[], [], [(6, 3)], [(3, 2)], [(3, 2)], []]
  found, streams = of_streams(memory)
  alone, expected = make()
  collect(alone, 6)
  assert found[0] == rows(expected)
  alone, expected = make(lambda: Failing(steps=[1], resets=[2]))
  collect(alone, 6)
  assert found[1] == rows(expected)
  # In turns; an episode's last row follows at once.
  assert streams == [0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1]


def test_several_environments_go_on_exactly():
  def environments():
    return Restorable(), Failing(steps=[1])

  straight, expected = side_by_side(*environments())
  turns = [straight.step(StubPolicy()) for _ in range(7)]
  first, memory = side_by_side(*environments())
  again = [first.step(StubPolicy()) for _ in range(4)]
  first.prepare()
  state = first.get_state()
  # In the order of Python's dicts, as a checkpoint's.
  assert list(state) == ['streams']
  second, other = side_by_side(Restorable(), Restorable())
  second.set_state(state)
  again += [second.step(StubPolicy()) for _ in range(3)]
  strings = [[str(turn) for turn in own] for own in (again, turns)]
  assert strings[0] == strings[1]
  assert rows(memory) + rows(other) == rows(expected)


def test_several_environments_take_their_steps_at_the_same_time():
  both = threading.Barrier(2)

  class Waiting(Counting):
    def _reset(self):
      both.wait(60)
      return super()._reset()

    def _step(self, action):
      both.wait(60)
      return super()._step(action)

  collector, _ = side_by_side(Waiting(), Waiting())
  assert [collector.step(StubPolicy()).num_steps for _ in range(3)] == [2, 2, 2]


def test_a_single_environment_that_hangs_has_failed():
  class Hanging(Restorable):
    def _step(self, action):
      if self._episode == 0:
        time.sleep(1000)
      return super()._step(action)

  memory = replay.Replay(SPEC, sequence_length=2, seed=0, capacity=50)
  collector = collecting.Collector(
    [Hanging()], memory, SPEC, metrics.Stopwatch(), limits.Limit(0.5)
  )
  results = collect(collector, 3)
  assert results == ['failed', None, (pytest.approx(3), 2)]


class Drawn(gymnasium.Env):
  """Scales its action in place; its frames count what has been drawn."""

  render_mode = 'rgb_array'
  action_space = gymnasium.spaces.Box(-1, 1, [1], np.float32)
  observation_space = gymnasium.spaces.Box(0, 9, [1], np.float32)

  def __init__(self, lose=None):
    self._lose = lose
    self._drawn = -1

  def reset(self, *, seed=None, options=None):
    return np.zeros(1, np.float32), {}

  def step(self, action):
    action *= 0.5
    return np.zeros(1, np.float32), float(10 * action[0]), False, False, {}

  def render(self):
    self._drawn += 1
    if self._lose and self._drawn == 4:
      self._lose()
    return np.full([64, 64, 3], self._drawn, np.uint8)


def collector_of(own, action_repeat=1, seconds=300.0):
  environment = requirements.prepare(own, action_repeat)
  requirements.observe(environment, ['pixels', 'state'])
  memory = replay.Replay(SPEC, sequence_length=2, seed=0, capacity=50)
  return collecting.Collector(
    *([environment], memory, SPEC, metrics.Stopwatch(), limits.Limit(seconds))
  ), memory


def lose():
  raise OSError('the camera has dropped a frame')


@pytest.mark.parametrize(
  ('fault', 'seconds'), [(lose, 300.0), (lambda: time.sleep(1000), 0.5)]
)
def test_a_frame_that_is_lost_ends_one_episode(fault, seconds):
  collector, memory = collector_of(Drawn(fault), seconds=seconds)
  assert collect(collector, 5) == [None, None, 'failed', None, None]
  assert [row[:3] for row in rows(memory)] == [
    # The first frame was drawn before there was an episode.
    *((1, FIRST, 0.1), (2, MID, 0.2), (3, MID, 0)),
    *((5, FIRST, 0.1), (6, MID, 0.2)),
  ]


@pytest.mark.parametrize('action_repeat', [1, 4])
def test_the_replay_has_the_policy_s_actions_whatever_becomes_of_them(
  action_repeat,
):
  collector, memory = collector_of(Drawn(), action_repeat)
  collect(collector, 3)
  # Each of the repeated steps was given the whole action, and halved it.
  assert [row[2:4] for row in rows(memory)] == [
    (action, pytest.approx(action_repeat * 5 * action))
    for action in (0.1, 0.2, 0.3)
  ]


class Reticent(Restorable):
  """Raises an exception where it is to tell its state."""

  def get_state(self):
    raise ValueError('no encoder')


def test_what_cannot_tell_its_state_is_warned_of_once(capsys):
  for collector, _ in (make(Reticent), side_by_side(Restorable(), Reticent())):
    collector.prepare()
    for _ in range(2):
      state = collector.get_state()
    environments = [own['environment'] for own in state.get('streams', [state])]
    assert environments[-1] is None and None not in environments[:-1]
    said = capsys.readouterr().err
    assert said.startswith(
      "The environment's state cannot be saved, as the environment raised "
      'ValueError: no encoder (collecting_test.py:'
    )
    assert said.endswith('): a resumed run begins a new episode there.\n')
    assert said.count('\n') == 1


def test_telling_the_state_has_the_limit_of_a_step(capsys):
  class Hanging(Restorable):
    def get_state(self):
      time.sleep(1000)

  memory = replay.Replay(SPEC, sequence_length=2, seed=0, capacity=50)
  collector = collecting.Collector(
    [Hanging()], memory, SPEC, metrics.Stopwatch(), limits.Limit(0.5)
  )
  collector.prepare()
  assert collector.get_state()['environment'] is None
  assert 'TimeoutError: no end within' in capsys.readouterr().err
