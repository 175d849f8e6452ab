"""Tests of a sweep on a cluster: a node is killed, and all is stopped."""

import signal
import types

import pytest

from slac.sweep import tuning
from tests import processes
from tests.faults import results
from tests.sweep import clusters

pytest.importorskip('ray', reason='There is no Ray; see docs/scale.md.')

NAME = 'cartpole-tiny-seed0'


def asha(env_steps):
  """Returns what decides; it is told a trial, its steps and its return."""
  item = types.SimpleNamespace(
    schedule=types.SimpleNamespace(env_steps=env_steps)
  )
  scheduler = tuning._scheduler(['asha'], [item])
  seen = {}

  def decide(name, steps, value):
    if name not in seen:
      seen[name] = types.SimpleNamespace(trial_id=name)
      scheduler.on_trial_add(None, seen[name])
    result = {'env_steps': steps, 'average_return': value}
    return scheduler.on_trial_result(None, seen[name], result)

  return decide


@pytest.mark.parametrize('steps', [90, 9000, 100_000, 1_000_000])
def test_asha_stops_at_a_ninth_and_a_third_and_nowhere_else(steps):
  decide = asha(steps)
  ninth, third = steps // 9, steps // 9 * 3
  assert decide('best', ninth, 3) == 'CONTINUE'
  # Before, it may still become better.
  assert decide('worst', ninth - 1, 1) == 'CONTINUE'
  assert decide('worst', ninth, 1) == 'STOP'
  for value, name in enumerate(('slow', 'better'), start=4):
    assert decide(name, ninth, value) == 'CONTINUE'
  assert decide('best', third, 6) == 'CONTINUE'
  assert decide('slow', third - 1, 5) == 'CONTINUE'
  assert decide('slow', third, 5) == 'STOP'
  assert decide('better', third, 7) == 'CONTINUE'
  # The last agent step may go beyond the budget.
  for end in (steps - 1, steps, steps + 3):
    assert decide('better', end, 8) == 'CONTINUE'
    assert decide('best', end, 7) == 'CONTINUE'


@pytest.mark.parametrize('steps', range(1, 12))
def test_asha_lets_the_smallest_budgets_end(steps):
  decide = asha(steps)
  for now in range(steps + 1):
    assert decide('only', now, 1) == 'CONTINUE'


def test_a_sweep_is_found_where_the_storage_has_options(tmp_path):
  (tmp_path / 'name').mkdir()
  storage = f'{tmp_path.as_uri()}?region=there'
  assert not tuning._is_stored(storage, 'name')
  assert not tuning._is_stored(storage, 'other')
  (tmp_path / 'name' / 'experiment_state-0.json').touch()
  assert tuning._is_stored(storage, 'name')
  assert not tuning._is_stored(storage, 'other')


@pytest.mark.slow
def test_a_run_survives_its_node_and_a_stop_to_the_last_bit(tmp_path):
  overlay, root = tmp_path / 'tiny.gin', tmp_path / 'runs'
  clusters.write_settings(overlay, env_steps=8000, seconds=1.0)
  with clusters.cluster(nodes=2) as cluster:
    where = cluster.address
    process = clusters.sweep(where, overlay, root)

    def begun(than=()):
      there = clusters.trials(overlay).items()
      return [pid for pid, n in there if n == NAME and pid not in than]

    (pid,) = processes.wait_until(begun, process)
    processes.wait_until(lambda: clusters.stored(root, NAME), process)
    clusters.raylet_of(pid).kill()
    (second,) = processes.wait_until(lambda: begun([pid]), process)
    processes.wait_until(lambda: pid not in clusters.trials(overlay), process)
    before = len(clusters.stored(root, NAME))
    process.send_signal(signal.SIGTERM)
    assert process.wait(clusters.SECONDS) == 128 + signal.SIGTERM
    assert len(clusters.stored(root, NAME)) >= before
    assert second not in clusters.trials(overlay)
    assert clusters.sweep(where, overlay, root).wait(clusters.SECONDS) == 0
  straight = tmp_path / 'straight'
  assert clusters.straight(overlay, straight, 0).wait(clusters.SECONDS) == 0
  assert not results.faults(root / NAME, straight / NAME)
  said = root.with_suffix('.log').read_text()
  assert 'Stopped; the same command continues.' in said
  assert (root / 'report' / 'report.html').exists()
