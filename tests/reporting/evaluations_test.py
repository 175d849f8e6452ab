"""Tests of evaluations that are under way while a run goes on."""

import contextlib
import types

import numpy as np
import pytest
import tensorflow as tf

from slac.environments import served
from slac.reporting import evaluation_worker, evaluations
from slac.training import assessment, evaluation, schedule


class Run:
  """As much of a run as evaluations look at; its return is its variable."""

  def __init__(self, monkeypatch, cls):
    self.variable = tf.Variable([1.0])
    self.counters = schedule.Counters(action_repeat=4, agent_steps=25)
    self.rows, self.drawn, self.assessed = [], [], []
    self.played, self.pictures = [], []
    self.stop = False
    self.fails = self.drawing_fails = 0
    parts = types.SimpleNamespace(
      agent=types.SimpleNamespace(
        variables=[self.variable],
        model=None,
        estimated=(),
        train_sequence_length=99,
      ),
      schedule=types.SimpleNamespace(
        eval_interval=100,
        eval_episodes=2,
        phase=lambda counters: (
          'pretraining' if counters.model_updates < 30 else 'training'
        ),
      ),
      held_out_policy='random',
    )
    log = types.SimpleNamespace(
      evaluating=contextlib.nullcontext,
      evaluated=self._add,
      draw=self._draw,
      assessed_in_pretraining=self.assessed.append,
    )
    monkeypatch.setattr(evaluations, 'evaluators', lambda parts: [])
    monkeypatch.setattr(evaluations, 'evaluator', self._make_evaluator)
    monkeypatch.setattr(evaluations, 'run_policies', self._play)
    monkeypatch.setattr(evaluation_worker.bindings, 'resolved', dict)
    monkeypatch.setattr(evaluations.encoding, 'encode', lambda drawn: drawn)
    self.made = cls(parts, self.counters, log, lambda: self.stop)

  def _add(self, episodes, greedy_episodes, assessed, counters):
    assert greedy_episodes == [] and assessed == {}
    self.rows.append((counters.env_steps, episodes[0].episode_return))

  def _draw(self, name, step, drawn):
    if self.drawing_fails:
      self.drawing_fails -= 1
      raise OSError('no disk')
    self.drawn.append((name, step))
    self.pictures.append(drawn)

  def _make_evaluator(self, parts, policy):
    def play(num_episodes, env_steps, should_stop):
      if self.fails:
        self.fails -= 1
        raise OSError('no luck')
      self.played.append((policy, env_steps))
      numbers = range(len(self.played), len(self.played) + num_episodes)
      return None if should_stop() else list(map(episode, numbers))

    return types.SimpleNamespace(run=play)

  def _play(self, *_):
    if self.fails:
      self.fails -= 1
      raise OSError('no luck')
    return [episode(float(self.variable[0]))], []


def episode(value):
  return evaluation.Episode(value, np.zeros([0]), np.zeros([5, 1]))


class Served:
  """A worker in place of another process; it answers what the test says."""

  answers: list

  def __init__(self, make, context):
    assert context is served.SPAWNED
    if self.answers and isinstance(self.answers[0], OSError):
      raise self.answers.pop(0)
    self.asked = []
    self.has_ended = False

  def ask_aside(self, *question):
    self.asked.append(question)

  def has_answered(self, seconds):
    return bool(self.answers)

  def answer(self):
    found = self.answers.pop(0)
    if isinstance(found, Exception):
      raise found
    return found

  def end(self):
    self.has_ended = True


@pytest.fixture
def run(monkeypatch):
  Served.answers = []
  monkeypatch.setattr(served, 'Served', Served)
  return Run(monkeypatch, evaluation_worker.WorkerEvaluations)


def go_on(run):
  """A step, and an update that changes the agent."""
  run.counters.agent_steps += 10
  run.variable.assign([7.0])


