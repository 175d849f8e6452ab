"""Tests of a sweep on a cluster: a node is killed, and all is stopped."""

import fcntl
import os
import signal
import types

import pytest

from slac.storage import snapshots
from slac.sweep import progress, tuning
from tests import processes
from tests.faults import results
from tests.sweep import clusters

pytest.importorskip('ray', reason='There is no Ray; see docs/scale.md.')

from ray import tune
from ray.tune import callback

from slac.sweep import board

NAME = 'cartpole-tiny-seed0'


def scheduler(env_steps):
  item = types.SimpleNamespace(
    schedule=types.SimpleNamespace(env_steps=env_steps)
  )
  return tuning._scheduler(['asha'], [item])


def asha(decides):
  """Returns what decides; it is told a trial, its steps and its return."""
  seen = {}

  def decide(name, steps, value, key=progress.TRAINED_RETURN):
    if name not in seen:
      seen[name] = types.SimpleNamespace(trial_id=name)
      decides.on_trial_add(None, seen[name])
    result = {'env_steps': steps, key: value}
    return decides.on_trial_result(None, seen[name], result)

  return decide


@pytest.mark.parametrize('steps', [90, 9000, 100_000, 1_000_000])
def test_asha_stops_at_a_ninth_and_a_third_and_nowhere_else(steps):
  decide = asha(scheduler(steps))
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
  decide = asha(scheduler(steps))
  for now in range(steps + 1):
    assert decide('only', now, 1) == 'CONTINUE'


def test_asha_waits_for_the_return_of_an_actor_that_has_learned():
  decide = asha(scheduler(9000))
  assert decide('best', 1000, 3) == 'CONTINUE'
  assert decide('slow', 1000, 1, 'average_return') == 'CONTINUE'
  assert decide('slow', 1500, 4) == 'CONTINUE'
  assert decide('worst', 1000, 1, 'average_return') == 'CONTINUE'
  assert decide('worst', 1500, 1) == 'STOP'


def board_of(decides):
  """Returns a board without a cluster."""
  made = object.__new__(board.Board)
  made._rungs = decides._brackets[0]._rungs
  return callback.CallbackList([made])


def test_asha_goes_on_with_what_it_knew(tmp_path):
  before, after = scheduler(9000), scheduler(9000)
  decide = asha(before)
  for name, value in (('a', 30), ('b', 20), ('c', 10)):
    decide(name, 1000, value)
  board_of(before).save_to_dir(str(tmp_path))
  board_of(after).restore_from_dir(str(tmp_path))
  decide = asha(after)
  # Its later return is none of the first rung.
  assert decide('a', 2900, 90) == 'CONTINUE'
  assert decide('d', 1000, 5) == 'STOP'
  assert decide('e', 1000, 40) == 'CONTINUE'


def test_without_asha_there_is_nothing_to_know(tmp_path):
  made = object.__new__(board.Board)
  made._rungs = ()
  assert made.get_state() is None


@pytest.fixture
def kept(tmp_path):
  """A trial whose stored run has a checkpoint, and the folder of runs."""
  there = tmp_path / 'stored'
  save(there, 20)
  (there / 'eval.csv').write_text('stored')
  run = types.SimpleNamespace(
    checkpoint=tune.Checkpoint.from_directory(str(there)),
    config={'run': {'name': NAME}},
  )
  return run, tmp_path / 'runs'


def save(folder, step):
  """Gives a run's folder a checkpoint, and a log."""
  (folder / 'checkpoints' / f'checkpoint-{step:010d}').mkdir(parents=True)
  (folder / 'eval.csv').write_text('own')


@pytest.mark.parametrize('step', [None, 10, 20])
def test_a_run_is_fetched_over_an_older_one(kept, step):
  trial, root = kept
  if step:
    save(root / NAME, step)
  tuning._fetch([trial], root)
  assert (root / NAME / 'eval.csv').read_text() == 'stored'
  assert snapshots.names(root / NAME) == ['checkpoint-0000000020']


def test_a_run_that_has_gone_on_by_itself_is_left_alone(kept, capsys):
  trial, root = kept
  save(root / NAME, 30)
  tuning._fetch([trial], root)
  assert (root / NAME / 'eval.csv').read_text() == 'own'
  assert f'{root / NAME} is further than' in capsys.readouterr().out


def test_a_run_that_is_at_work_is_left_alone(kept, capsys):
  trial, root = kept
  save(root / NAME, 10)
  with (root / NAME / '.lock').open('w') as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    tuning._fetch([trial], root)
  assert (root / NAME / 'eval.csv').read_text() == 'own'
  assert f'{root / NAME} is in use by' in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.long
def test_a_closed_terminal_has_a_sweep_saved(tmp_path):
  """It tells Ray's own processes on this machine, too."""
  overlay, root = tmp_path / 'tiny.gin', tmp_path / 'runs'
  clusters.write_settings(overlay, env_steps=400_000, seconds=1.0)
  process = clusters.sweep('local', overlay, root, alone=True)
  processes.wait_until(lambda: clusters.stored(root, NAME), process)
  before = clusters.stored(root, NAME)
  os.killpg(process.pid, signal.SIGHUP)
  process.send_signal(signal.SIGHUP)  # As a shell does besides.
  assert process.wait(clusters.SECONDS) == 128 + signal.SIGHUP
  assert clusters.stored(root, NAME)[-1] != before[-1]
  said = root.with_suffix('.log').read_text()
  assert 'Stopped; the same command continues.' in said


@pytest.mark.slow
@pytest.mark.long
def test_a_run_survives_its_node_and_a_stop_to_the_last_bit(tmp_path):
  overlay, root = tmp_path / 'tiny.gin', tmp_path / 'runs'
  clusters.write_settings(overlay, env_steps=8000, seconds=1.0)
  with clusters.cluster(nodes=2) as cluster:
    command = cluster.address, overlay, root, '--tune', 'asha'
    process = clusters.sweep(*command)

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
    assert list(root.parent.glob('runs-ray/*/callback-states-*'))  # The rungs.
    assert clusters.sweep(*command).wait(clusters.SECONDS) == 0
  straight = tmp_path / 'straight'
  assert clusters.straight(overlay, straight, 0).wait(clusters.SECONDS) == 0
  assert not results.faults(root / NAME, straight / NAME)
  said = root.with_suffix('.log').read_text()
  assert 'Stopped; the same command continues.' in said
  assert (root / 'report' / 'report.html').exists()
