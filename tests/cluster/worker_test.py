"""Tests of slac/cluster/worker.py in this process, without a cluster."""

import pickle
import types

import numpy as np
import pytest
import tree

from slac.config import bindings
from slac.training import collecting, compiled, experiment, metrics
from tests.cluster import pace

pytest.importorskip('ray', reason='Ray is not installed.')
from slac.cluster import messages, worker

SEED = 5


@pytest.fixture
def parts(tmp_path):
  """Those of a run that collects in its own process."""
  (tmp_path / 'pace.gin').write_text(pace.GIN.format(seconds=0.0))
  bindings.load(
    [str(tmp_path / 'pace.gin')],
    [f'Experiment.seed = {SEED}', 'Collection.workers = 0'],
    allow_imports=True,
  )
  return experiment.Experiment()


def worker_like(parts, **changed):
  environment = parts.eval_environment
  specs = environment.observation_spec(), environment.action_spec()
  made = worker.Worker()
  fault = made.begin({**bindings.resolved(), **changed}, specs, SEED)
  return made, fault


def test_its_steps_are_those_of_a_run_that_collects_itself(parts):
  agent, rows = parts.agent, worker.Rows()
  policy = compiled.CompiledPolicy(agent.collect_policy)
  random_policy = compiled.CompiledPolicy(parts.random_policy)
  collector = collecting.Collector(
    parts.environments, rows, agent.training_data_spec, metrics.Stopwatch()
  )
  # Those of the worker are others, until it is sent these.
  for variable in policy.parameters:
    variable.assign(variable + 0.5)
  weights = messages.Weights(40, [np.array(v) for v in policy.parameters])
  made, fault = worker_like(parts, **{'Collection.workers': '3'})
  assert fault is None
  chunks = [made.collect(w) for w in (None, None, weights, weights, None)]
  chunks = pickle.loads(pickle.dumps(chunks))  # As they are sent.
  steps = [step for chunk in chunks for step in chunk.steps]
  ways = [random_policy] * 20 + [policy] * 20 + [random_policy] * 10
  assert len(steps) == len(ways)  # Ten in each.
  expected = []
  for way, step in zip(ways, steps, strict=True):
    rows.clear()
    turn = collector.step(way)
    assert step.turn == turn
    assert step.gradient_steps == (None if way is random_policy else 40)
    expected += rows
  found = [row for step in steps for row in step.rows]
  assert len(found) == 50 + 2  # Each whole episode has its end.
  assert [step.turn.finished for step in steps[19:40:20]] == [
    [collecting.Finished(*x)]
    for x in (
      (sum(float(r.reward) for r in found[:20]), pace.LENGTH),
      (sum(float(r.reward) for r in found[21:41]), pace.LENGTH),
    )
  ]
  for own, other in zip(found, expected, strict=True):
    tree.map_structure(np.testing.assert_array_equal, own, other)

  # What each chunk would end with is what the next one would go on from.
  assert chunks[1].ending is None and chunks[3].ending is None
  ending, following = chunks[0].ending, chunks[1].steps[0].rows[0]
  tree.map_structure(
    np.testing.assert_array_equal, ending, collecting.ending_before(following)
  )
  assert not ending.action.any() and ending.next_step_type == 0
  assert ending.discount == 1 and ending.step_type == 1


def test_a_chunk_takes_the_time_since_the_one_before(parts, monkeypatch):
  clock = types.SimpleNamespace(now=100.0)
  monkeypatch.setattr(
    worker, 'time', types.SimpleNamespace(monotonic=lambda: clock.now)
  )
  made, _ = worker_like(parts)
  seconds = []
  for clock.now in (103.0, 103.5, 108.0):  # Waiting counts too.
    seconds.append(made.collect(None).seconds)
  assert seconds == [3.0, 0.5, 4.5]


def test_noise_that_falls_with_gradient_steps_does_so_elsewhere(parts):
  made, _ = worker_like(parts)
  values = [np.array(v) for v in made._policy.parameters]
  made.collect(messages.Weights(70, values))
  assert made._agent.train_step_counter.numpy() == 70


def test_a_fault_that_a_user_can_mend_is_told(parts):
  _, fault = worker_like(parts, **{'Experiment.environment': '@pace.Robot'})
  assert "'pace.Robot'" in fault[0] or 'pace.Robot' in fault[0]
  assert fault[1] == 78


def test_it_closes_its_environment(parts, tmp_path):
  closed = tmp_path / 'closed'
  worker.Worker().close()  # It has none.
  made, _ = worker_like(parts, **{'Reach.closed': repr(str(closed))})
  made.collect(None)
  assert not closed.exists()
  made.close()
  assert closed.read_text() == 'closed\n'
