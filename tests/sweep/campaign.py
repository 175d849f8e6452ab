"""Whether a sweep survives its nodes: `python -m tests.sweep.campaign`.

Runs tiny networks on a cluster of this machine, whose nodes are killed and cut
off from the others at random moments, and compares each run with one that
nothing disturbed. With --soak, only whether the memory of all processes stays
flat for so long, in a sweep on this machine.
"""

import argparse
import functools
import pathlib
import random
import sys
import tempfile
import time

from tests import processes
from tests.cluster import pace
from tests.faults import results
from tests.sweep import clusters, namespaces

_SCRIPT = """
from argparse import Namespace
from tests.sweep import campaign
raise SystemExit(not campaign.survives({!r}))
"""


def main():
  """Runs the command line; exits with 1 if anything was lost."""
  parser = argparse.ArgumentParser(
    prog='python -m tests.sweep.campaign', description=__doc__
  )
  parser.add_argument('--soak', type=float, help='minutes')
  parser.add_argument('--runs', type=int, default=12)
  parser.add_argument('--nodes', type=int, default=3)
  parser.add_argument(
    '--kills', type=int, default=4, help='SIGKILLs of raylets'
  )
  parser.add_argument(
    '--partitions', type=int, default=1, help='nodes that are cut off'
  )
  parser.add_argument(
    '--seconds', type=float, default=30.0, help='of each partition'
  )
  parser.add_argument('--env_steps', type=int, default=16000)
  parser.add_argument('--seed', type=int, default=0, help='of the moments')
  arguments = parser.parse_args()
  if arguments.soak:
    with tempfile.TemporaryDirectory() as root:
      sys.exit(not stays_flat(pathlib.Path(root), arguments.soak))
  sys.exit(namespaces.run(_SCRIPT.format(arguments)))


def stays_flat(root: pathlib.Path, minutes: float) -> bool:
  """Returns whether a sweep of one run after another stays flat."""
  task, overlay = root / 'pace.gin', root / 'five_minutes.gin'
  task.write_text(pace.GIN.format(seconds=0.05))
  overlay.write_text('Schedule.env_steps = 6000')
  flags = '--allow_gin_imports', '--seeds', '1000', '--jobs', '1'
  process = clusters.sweep(
    'local', overlay, root / 'runs', *flags, task=str(task)
  )
  return processes.stay_flat(process, minutes)


def survives(arguments: argparse.Namespace) -> bool:
  """Disturbs a sweep; prints the outcome; returns if all is well.

  Args:
    arguments: the flags.
  """
  root = pathlib.Path(tempfile.mkdtemp())
  overlay, runs = root / 'tiny.gin', root / 'runs'
  clusters.write_settings(overlay, arguments.env_steps, seconds=1.0)
  chosen = random.Random(arguments.seed)
  faults = ['kill'] * arguments.kills + ['partition'] * arguments.partitions
  chosen.shuffle(faults)
  at_work = functools.partial(clusters.trials, overlay)
  begun = time.monotonic()
  cluster = namespaces.Cluster(arguments.nodes)
  seeds = '--seeds', str(arguments.runs)
  process = clusters.sweep(cluster.address, overlay, runs, *seeds)
  for fault in faults:
    processes.wait_until(at_work, process)
    time.sleep(chosen.uniform(0, 30))
    pids = processes.wait_until(at_work, process)
    pid = chosen.choice(sorted(pids))
    print(f'{time.monotonic() - begun:.0f} s: {fault} {pids[pid]}', flush=True)
    raylet = clusters.raylet_of(pid)
    if fault == 'kill':
      raylet.kill()
      cluster.add_node()
    else:
      with cluster.cut(raylet):
        time.sleep(arguments.seconds)
  code = process.wait()
  took = time.monotonic() - begun
  said = runs.with_suffix('.log').read_text()
  print(said)
  lost = {}
  for seed in range(arguments.runs):
    clusters.straight(overlay, root / 'straight', seed).wait()
    name = f'cartpole-tiny-seed{seed}'
    if found := results.faults(runs / name, root / 'straight' / name):
      lost[name] = found
    print(f'{name}: {found or "as undisturbed"}', flush=True)
  table = {
    'runs, nodes': f'{arguments.runs}, {arguments.nodes}',
    'nodes killed, cut off': f'{arguments.kills}, {arguments.partitions}',
    'runs that went on elsewhere': said.count(' was lost '),
    'seconds of the sweep': f'{took:.0f}',
    'exit code': code,
    'runs with the sha256 of an undisturbed one': arguments.runs - len(lost),
    'what differs': lost or 'nothing',
  }
  print('\n'.join(f'{name + ":":<46}{value}' for name, value in table.items()))
  return not lost and code == 0


if __name__ == '__main__':
  main()
