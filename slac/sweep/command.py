"""Prints, runs or writes the commands of a sweep."""

import argparse
import sys

from slac import errors
from slac.sweep import checking, hours, launch, plan, tuning


def perform(
  sweep: plan.Sweep, arguments: argparse.Namespace, may_measure: bool
) -> int:
  """Does with a sweep what the flags of `flags.add` say; returns the exit code.

  Everything is loaded and checked before.

  Args:
    sweep: what is trained.
    arguments: the flags.
    may_measure: whether to spend a minute on the hours of what has not run yet.

  Raises:
    UserError: the first fault of a gin file or a setting; 73 if the script
      cannot be written; what `launch.Launcher.run` or `tuning.run` raises.
  """
  commands = plan.commands(
    sweep, arguments.root_dir, arguments.allow_gin_imports
  )
  experiments = checking.experiments(commands)
  if arguments.ray:
    try:
      return tuning.run(sweep, commands, experiments, arguments)
    except KeyboardInterrupt:  # Before the first run, or after the last.
      return 130
  if arguments.slurm:
    script = plan.slurm_script(sweep.name, commands, arguments.jobs)
    with errors.written(arguments.slurm, '--slurm'):
      arguments.slurm.write_text(script, encoding='utf-8')
    print(f'Wrote {arguments.slurm}: an array of {len(commands)} jobs.')
  elif not arguments.run:
    plural = 's' * (len(commands) > 1)
    title = f'# {sweep.title}: {len(commands)} run{plural}'
    print(title, *commands, sep='\n', flush=True)
  root = plan.FOLDER / arguments.root_dir
  try:
    for line in hours.lines(commands, experiments, root, may_measure):
      print(f'# {line}', flush=True)
  except KeyboardInterrupt:
    return 130
  if not arguments.run:
    return 0
  launcher = launch.Launcher(arguments.jobs or 1, root, plan.FOLDER)
  return launcher.run(
    {c.name: [sys.executable, *c.arguments] for c in commands}
  )
