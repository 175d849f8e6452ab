"""What is freed is used again; what does not fit is refused."""

import pathlib
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

SCRIPT = """
import ctypes, resource, sys, threading
from slac.training import memory
# No huge pages, which some systems give to all: one stands for 512 of those
# that are counted here.
PR_SET_THP_DISABLE = 41
assert ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0
{call}

def update():
  # 64 MiB in blocks of several sizes; what is kept comes to lie between them.
  blocks = []
  for mebibytes in (1, 3, 20, 40):
    blocks.append(b'1' * (mebibytes << 20))
    kept.append(b'1' * 1000)

def updates(count):
  threads = [threading.Thread(target=update) for _ in range(count)]
  for thread in threads:
    thread.start()
    thread.join()

kept = []
updates(3)
before = resource.getrusage(resource.RUSAGE_SELF)
updates(30)
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_minflt - before.ru_minflt, after.ru_maxrss - before.ru_maxrss)
"""


def pages_and_growth(call):
  """Page faults of thirty updates, each in a thread, and KiB that they add."""
  script = SCRIPT.format(call=call)
  result = subprocess.run(
    [sys.executable, '-c', script], capture_output=True, text=True, check=True
  )
  return map(int, result.stdout.split())


def test_what_is_freed_is_used_again():
  faults, _ = pages_and_growth('')
  assert faults > 30 * 40 * 256  # The largest block, in pages of 4 KiB.
  faults, growth = pages_and_growth('memory.keep_freed()')
  assert faults < 1000
  assert growth < 4000


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


@pytest.mark.long
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
