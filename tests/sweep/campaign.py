"""Whether a sweep survives its nodes: `python -m tests.sweep.campaign`.

Runs tiny networks on a cluster of this machine, whose nodes are killed and cut
off at random moments, and compares each run with one that nothing disturbed.
"""

import argparse
import functools
import pathlib
import random
import signal
import sys
import tempfile
import time

import psutil

from tests.faults import results
from tests.sweep import clusters

_FROZEN_SECONDS = 30.0


def main():
  """Runs the command line; exits with 1 if anything was lost."""
  parser = argparse.ArgumentParser(
    prog='python -m tests.sweep.campaign', description=__doc__
  )
  parser.add_argument('--runs', type=int, default=12)
  parser.add_argument('--nodes', type=int, default=3)
  parser.add_argument(
    '--kills', type=int, default=4, help='SIGKILLs of raylets'
  )
  parser.add_argument(
    '--freezes', type=int, default=1, help='raylets stopped for 30 s'
  )
  parser.add_argument('--env_steps', type=int, default=8000)
  parser.add_argument('--seed', type=int, default=0, help='of the moments')
  arguments = parser.parse_args()
  with tempfile.TemporaryDirectory() as root:
    sys.exit(not survives(pathlib.Path(root), arguments))


def survives(root: pathlib.Path, arguments: argparse.Namespace) -> bool:
  """Disturbs a sweep; prints the outcome; returns if all is well."""
  overlay, runs = root / 'tiny.gin', root / 'runs'
  clusters.write_settings(overlay, arguments.env_steps, seconds=1.0)
  chosen = random.Random(arguments.seed)
  faults = ['kill'] * arguments.kills + ['freeze'] * arguments.freezes
  chosen.shuffle(faults)
  at_work = functools.partial(clusters.trials, overlay)
  begun = time.monotonic()
  with clusters.cluster(arguments.nodes) as cluster:
    seeds = '--seeds', str(arguments.runs)
    process = clusters.sweep(cluster.address, overlay, runs, *seeds)
    for fault in faults:
      clusters.wait_for(at_work, process)
      time.sleep(chosen.uniform(0, 30))
      pids = clusters.wait_for(at_work, process)
      pid = chosen.choice(sorted(pids))
      _disturb(fault, clusters.raylet_of(pid), cluster)
      print(
        f'{time.monotonic() - begun:.0f} s: {fault} {pids[pid]}', flush=True
      )
    code = process.wait()
  took = time.monotonic() - begun
  print(runs.with_suffix('.log').read_text())
  lost = {}
  for seed in range(arguments.runs):
    clusters.straight(overlay, root / 'straight', seed).wait()
    name = f'cartpole-tiny-seed{seed}'
    if found := results.faults(runs / name, root / 'straight' / name):
      lost[name] = found
  table = {
    'runs, nodes': f'{arguments.runs}, {arguments.nodes}',
    'nodes killed, frozen': f'{arguments.kills}, {arguments.freezes}',
    'seconds of the sweep': f'{took:.0f}',
    'exit code': code,
    'runs with the sha256 of an undisturbed one': arguments.runs - len(lost),
    'what differs': lost or 'nothing',
  }
  print('\n'.join(f'{name + ":":<46}{value}' for name, value in table.items()))
  return not lost and code == 0


def _disturb(fault: str, raylet: psutil.Process, cluster: clusters.Cluster):
  if fault == 'kill':
    raylet.kill()
    cluster.add_node()
    return
  # The run on it goes on, and nobody hears of it.
  raylet.send_signal(signal.SIGSTOP)
  time.sleep(_FROZEN_SECONDS)
  raylet.send_signal(signal.SIGCONT)


if __name__ == '__main__':
  main()
