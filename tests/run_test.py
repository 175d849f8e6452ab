"""Tests of train_eval.Run, whose parts are stubs."""

import types

import pytest

import train_eval
from slac import errors
from slac.environments import checked
from slac.training import faults, schedule
from tests.training import schedule_test


def make(**parts):
  """A run of no more than these parts."""
  run = object.__new__(train_eval.Run)
  run._parts = run._collector = types.SimpleNamespace(close=lambda: None)
  for name, part in parts.items():
    setattr(run, name, part)
  return run


@pytest.mark.parametrize(
  ('phase', 'policies', 'updates', 'counted'),
  [
    ('random data', ['random'], [], (52, 0, 0)),
    ('pretraining', [], ['train_model'], (50, 1, 0)),
    # In two environments: each agent step has its gradient steps.
    ('training', ['collect'], 6 * ['train'], (52, 0, 6)),
  ],
)
def test_a_turn_of_each_phase(phase, policies, updates, counted):
  counters = schedule.Counters(4, agent_steps=50, episodes=9)
  acted, updated, entered, advanced = [], [], [], []

  def step(policy):
    acted.append(policy)
    return types.SimpleNamespace(num_steps=2, finished=[], failures=[])

  run = make(
    counters=counters,
    _schedule=schedule_test.make(gradient_steps=3),
    _random_policy='random',
    _collect_policy='collect',
    _collector=types.SimpleNamespace(step=step),
    _update=updated.append,
    _report=types.SimpleNamespace(
      enter=entered.append, advance=advanced.append
    ),
  )
  run._turn(phase)
  assert (acted, updated, entered) == (policies, updates, [phase])
  assert counted == (
    *(counters.agent_steps, counters.model_updates, counters.gradient_steps),
  )
  assert advanced == [counters.iterations - 50]


def test_environments_are_closed_when_all_is_saved():
  done = []

  def part(name, **methods):
    return types.SimpleNamespace(close=lambda: done.append(name), **methods)

  run = make(
    counters=schedule.Counters(4),
    _schedule=schedule_test.make(),
    _stop=types.SimpleNamespace(requested=True),
    _save=lambda: done.append('save'),
    _report=part('report', open=lambda: False),
    _evaluations=part('evaluations'),
    _collector=part('collector'),
    _parts=part('environments'),
  )
  run.loop()
  assert done == [
    *('save', 'save', 'collector', 'evaluations', 'report', 'environments')
  ]


def test_the_collector_has_the_runs_limit_and_its_seed(monkeypatch):
  monkeypatch.setattr(train_eval.collecting, 'Collector', lambda *x: x)
  run = make(
    _replay='ring',
    _report=types.SimpleNamespace(stopwatch='watch'),
  )
  parts = types.SimpleNamespace(
    agent=types.SimpleNamespace(training_data_spec='spec'),
    collection=types.SimpleNamespace(workers=0),
    environments=['own'],
    limit='limit',
    seed=3,
  )
  assert run._make_collector(parts) == (
    *(['own'], 'ring', 'spec', 'watch', 'limit', 3),
  )


def test_a_reset_that_fails_in_a_save_is_counted_in_what_is_saved(
  tmp_path, monkeypatch, capsys
):
  saved, counters = [], schedule.Counters(action_repeat=4)
  monkeypatch.setattr(train_eval.locks, 'check', lambda folder: None)
  run = make(
    counters=counters,
    _schedule=schedule_test.make(env_steps=100),
    _folder=tmp_path,
    _stop=types.SimpleNamespace(requested=False),
    _finite_check=faults.FiniteCheck(tmp_path),
    _collector=types.SimpleNamespace(
      prepare=lambda: [checked.Failure('the camera hangs')]
    ),
    _stateful={'counters': counters},
    _evaluations=types.SimpleNamespace(get_state=lambda: None),
    _checkpoints=types.SimpleNamespace(
      save=lambda step, state: saved.append(state['counters'])
    ),
  )
  for _ in range(faults.LIMIT - 1):
    run._save()
  assert [state['failed_episodes'] for state in saved] == [1, 2]
  assert capsys.readouterr().err.count('as the camera hangs.') == 2
  with pytest.raises(errors.UserError, match='3 episodes in a row'):
    run._save()
  assert saved[-1]['failed_episodes'] == 3  # Nothing is lost.
  # Environments begin no more, or need not: that is no fault.
  for requested, agent_steps in ((True, 0), (False, 25)):
    run._stop.requested, counters.agent_steps = requested, agent_steps
    run._save()
    assert saved[-1]['failed_episodes'] == 3
