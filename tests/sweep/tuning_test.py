"""Tests of a sweep on a cluster: a node is killed, and all is stopped."""

import signal

import pytest

from tests import processes
from tests.faults import results
from tests.sweep import clusters

pytest.importorskip('ray', reason='There is no Ray; see docs/scale.md.')
pytestmark = pytest.mark.slow

NAME = 'cartpole-tiny-seed0'


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
