"""Large blocks are given back to the system; what does not fit is refused."""

import pathlib
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

SCRIPT = """
import psutil
from slac.training import memory
import numpy as np
{call}
resident = psutil.Process().memory_info().rss
for _ in range(3):
  kept = []
  for _ in range(8):  # What lies between two batches keeps the first in place.
    batch = np.ones([12 << 20], np.uint8)
    kept.append([bytes(1000) for _ in range(1000)])
    del batch
batches = [np.ones([12 << 20], np.uint8) for _ in range(8)]
small = [bytes(1000) for _ in range(1000)]
del batches
print(psutil.Process().memory_info().rss - resident)
"""


def growth(call):
  script = SCRIPT.format(call=call)
  result = subprocess.run(
    [sys.executable, '-c', script], capture_output=True, text=True, check=True
  )
  return int(result.stdout)


def test_freed_batches_do_not_stay_resident():
  # Eight batches of 12 MiB.
  assert growth('') > 80 << 20
  assert growth('memory.keep_small()') < 20 << 20


REFUSED = """
import functools, sys, time
import train_eval
from slac.training import memory
memory.free_in_cgroups = functools.partial(memory.free_in_cgroups, sys.argv[1])
sys.argv[1:] = sys.argv[2:]
begin = time.process_time()
try:
  train_eval.main()
finally:
  print(time.process_time() - begin)
"""


def test_a_run_whose_replay_does_not_fit_is_refused_at_once(tmp_path):
  """In a control group that has 500 MB left, of which 30 MB are file cache."""
  for name, text in (
    ('proc/self/cgroup', '0::/job'),
    ('sys/fs/cgroup/job/memory.max', '750000000'),
    ('sys/fs/cgroup/job/memory.current', '280000000'),
    ('sys/fs/cgroup/job/memory.stat', 'anon 250000000\ninactive_file 30000000'),
  ):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
  result = subprocess.run(
    [
      *(sys.executable, '-c', REFUSED, str(tmp_path)),
      *('--gin_file=gin/cartpole.gin', f'--root_dir={tmp_path / "runs"}'),
    ],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
  )
  assert result.returncode == 78, result.stderr
  (line,) = result.stderr.splitlines()
  # A step: an image, an action, reward, discount, two step types, a flag.
  step = 64 * 64 * 3 + 5 * 4 + 1
  assert 'Replay.capacity = 100000 takes 1.23 GB' in line
  assert '0.50 GB are available' in line
  largest = int(re.search(r'set it to (\d+) at most', line)[1])
  assert largest == 500_000_000 // step
  assert not (tmp_path / 'runs').exists()
  # Seconds of all but the imports, and of the processor: others do not count.
  assert float(result.stdout) < 2
