"""Trains all combinations of settings, tasks and seeds: `python -m slac.sweep`.

Prints the commands and the hours that they take on this machine; --run runs
them, --slurm writes them as an array script.
"""

import sys

from slac import errors
from slac.installation import packages
from slac.sweep import flags

PROGRAM = 'slac.sweep'


def parse_arguments():
  """Returns the flags."""
  parser = errors.ArgumentParser(
    prog='python -m slac.sweep', description=__doc__
  )
  parser.add_argument(
    '--tasks',
    nargs='+',
    required=True,
    help='names of gin files in gin/, such as walker, or paths of your own',
  )
  parser.add_argument(
    '--vary',
    type=flags.setting,
    action='append',
    default=[],
    help="'NAME = [VALUE, ...]'; of several, all combinations",
  )
  parser.add_argument(
    '--overlay',
    action='append',
    default=[],
    help='a gin file; each further one overlays those before it',
  )
  parser.add_argument(
    '--seeds', type=errors.count, default=1, help='how many: 0, 1, ...'
  )
  flags.add(parser)
  arguments = parser.parse_args()
  names = [name for name, _ in arguments.vary]
  for flag, items in (
    ('--tasks', arguments.tasks),
    ('--vary', names),
    ('--overlay', arguments.overlay),
  ):
    if double := flags.duplicate(items):
      parser.error(f'{flag} has {double} twice: keep one of them')
  return arguments


if __name__ == '__main__':
  # TensorFlow takes seconds; what is wrong with the command is said before.
  early = packages.start(PROGRAM, parse_arguments)
  with errors.reported_by(PROGRAM):
    from slac.config import bindings
    from slac.sweep import plan

    tasks = [plan.task_file(task) for task in early.tasks]
    bindings.check_files([*tasks, *early.overlay])

from slac.sweep import command, plan


def main():
  """Runs the command line."""
  arguments = parse_arguments()
  sweep = plan.Sweep(
    'slac-sweep',
    'Sweep',
    tuple(arguments.tasks),
    plan.varied(dict(arguments.vary), arguments.overlay),
    arguments.seeds,
  )
  with errors.reported_by(PROGRAM):
    sys.exit(command.perform(sweep, arguments, may_measure=True))


if __name__ == '__main__':
  main()
