"""What is chosen by the device."""

import os

import pytest
import tensorflow as tf

from slac.training import devices


@pytest.fixture
def machine(monkeypatch, tmp_path):
  """Pretends to a CPU's flags and to GPUs' compute capabilities."""

  def pretend(flags, capabilities=(), make='AuthenticAMD'):
    devices_file = tmp_path / 'cpuinfo'
    devices_file.write_text(
      f'processor\t: 0\nvendor_id\t: {make}\nflags\t\t: fpu {flags} sse\n'
    )
    monkeypatch.setattr(devices, 'CPU_INFO', devices_file)
    monkeypatch.setattr(
      tf.config, 'list_physical_devices', lambda kind: list(capabilities)
    )
    monkeypatch.setattr(
      tf.config.experimental,
      'get_device_details',
      lambda gpu: {'compute_capability': gpu} if gpu else {},
    )

  return pretend


@pytest.mark.parametrize(
  ('make', 'flags', 'dtype'),
  [
    ('AuthenticAMD', 'avx512f avx512_bf16', 'bfloat16'),
    ('GenuineIntel', 'avx512f avx512_bf16', 'float32'),
    ('GenuineIntel', 'avx512_bf16 amx_tile amx_bf16', 'bfloat16'),
    ('AuthenticAMD', 'amx_tile amx_bf16', 'bfloat16'),
    ('AuthenticAMD', 'avx512f avx512_vnni', 'float32'),
    ('AuthenticAMD', 'avx512_bf16x', 'float32'),
  ],
)
def test_a_cpu_is_judged_by_its_units(machine, make, flags, dtype):
  machine(flags, make=make)
  assert devices.fastest_dtype() == dtype


@pytest.mark.parametrize(
  ('capabilities', 'dtype'),
  [
    ([(9, 0)], 'bfloat16'),
    ([(8, 0)], 'bfloat16'),
    ([(7, 5)], 'float32'),
    ([(9, 0), (7, 0)], 'float32'),
    ([()], 'float32'),  # Of another make.
  ],
)
def test_a_gpu_is_judged_in_place_of_the_cpu(machine, capabilities, dtype):
  machine('' if dtype == 'bfloat16' else 'avx512_bf16', capabilities)
  assert devices.fastest_dtype() == dtype


def test_an_unknown_cpu_computes_in_float32(machine, monkeypatch, tmp_path):
  machine('avx512_bf16')
  monkeypatch.setattr(devices, 'CPU_INFO', tmp_path / 'missing')
  assert devices.fastest_dtype() == 'float32'


@pytest.mark.parametrize(
  ('gpus', 'cores', 'has_spare'),
  [
    ([], 64, False),
    ([(9, 0)], 3, False),
    ([(9, 0)], 4, True),
    ([(7, 0)], 16, True),
  ],
)
def test_cores_are_spare_beside_a_gpu(
  gpus, cores, has_spare, machine, monkeypatch
):
  machine('avx512_bf16', gpus)
  monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: set(range(cores)))
  assert devices.has_spare_cores() is has_spare