def test_training_goes_on_until_a_row_comes_that_is_of_the_beginning(run):
  run.made.begin()
  assert run.counters.next_evaluation == 200
  go_on(run)
  run.made.collect()
  assert run.made.is_under_way and run.rows == []
  Served.answers = [None]  # It is made,
  run.made.collect()
  ((name, values, counters),) = run.made._worker.asked
  assert (name, values, counters.env_steps) == ('evaluate', [[1.0]], 100)
  Served.answers = [([episode(1.5)], [], {}, {})]
  run.made.collect()
  assert run.rows == [(100, 1.5)] and run.drawn == [('evaluation', 100)]
  assert not run.made.is_under_way and run.counters.drawn_at == 100
  run.made.begin()  # The same worker is asked again.
  asked = run.made._worker.asked
  assert [counters.env_steps for _, _, counters in asked] == [100, 140]


def test_a_second_one_waits_for_the_first_and_a_signal_for_none(run):
  run.made.begin()
  go_on(run)
  Served.answers = [None, ([episode(1.5)], [], {}, {})]
  run.made.begin()
  assert run.rows == [(100, 1.5)]
  assert run.made.get_state()['counters']['agent_steps'] == 35
  go_on(run)
  run.stop = True
  run.made.begin()
  assert run.made.get_state()['counters']['agent_steps'] == 35
  assert run.counters.next_evaluation == 200


def test_what_fails_is_repeated_elsewhere_and_then_here(run, capsys):
  run.made.begin()
  first = run.made._worker
  go_on(run)
  Served.answers = [None, served.Ended('signal 9')]
  run.made.collect()
  run.made.collect()
  assert first.has_ended and run.made._worker is None
  Served.answers = [OSError('no memory')]  # Where it is to begin.
  run.made.collect()
  run.fails = 1  # As ever it is tried twice here.
  run.made.collect()
  assert run.rows == [(100, 1.0)]  # Of the agent as it was,
  assert float(run.variable[0]) == 7.0  # which is again as it is.
  said = capsys.readouterr().err
  assert 'in another process: its process ended with signal 9.' in said
  assert 'here: ' in said and 'no memory' in said
  run.made.begin()
  assert run.made._worker and run.made.is_under_way  # Another one is tried.


@pytest.mark.parametrize(
  'cls', [evaluations.Evaluations, evaluation_worker.WorkerEvaluations]
)
def test_what_a_checkpoint_held_is_made_again(run, monkeypatch, cls):
  run.made.begin()
  go_on(run)
  state = run.made.get_state()
  later = Run(monkeypatch, cls)
  later.variable.assign([7.0])
  later.counters.set_state(run.counters.get_state())
  later.made.set_state(state)
  assert later.made.is_under_way
  Served.answers = [None, ([episode(1.0)], [], {}, {})]
  for _ in range(2):
    later.made.collect()
  assert later.rows == [(100, 1.0)] and not later.made.is_under_way
  assert later.made.get_state() is None
  assert float(later.variable[0]) == 7.0


def test_what_was_drawn_before_a_signal_is_not_drawn_again(run):
  run.counters.drawn_at = 100  # By this process, before the worker was set.
  run.made.begin()
  Served.answers = [None, ([episode(1.5)], [], {}, {})]
  for _ in range(2):
    run.made.collect()
  assert run.rows == [(100, 1.5)] and run.drawn == []


def test_without_a_worker_a_signal_leaves_it_to_the_next_start(monkeypatch):
  run = Run(monkeypatch, evaluations.Evaluations)
  run.stop = True
  run.made.begin()
  assert run.rows == [] and run.counters.next_evaluation == 0
  assert run.made.get_state() is None
  run.stop = False
  run.made.begin()
  assert run.rows == [(100, 1.0)] and run.counters.next_evaluation == 200


def test_a_picture_that_cannot_be_made_costs_no_row(monkeypatch, capsys):
  run = Run(monkeypatch, evaluations.Evaluations)
  monkeypatch.setattr(evaluations.pictures, 'of_episode', lambda *_: 1 / 0)
  played = []

  def play(*arguments):
    played.append(episode(1.0))
    arguments[-1](played[0])
    return played, []

  monkeypatch.setattr(evaluations, 'run_policies', play)
  run.made.begin()
  assert run.rows == [(100, 1.0)] and run.drawn == [] and len(played) == 1
  said = capsys.readouterr().err.splitlines()
  assert len(said) == 2
  assert said[1].startswith('The picture after 100') and 'left out' in said[1]
  assert run.counters.drawn_at == 100


