"""Large blocks are given back to the system."""

import subprocess
import sys

SCRIPT = """
import psutil
from slac import memory
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
