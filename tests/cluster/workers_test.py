"""A run whose workers by Ray are killed, and that is killed itself."""

import re

import psutil
import pytest

from tests import processes, run_folders
from tests.cluster import pace

pytest.importorskip('ray', reason='Ray is not installed.')
pytestmark = [pytest.mark.slow, pytest.mark.long]

STEPS = 1200


def test_no_step_is_lost_or_doubled_when_processes_are_killed(tmp_path):
  folder, log = tmp_path / 'run', tmp_path / 'run.log'
  closed = tmp_path / 'closed'
  params = (
    *('Collection.workers = 2', f'Schedule.env_steps = {STEPS}'),
    f'Reach.closed = {str(closed)!r}',
  )

  def begin():
    return pace.start(tmp_path, 'run', *params, seconds=0.01)

  def saved():
    return run_folders.newest(folder)[0]

  process = begin()
  pace.wait_until(process, lambda: saved() > 100)
  killed = pace.workers(process)[0]
  killed.kill()
  pace.wait_until(process, lambda: 'worker' in log.read_text())
  before = saved()
  pace.wait_until(
    process, lambda: saved() > before and pace.workers(process)[1:]
  )
  # Ray's own agents outlive it by a minute.
  children = [
    x
    for x in psutil.Process(process.pid).children(recursive=True)
    if not re.match('ray::.*Agent', processes.title(x))
  ]
  process.kill()
  process.wait()
  _, alive = psutil.wait_procs(children, pace.SECONDS)
  assert not alive
  assert saved() < STEPS
  closed.unlink(missing_ok=True)
  process = begin()
  assert process.wait(pace.SECONDS) == 0, log.read_text()
  # Both workers' environments, and the one of evaluations.
  assert closed.read_text() == 3 * 'closed\n'

  said = log.read_text()
  assert said.count('Another begins, as worker') == 1
  assert 'Continuing at' in said and 'Traceback' not in said
  lengths = pace.episodes(folder)
  assert sorted(lengths) == [0, 1]
  cut = [n for own in lengths.values() for n in own[:-1] if n != pace.LENGTH]
  assert len(cut) <= 3  # Of the worker, and of both where the run was killed.
  assert sum(map(sum, lengths.values())) == STEPS
  rows = run_folders.table(folder, 'train')
  first = next(row for row in rows if int(row['gradient_steps']))
  for row in rows:
    if updates := int(row['gradient_steps']):
      since = int(row['agent_steps']) - int(first['agent_steps'])
      assert updates - int(first['gradient_steps']) == since
  lags = [float(row[r]) for row in rows if row[r := 'collection/lag']]
  assert 0 < max(lags) < 200
  speeds = [
    float(row[s]) for row in rows if row[s := 'collection/1/steps_per_second']
  ]
  assert 0 < max(speeds) < 100  # As a step takes 10 ms at least.
  evaluated = run_folders.table(folder, 'eval')
  assert [row['env_steps'] for row in evaluated] == ['0', '1000']


def test_no_cluster_at_the_address_is_one_sentence(tmp_path):
  params = 'Collection.workers = 1', "Collection.ray = '127.0.0.1:1'"
  assert pace.start(tmp_path, 'run', *params).wait(pace.SECONDS) == 69
  said = (tmp_path / 'run.log').read_text()
  assert said.count('Collection.ray=127.0.0.1:1 does not answer') == 1
  assert 'Traceback' not in said
