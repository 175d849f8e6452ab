"""Draws runs, over the published curves if given; says which runs to make.

`python -m slac.replication curves` writes figures, a table and a report;
`python -m slac.replication plan` prints or runs a figure's commands.
"""

import pathlib
import shlex
import sys

from slac import errors
from slac.installation import packages
from slac.replication import experiments
from slac.sweep import flags

PROGRAM = 'slac.replication'


def parse_arguments():
  """Returns the flags."""
  parser = errors.ArgumentParser(
    prog='python -m slac.replication', description=__doc__
  )
  subparsers = parser.add_subparsers(required=True)
  curves = subparsers.add_parser(
    'curves', help='our curves, and the published ones if given'
  )
  curves.set_defaults(function=lambda arguments: write_curves(arguments))
  curves.add_argument(
    '--runs',
    type=pathlib.Path,
    nargs='+',
    default=[pathlib.Path('runs')],
    help='folders of runs, or folders that hold such (default runs)',
  )
  curves.add_argument(
    '--published',
    type=pathlib.Path,
    help="the folder of the authors' CSV files, to compare with",
  )
  curves.add_argument(
    '--out', type=pathlib.Path, default=pathlib.Path('report')
  )
  curves.add_argument(
    '--variance',
    type=float,
    help="of the decoder, in place of each task's best published one",
  )
  planned = subparsers.add_parser('plan', help="a figure's commands")
  planned.set_defaults(function=lambda arguments: make_plan(arguments))
  planned.add_argument(
    '--figure', choices=list(experiments.FIGURES), required=True
  )
  flags.add(planned)
  planned.set_defaults(tune=[])
  return parser.parse_args()


if __name__ == '__main__':
  packages.start(PROGRAM, parse_arguments)  # What draws takes a second.

from slac.replication import (
  aggregate,
  comparison,
  figures,
  ours,
  published,
  report,
  table,
)


def main():
  """Runs the command line."""
  arguments = parse_arguments()
  with errors.reported_by(PROGRAM):
    sys.exit(arguments.function(arguments))


def write_curves(arguments):
  """Writes figures, table and report; returns the exit code."""
  comparisons = comparison.compare(
    published.read(arguments.published) if arguments.published else [],
    ours.read(arguments.runs),
    arguments.variance,
  )
  over_tasks = aggregate.over_tasks(comparisons)
  out = arguments.out
  with errors.written(out, '--out'):
    out.mkdir(parents=True, exist_ok=True)
    paths = figures.write(comparisons, over_tasks, out)
  text = table.markdown(comparisons, over_tasks)
  command = shlex.join(['python', '-m', 'slac.replication', *sys.argv[1:]])
  # It reads runs' folders, whose faults are none of --out.
  page = report.html_page(comparisons, over_tasks, paths, command)
  with errors.written(out, '--out'):
    (out / 'table.md').write_text(text, encoding='utf-8')
    (out / 'report.html').write_text(page, encoding='utf-8')
  print(f'Wrote {out / "report.html"}, table.md, and {len(paths)} figures.')
  return 0


def make_plan(arguments):
  """Prints, writes or runs the commands; returns the exit code."""
  if arguments.ray:
    from slac.cluster import joining
    from slac.sweep import place

    joining.check(place.of(arguments))
  from slac.sweep import command  # With TensorFlow, which curves do not need.

  figure = experiments.FIGURES[arguments.figure]
  # There are up to a dozen sizes to measure, a minute each.
  return command.perform(figure, arguments, may_measure=False)


if __name__ == '__main__':
  main()
