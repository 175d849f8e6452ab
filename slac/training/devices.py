"""Prepares and names the devices that TensorFlow computes on."""

import os
import pathlib

import gin
import tensorflow as tf

CPU_INFO = pathlib.Path('/proc/cpuinfo')
# The first GPUs with units for bfloat16 are NVIDIA's of this capability.
BFLOAT16_CAPABILITY = (8, 0)
# With this many cores, a run whose updates a GPU computes leaves some idle.
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
  """Returns the type in which the device multiplies fastest.

  'bfloat16' on a GPU with units for it, a CPU with AMX, or one of AMD's with
  AVX512-BF16; else 'float32', which is faster on Intel's that have AVX512-BF16
  but no AMX (docs/performance.md).
  """
  gpus = tf.config.list_physical_devices('GPU')
  if gpus:
    capabilities = [
      tf.config.experimental.get_device_details(gpu).get(
        'compute_capability', (0, 0)
      )
      for gpu in gpus
    ]
    is_faster = min(capabilities) >= BFLOAT16_CAPABILITY
  else:
    words = set(CPU_INFO.read_text().split() if CPU_INFO.exists() else ())
    is_faster = 'amx_bf16' in words or {'AuthenticAMD', 'avx512_bf16'} <= words
  return 'bfloat16' if is_faster else 'float32'
