"""Which tests are run, in which order, and what is imported first."""

import gc
import os

import pytest

import slac  # noqa: F401  # Before any test imports TensorFlow.

# Mesa draws in the thread that asks for it: two processes fill two cores.
os.environ['LP_NUM_THREADS'] = '0'

# Looking for garbage among graphs, which stay, took a tenth of the time.
gc.set_threshold(100_000, 50, 100)

# Of these files each takes minutes, or most of the inner loop's time.
SLOWEST = (
  'faults_test',
  'train_eval_test',
  'tuning_test',
  'gin_files_test',
  'package_test',
  'slac_agent_test',
)


def pytest_configure(config):
  """Has `pytest` leave out the long ones, unless it is told what to run."""
  is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
  if is_whole and not config.option.markexpr and not config.option.keyword:
    config.option.markexpr = 'not long'


def pytest_collection_modifyitems(items):
  """Puts the slowest first, so that no process waits for one in the end."""
  items.sort(key=lambda item: item.path.stem not in SLOWEST)
