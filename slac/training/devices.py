"""Prepares and names the devices that TensorFlow computes on."""

import os
import pathlib

import gin
import tensorflow as tf

CPU_INFO = pathlib.Path('/proc/cpuinfo')
# Their flags, and the name of their make, in a processor of AMD's.
AMD_BFLOAT16 = frozenset({'AuthenticAMD', 'avx512_bf16'})
# The first GPUs with units for bfloat16 are NVIDIA's of this capability.
BFLOAT16_CAPABILITY = (8, 0)
# Of so many a run whose updates a GPU computes leaves some idle.
ENOUGH_CORES = 4


def prepare():
  """Lets a GPU's memory grow with use, instead of taking all of it at once."""
  for gpu in tf.config.list_physical_devices('GPU'):
    tf.config.experimental.set_memory_growth(gpu, True)


def names() -> list[str]:
  """Returns the names of the devices that are used."""
  return [
    tf.config.experimental.get_device_details(gpu).get('device_name', gpu.name)
    for gpu in tf.config.list_physical_devices('GPU')
  ] or ['CPU']


@gin.configurable
def has_spare_cores() -> bool:
  """Returns whether a GPU computes updates, and there are cores enough.

  Without a GPU updates take all that there are.
  """
  gpus = tf.config.list_physical_devices('GPU')
  return bool(gpus) and len(os.sched_getaffinity(0)) >= ENOUGH_CORES


@gin.configurable
def fastest_dtype() -> str:
  """Returns the type of fastest products: 'bfloat16' or 'float32'.

  bfloat16 it is on a GPU with units for it, a CPU with AMX, and one of AMD's
  with AVX512-BF16. Intel's without AMX multiply no faster in it
  (docs/performance.md).
  """
  gpus = tf.config.list_physical_devices('GPU')
  if gpus:
    capabilities = [
      tf.config.experimental.get_device_details(gpu).get(
        'compute_capability', (0, 0)
      )
      for gpu in gpus
    ]
    has_units = min(capabilities) >= BFLOAT16_CAPABILITY
  else:
    flags = CPU_INFO.read_text().split() if CPU_INFO.exists() else []
    has_units = 'amx_bf16' in flags or AMD_BFLOAT16.issubset(flags)
  return 'bfloat16' if has_units else 'float32'
