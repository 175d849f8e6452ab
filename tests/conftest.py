"""The order of the tests."""

# Of these files each takes minutes.
SLOWEST = ('faults_test', 'train_eval_test')


def pytest_collection_modifyitems(items):
  """Puts the slowest first, so that no process waits for one in the end."""
  items.sort(key=lambda item: item.path.stem not in SLOWEST)
