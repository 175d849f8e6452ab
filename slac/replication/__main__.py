"""Compares runs with the published curves, and says which runs to make.

`python -m slac.replication curves` writes figures, a table and a report;
`python -m slac.replication plan` prints or runs a figure's commands.
"""

import pathlib
import shlex
import sys

from slac import errors
from slac.installation import packages
from slac.replication import experiments

PROGRAM = 'slac.replication'


def parse_arguments():
  """Returns the flags."""
  parser = errors.ArgumentParser(
    prog='python -m slac.replication', description=__doc__
  )
  subparsers = parser.add_subparsers(required=True)
  curves = subparsers.add_parser(
    'curves', help='our curves and the published ones'
  )
  curves.set_defaults(function=lambda arguments: write_curves(arguments))
  curves.add_argument(
    '--runs',
    type=pathlib.Path,
    nargs='+',
    required=True,
    help='folders of runs, or folders that hold such',
  )
  curves.add_argument(
    '--published',
    type=pathlib.Path,
    required=True,
    help="the folder of the authors' CSV files",
  )
  curves.add_argument(
    '--out', type=pathlib.Path, default=pathlib.Path('report')
  )
  curves.add_argument(
    '--variance',
    type=float,
    help="of the decoder, in place of each task's best one",
  )
  planned = subparsers.add_parser('plan', help="a figure's commands")
  planned.set_defaults(function=lambda arguments: make_plan(arguments))
  planned.add_argument(
    '--figure', type=int, choices=list(experiments.FIGURES), required=True
  )
  planned.add_argument(
    '--root_dir',
    default='runs',
    help="where runs are kept, seen from the repository's folder",
  )
  action = planned.add_mutually_exclusive_group()
  action.add_argument(
    '--run', action='store_true', help='run the commands, or continue them'
  )
  action.add_argument(
    '--slurm', type=pathlib.Path, help='write an array script to this file'
  )
  planned.add_argument(
    '--jobs', type=errors.count, default=1, help='how many to --run at a time'
  )
  planned.add_argument(
    '--allow_gin_imports',
    action='store_true',
    help='have the commands let gin files import modules',
  )
  return parser.parse_args()


if __name__ == '__main__':
  packages.start(PROGRAM, parse_arguments)  # What draws takes a second.

from slac.replication import (
  comparison,
  figures,
  launch,
  ours,
  plan,
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
    published.read(arguments.published),
    ours.read(arguments.runs),
    arguments.variance,
  )
  out = arguments.out
  with errors.written(out, '--out'):
    out.mkdir(parents=True, exist_ok=True)
    paths = figures.write(comparisons, out)
    text = table.markdown(comparisons)
    (out / 'table.md').write_text(text, encoding='utf-8')
    command = shlex.join(['python', '-m', 'slac.replication', *sys.argv[1:]])
    page = report.html_page(comparisons, paths, command)
    (out / 'report.html').write_text(page, encoding='utf-8')
  print(f'Wrote {out / "report.html"}, table.md, and {len(paths)} figures.')
  return 0


def make_plan(arguments):
  """Prints, writes or runs the commands; returns the exit code."""
  number = arguments.figure
  figure = experiments.FIGURES[number]
  commands = plan.commands(
    figure, arguments.root_dir, arguments.allow_gin_imports
  )
  if arguments.slurm:
    script = plan.slurm_script(f'slac-figure{number}', commands)
    with errors.written(arguments.slurm, '--slurm'):
      arguments.slurm.write_text(script, encoding='utf-8')
    print(f'Wrote {arguments.slurm}: an array of {len(commands)} jobs.')
    return 0
  if arguments.run:
    launcher = launch.Launcher(
      arguments.jobs,
      plan.FOLDER / arguments.root_dir,
      plan.FOLDER,
    )
    return launcher.run(
      {c.name: [sys.executable, *c.arguments] for c in commands}
    )
  title = f'# Figure {number}, {figure.title}: {len(commands)} runs'
  print(title, *commands, sep='\n')
  return 0


if __name__ == '__main__':
  main()
