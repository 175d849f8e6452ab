"""Trains all combinations of settings, tasks and seeds: `python -m slac.sweep`.

Prints the commands and the hours that they take on this machine; --run runs
them, --ray has a cluster run them, --slurm writes them as an array script.
"""

import sys

from slac import errors
from slac.installation import packages
from slac.sweep import draws, flags

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
    help="'NAME = [VALUE, ...]'; of several, all combinations; for --tune "
    "random=N also 'NAME = loguniform(LOW, HIGH)' or uniform(LOW, HIGH)",
  )
  parser.add_argument(
    '--tune',
    type=flags.tuned,
    action='append',
    default=[],
    help='random=N: N combinations of --vary, drawn; asha: by --ray, stop '
    'early what is worse than others',
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
  _check_tuned(parser, arguments)
  return arguments


def _check_tuned(parser, arguments):
  number = _number(arguments)
  for name, values in arguments.vary:
    if not number and isinstance(values, draws.Range):
      parser.error(f'{name} has a range: add --tune random=N')
  if number and not arguments.vary:
    parser.error('--tune random=N draws from --vary: name the settings')
  if 'asha' in arguments.tune and not arguments.ray:
    parser.error('--tune asha is of --ray: add an address, or local')
  if 'asha' in arguments.tune and len(arguments.tasks) > 1:
    parser.error(
      '--tune asha compares returns, which are of one task: name one'
    )


def _number(arguments):
  """Returns the N of --tune random=N, or None."""
  return next((item for item in arguments.tune if item != 'asha'), None)


if __name__ == '__main__':
  # TensorFlow takes seconds; what is wrong with the command is said before.
  early = packages.start(PROGRAM, parse_arguments)
  with errors.reported_by(PROGRAM):
    from slac.cluster import joining
    from slac.config import bindings
    from slac.sweep import place, plan

    tasks = [plan.task_file(task) for task in early.tasks]
    bindings.check_files([*tasks, *early.overlay])
    if early.ray:
      joining.check(place.of(early))

from slac.sweep import command, plan


def main():
  """Runs the command line."""
  arguments = parse_arguments()
  varied = dict(arguments.vary)
  with errors.reported_by(PROGRAM):
    if number := _number(arguments):
      variants = plan.drawn(varied, number, arguments.overlay)
    else:
      variants = plan.varied(varied, arguments.overlay)
    sweep = plan.Sweep(
      'slac-sweep',
      'Sweep',
      tuple(arguments.tasks),
      variants,
      arguments.seeds,
    )
    sys.exit(command.perform(sweep, arguments, may_measure=True))


if __name__ == '__main__':
  main()
