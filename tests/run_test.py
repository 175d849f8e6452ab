"""Tests of train_eval.Run, whose parts are stubs."""

import types

import train_eval
from slac.training import schedule
from tests.training import schedule_test


def test_each_agent_step_has_its_gradient_steps():
  run = object.__new__(train_eval.Run)
  updates = []
  for name, value in {
    'counters': schedule.Counters(4, agent_steps=50, episodes=9),
    '_schedule': schedule_test.make(model_updates=0, gradient_steps=3),
    '_collect_policy': None,
    '_collect': lambda policy: (2, []),  # In two environments.
    '_update': updates.append,
    '_report': types.SimpleNamespace(enter=lambda phase: None),
  }.items():
    setattr(run, name, value)
  run._turn(run._schedule.phase(run.counters))
  assert updates == 6 * ['train'] and run.counters.gradient_steps == 6


def test_the_collector_has_the_runs_limit_and_its_seed(monkeypatch):
  monkeypatch.setattr(train_eval.collecting, 'Collector', lambda *x: x)
  run = object.__new__(train_eval.Run)
  run._replay = 'ring'
  run._agent = types.SimpleNamespace(training_data_spec='spec')
  run._report = types.SimpleNamespace(stopwatch='watch')
  parts = types.SimpleNamespace(
    collection=types.SimpleNamespace(workers=0),
    environments=['own'],
    limit='limit',
    seed=3,
  )
  assert run._make_collector(parts) == (
    *(['own'], 'ring', 'spec', 'watch', 'limit', 3),
  )
