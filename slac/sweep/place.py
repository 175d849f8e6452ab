"""Says where the flags have Ray run a sweep."""

import argparse
import pathlib

from slac.cluster import joining
from slac.sweep import plan


def of(arguments: argparse.Namespace) -> joining.Place:
  """Returns the cluster, what a run takes of its nodes, and the storage.

  Args:
    arguments: the flags of `flags.add`.
  """
  root = plan.FOLDER / arguments.root_dir
  needs = {'CPU': arguments.cpus, 'GPU': arguments.gpus}
  return joining.Place(
    asked='--ray',
    address=arguments.ray,
    who='A run',
    needs={name: value for name, value in needs.items() if value},
    remedy='ask for less with --cpus and --gpus, or begin a larger node',
    # Not among the runs, of which TensorBoard would show each twice.
    storage=uri(arguments.storage or f'{root}-ray'),
  )


def uri(storage: str) -> str:
  """Returns the URI of the flag --storage, which may be a folder."""
  return (
    storage if '://' in storage else pathlib.Path(storage).absolute().as_uri()
  )
