"""Tests of slac/cluster/remote_collector.py, with a hub that is played."""

import time
import types

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import policy_step, trajectory
from tf_agents.trajectories import time_step as ts

from slac.cluster import link, messages, remote_collector
from slac.environments import limits
from slac.training import collecting, metrics, schedule
from tests import tiny

FIRST, MID, LAST = tiny.FIRST, tiny.MID, tiny.LAST
SPEC = trajectory.from_transition(
  ts.time_step_spec({'state': tf.TensorSpec([1], tf.float32)}),
  policy_step.PolicyStep(tiny.action_spec(1)),
  ts.time_step_spec({'state': tf.TensorSpec([1], tf.float32)}),
)
END = (FIRST, 0.0, 0.0, 1.0)  # Next step type, action, reward, discount.


class PlayedHub:
  """Answers what it is to answer, and keeps what it is told.

  An answer may be an exception. An empty list is one of no news.
  """

  def __init__(self, *arguments, should_stop):
    self.arguments = arguments
    self.told = []
    self.answers = []
    self.joined = []
    self.seconds = 0.0  # That an answer takes.
    self.is_closed = False

  def join(self, begun):
    self.joined.append(list(begun))

  def get_ready(self, begun):
    return True

  def tell(self, *arguments):
    self.told.append(arguments)

  def close(self):
    self.is_closed = True

  def found(self):
    time.sleep(self.seconds)
    answer = self.answers.pop(0)
    if isinstance(answer, Exception):
      raise answer
    return answer


class Ring(list):
  """Takes what a replay does: stream, step type, state, and what followed."""

  def add(self, row, stream):
    what = row.next_step_type, row.action[0], row.reward, row.discount
    now = int(row.step_type), float(row.observation['state'][0])
    self.append((stream, *now, tuple(map(float, what))))


class Policy:
  """Has one parameter."""

  def __init__(self, value):
    self.parameters = [tf.Variable([value])]


def row(step_type, state, next_step_type=MID, discount=1.0):
  """A row whose action is 0.5, and whose reward is ten times its state."""
  return trajectory.Trajectory(
    step_type=np.int32(step_type),
    observation={'state': np.float32([state])},
    action=np.float32([0.5]),
    policy_info=(),
    next_step_type=np.int32(next_step_type),
    reward=np.float32(10 * state),
    discount=np.float32(discount),
  )


def step(*rows, finished=(), gradient_steps=None):
  turn = collecting.Turn(1, list(finished), [])
  return messages.Step(list(rows), turn, gradient_steps)


def chunk_of(steps, ending=None, seconds=1.0):
  return messages.Chunk(steps, ending, seconds)


@pytest.fixture
def made(monkeypatch):
  """A collector of two workers, its ring and what it has logged."""
  monkeypatch.setattr(link, 'Link', PlayedHub)
  ring, logged = Ring(), []
  parts = types.SimpleNamespace(
    collection=types.SimpleNamespace(
      workers=2, weight_interval=5, ray='local', resource='arm'
    ),
    eval_environment=types.SimpleNamespace(
      observation_spec=lambda: 'observed', action_spec=lambda: 'acted'
    ),
    seed=3,
    limit=limits.Limit(1.0),
    agent=types.SimpleNamespace(training_data_spec=SPEC),
  )
  policy, counters = Policy(7.0), schedule.Counters(1)
  collector = remote_collector.RemoteCollector(
    *(parts, ring, policy, counters, metrics.Stopwatch(), logged.append)
  )
  return types.SimpleNamespace(
    collector=collector,
    hub=collector._link,
    ring=ring,
    logged=logged,
    policy=policy,
    random=Policy(0.0),
    counters=counters,
  )


def test_a_call_takes_one_step_in_its_worker_s_order(made):
  finished = collecting.Finished(30.0, 2)
  ended = step(row(MID, 1, LAST), row(LAST, 2, FIRST), finished=[finished])
  made.hub.answers = [
    [(1, chunk_of([step(row(FIRST, 0)), ended]))],
    [
      (0, chunk_of([step(row(FIRST, 5))], row(MID, 6))),
      (1, chunk_of([step(row(FIRST, 3))], row(MID, 4))),
    ],
  ]
  turns = [made.collector.step(made.random) for _ in range(4)]
  assert [turn.num_steps for turn in turns] == [1, 1, 1, 1]
  assert [turn.finished for turn in turns] == [[], [finished], [], []]
  assert [x[:3] for x in made.ring] == [
    (1, FIRST, 0.0),
    (1, MID, 1.0),
    (1, LAST, 2.0),
    (0, FIRST, 5.0),
    (1, FIRST, 3.0),
  ]
  assert len(made.hub.told) == 2  # Only when all steps were taken.


def test_a_call_comes_back_without_a_step(made):
  made.hub.answers = [[]]
  assert made.collector.step(made.random) == collecting.Turn(0, [], [])


def test_no_step_for_long_is_a_failure(made, monkeypatch):
  monkeypatch.setattr(remote_collector, '_NO_STEP_SECONDS', 0.0)
  chunk = chunk_of([step(row(FIRST, 0))])
  made.hub.answers = [[(0, chunk)], [], []]
  assert not made.collector.step(made.random).failures
  for _ in range(2):
    (failure,) = made.collector.step(made.random).failures
    assert 'no worker has made a step for 0 s' in str(failure)


