"""Has the flags of train_eval.py, checked before TensorFlow is loaded."""

import argparse

from slac import errors


def parse(description: str) -> argparse.Namespace:
  """Returns the flags.

  Args:
    description: what --help says first.
  """
  parser = errors.ArgumentParser(description=description)
  parser.add_argument(
    '--gin_file',
    action='append',
    required=True,
    help='a task; each further file overlays those before it',
  )
  parser.add_argument(
    '--gin_param',
    action='append',
    default=[],
    help="one binding, such as 'SlacAgent.model_batch_size = 16'",
  )
  parser.add_argument(
    '--allow_gin_imports',
    action='store_true',
    help='let gin files import modules, and so run their code',
  )
  parser.add_argument('--root_dir', default='runs', help='where runs are kept')
  parser.add_argument('--name', help="the run's folder, in place of its own")
  parser.add_argument('--seed', type=errors.seed, default=0)
  parser.add_argument(
    '--fresh',
    action='store_true',
    help='begin anew in a new folder, whatever is there',
  )
  parser.add_argument(
    '--init_from',
    metavar='RUN',
    help="begin with parts of another run's agent; RUN is its folder",
  )
  parser.add_argument(
    '--init_parts',
    nargs='+',
    metavar='PART',
    help='which: model (the default), actor, critics',
  )
  arguments = parser.parse_args()
  if arguments.init_parts and arguments.init_from is None:
    parser.error('--init_parts are those of a run: name it with --init_from')
  arguments.init_parts = sorted(set(arguments.init_parts or ['model']))
  return arguments