def test_what_plays_has_the_runs_limit(monkeypatch):
  monkeypatch.setattr(evaluations.evaluation, 'Evaluator', lambda *x: x)
  parts = types.SimpleNamespace(
    agent=types.SimpleNamespace(policy='drawn', greedy_policy='greedy'),
    eval_environment='own',
    seed=3,
    limit='limit',
  )
  assert evaluations.evaluators(parts) == [
    ('own', policy, 3, 'limit') for policy in ('drawn', 'greedy')
  ]


def test_pretraining_is_assessed_by_the_same_random_episodes(
  monkeypatch, capsys
):
  run = Run(monkeypatch, evaluations.Evaluations)
  monkeypatch.setattr(
    *(evaluations.assessment, 'of_model'),
    lambda agent, episodes: {
      assessment.ERROR: np.mean([own.episode_return for own in episodes])
    },
  )
  monkeypatch.setattr(
    *(evaluations.pictures, 'of_episode'),
    lambda agent, own, seed: {'episode': own.episode_return, 'dream': seed},
  )

  def pretrain(updates):
    run.counters.model_updates = updates
    run.made.assess_pretraining()

  run.fails = 2  # It is tried no third time.
  pretrain(5)
  assert 'The evaluation in pretraining after 100' in capsys.readouterr().err
  run.stop = True
  pretrain(10)
  assert run.assessed == run.drawn == []
  # The one that fails is over, and not the one that a signal has stopped.
  assert run.counters.assessed_at == 5
  run.stop = False
  run.counters.training_error = 1.0
  for updates in (15, 20):
    pretrain(updates)
  run.drawing_fails = 2
  pretrain(25)  # Assessed without a picture.
  assert 'The picture after 100' in capsys.readouterr().err
  pretrain(30)
  # The first was stopped, and all that follow are of the second.
  assert run.played == [('random', 100)] * 2
  assert run.assessed == [{assessment.ERROR: 2.5}] * 4
  assert run.counters.least_error == 2.5
  assert run.counters.stale_assessments == 3
  assert run.drawn == [('pretraining', updates) for updates in (15, 20, 30)]
  # Films of one episode are all alike.
  assert run.pictures == [
    {'episode': 2, 'dream': [0, 15]},
    {'dream': [0, 20]},
    {'dream': [0, 30]},
  ]
  assert run.made._held_out_episodes is None
  # Nor does another process draw that film again.
  later = Run(monkeypatch, evaluations.Evaluations)
  later.counters.set_state({**run.counters.get_state(), 'model_updates': 25})
  later.made.assess_pretraining()
  assert later.pictures == [{'dream': [0, 25]}]
  # Nor are they kept where the last update is of no assessment.
  monkeypatch.setattr(evaluations.assessment, 'of_model', lambda *_: {})
  run.made._held_out_episodes = [episode(1.0)]
  run.counters.next_evaluation = 0
  run.made.begin()
  assert run.made._held_out_episodes is None


@pytest.mark.parametrize(
  ('interval', 'before', 'after'),
  [(100, 200, 200), (40, 200, 120), (500, 200, 200), (100, 100, 100)],
)
def test_a_shorter_interval_counts_from_where_the_run_goes_on(
  monkeypatch, interval, before, after
):
  run = Run(monkeypatch, evaluations.Evaluations)
  run.made._schedule.eval_interval = interval
  run.counters.next_evaluation = before
  run.made.set_state(None)  # After 100 environment steps.
  assert run.counters.next_evaluation == after


def test_nothing_is_drawn_that_nobody_is_shown():
  asked = []

  def run(number, *_, is_filmed=True):
    asked.append((number, is_filmed))

  plan = types.SimpleNamespace(eval_episodes=3, greedy_eval_episodes=2)
  both = [types.SimpleNamespace(run=run)] * 2
  evaluations.run_policies(both, plan, 0, lambda: False, print)
  assert asked == [(3, True), (2, False)]