def test_seconds_before_a_step_do_not_count_after_it(made, monkeypatch):
  monkeypatch.setattr(remote_collector, '_NO_STEP_SECONDS', 0.3)
  made.hub.seconds = 0.2
  made.hub.answers = [
    [],
    [(0, chunk_of([step(row(FIRST, 0))]))],
    [],
  ]
  for _ in range(3):
    assert not made.collector.step(made.random).failures


def test_a_lost_worker_s_episode_ends_without_a_termination(made, capsys):
  ending = collecting.ending_before(row(MID, 1))
  lost = messages.Lost('its node is gone', has_begun=True)
  made.hub.answers = [
    [(0, chunk_of([step(row(FIRST, 0))], ending))],
    [(0, lost)],
    [(1, lost)],
  ]
  turns = [made.collector.step(made.random) for _ in range(3)]
  assert [turn.num_steps for turn in turns] == [1, 0, 0]
  assert not any(turn.failures for turn in turns)
  # Of worker 1 there is no episode that could end.
  assert made.ring[1:] == [(0, MID, 1.0, END)]
  assert 'worker 0 is lost (its node is gone)' in capsys.readouterr().err
  assert made.collector.get_state() == {'endings': [None] * 2, 'begun': [1, 1]}


def test_a_worker_that_cannot_begin_is_a_failure(made):
  lost = messages.Lost('no such robot', has_begun=False)
  chunk = chunk_of([step(row(FIRST, 0))])
  made.hub.answers = [[(1, lost), (0, chunk)]]
  turn = made.collector.step(made.random)
  assert turn.num_steps == 1
  assert 'worker 1 is lost (no such robot)' in str(turn.failures[0])


def test_all_episodes_end_with_the_hub_and_the_next_is_given_parameters(made):
  ending = collecting.ending_before(row(MID, 1))
  chunk = chunk_of([step(row(FIRST, 0), gradient_steps=0)], ending)
  made.hub.answers = [
    [(0, chunk), (1, chunk)],
    link.HubLost('its process ended'),
    [(0, chunk)],
  ]
  for _ in range(4):
    made.collector.step(made.policy)
  assert made.ring[2:4] == [(0, MID, 1.0, END), (1, MID, 1.0, END)]
  assert [told[0] is not None for told in made.hub.told] == [True, False, True]
  assert made.collector.get_state()['begun'] == [1, 1]


def test_parameters_go_out_first_and_at_every_interval_of_updates(made):
  chunk = chunk_of([step(row(FIRST, 0))])
  made.hub.answers = [[(0, chunk)] for _ in range(6)]
  made.collector.step(made.random)
  made.counters.model_updates = 100
  for steps in (0, 4, 5, 9, 10):
    made.counters.gradient_steps = steps
    made.policy.parameters[0].assign([steps])
    made.collector.step(made.policy)
  weights, is_random = zip(*made.hub.told, strict=True)
  assert is_random == (True, *[False] * 5)
  sent = [w and (w.gradient_steps, float(w.values[0][0])) for w in weights]
  assert sent == [None, (0, 0.0), None, (5, 5.0), None, (10, 10.0)]


def test_what_is_logged(made):
  names = remote_collector.names(2)
  assert remote_collector.names(0) == []
  lags = [step(row(FIRST, 0), gradient_steps=g) for g in (None, 20, 20)]
  made.hub.answers = [[(1, chunk_of(lags, seconds=0.5))]]
  for gradient_steps in (0, 23, 24):
    made.counters.gradient_steps = gradient_steps
    made.collector.step(made.random)
  speed, *of_steps = made.logged
  assert of_steps == [{names[0]: 3}, {names[0]: 4}]
  assert speed == {names[2]: 3 / 0.5}


def test_a_checkpoint_within_a_chunk_ends_the_episode_after_what_was_taken(
  made,
):
  steps = [step(row(FIRST, 0)), step(row(MID, 1)), step(row(MID, 2))]
  between = [step(row(MID, 4, LAST), row(LAST, 5, FIRST)), step(row(FIRST, 6))]
  ending = collecting.ending_before(row(MID, 3))
  made.hub.answers = [
    [(0, chunk_of(steps, ending)), (1, chunk_of(between, ending))]
  ]
  for _ in range(4):  # Three of the first, and the last of an episode.
    made.collector.step(made.random)
  state = made.collector.get_state()
  assert state['begun'] == [0, 0] and state['endings'][1] is None
  taken = list(made.ring)
  made.collector.set_state(state)
  assert made.ring[len(taken) :] == [(0, MID, 3.0, END)]
  assert made.collector.get_state()['begun'] == [1, 1]

  made.hub.answers = [[(0, chunk_of(steps, ending))]]
  made.collector._steps.clear()
  made.collector.step(made.random)
  state = made.collector.get_state()
  made.collector.set_state(state)
  assert made.ring[-1] == (0, MID, 1.0, END)


def test_the_cluster_is_told_what_a_worker_needs(made):
  place, _, specs, seed = made.hub.arguments
  assert (
    dict(place.needs) == {'arm': 1.0} and str(place) == 'Collection.ray=local'
  )
  assert specs == ('observed', 'acted') and seed == 3
  made.collector.prepare()
  assert made.hub.joined == [[0, 0]]
  made.collector.close()
  assert made.hub.is_closed
