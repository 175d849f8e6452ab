"""The train_eval.py commands of a sweep, and a SLURM script of them."""

import dataclasses
import itertools
import pathlib
import re
import shlex
from collections.abc import Mapping, Sequence

from slac import errors
from slac.config import bindings
from slac.installation import packages
from slac.storage import names
from slac.sweep import draws

# Where commands run: in the repository, or wherever an installed package is
# asked for them.
FOLDER = pathlib.Path.cwd() if packages.IS_INSTALLED else bindings.ROOT


@dataclasses.dataclass(frozen=True)
class Variant:
  """What a variant of the method adds to the command of a task."""

  gin_files: tuple[str, ...] = ()
  gin_params: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Sweep:
  """Each variant on each task, with seeds 0 to `seeds` - 1."""

  name: str  # Of the jobs.
  title: str
  tasks: tuple[str, ...]  # As `task_file` takes them.
  variants: tuple[Variant, ...]
  seeds: int


@dataclasses.dataclass(frozen=True)
class Command:
  """One training run, as train_eval is told of it."""

  gin_files: tuple[str, ...]
  gin_params: tuple[str, ...]
  seed: int
  root_dir: str
  allow_gin_imports: bool = False

  @property
  def arguments(self) -> list[str]:
    """The words after `python`, in the folder `FOLDER`."""
    return [
      *(['-m', 'train_eval'] if packages.IS_INSTALLED else ['train_eval.py']),
      *(f'--gin_file={path}' for path in self.gin_files),
      *(f'--gin_param={param}' for param in self.gin_params),
      f'--seed={self.seed}',
      f'--root_dir={self.root_dir}',
      *(['--allow_gin_imports'] if self.allow_gin_imports else []),
    ]

  @property
  def name(self) -> str:
    """The name of the run's folder in `root_dir`."""
    root_dir = str(FOLDER / self.root_dir)
    return names.run_name(self.gin_files, self.gin_params, self.seed, root_dir)

  def __str__(self) -> str:
    """Returns the line that a shell runs."""
    return shlex.join(['python', *self.arguments])


def varied(
  settings: Mapping[str, Sequence[str]], gin_files: Sequence[str] = ()
) -> tuple[Variant, ...]:
  """Returns a variant for each combination of values.

  Args:
    settings: the texts of the values that each setting is given.
    gin_files: overlays that all of them have.
  """
  choices = [
    [f'{name} = {value}' for value in values]
    for name, values in settings.items()
  ]
  return tuple(
    Variant(tuple(gin_files), chosen) for chosen in itertools.product(*choices)
  )


def drawn(
  settings: Mapping[str, draws.Range | Sequence[str]],
  number: int,
  gin_files: Sequence[str] = (),
) -> tuple[Variant, ...]:
  """Returns a variant for each of `number` combinations that are drawn."""
  chosen = draws.draw(settings, number)
  return tuple(Variant(tuple(gin_files), params) for params in chosen)


def tasks() -> list[str]:
  """Returns the names of the tasks that have a gin file.

  Such a file includes the defaults, which overlays do not, and sets the action
  repeat, which they leave to it.
  """
  texts = {
    path.stem: path.read_text(encoding='utf-8')
    for path in (bindings.ROOT / 'gin').glob('*.gin')
  }
  is_task = re.compile(r'^include .*^ACTION_REPEAT =', re.M | re.S).search
  return sorted(name for name, text in texts.items() if is_task(text))


def task_file(name: str) -> str:
  """Returns the gin file of a task, which may be named by its path.

  Raises:
    UserError: (66) if there is no task of this name.
  """
  if name.endswith('.gin'):
    return name
  if name not in (there := tasks()):
    raise errors.UserError(
      f'There is no task {name}{errors.did_you_mean_or_all(name, there)}; name '
      'one of gin/, or the path of a gin file of your own.',
      66,
    )
  return f'gin/{name}.gin'


def commands(
  sweep: Sweep, root_dir: str, allow_gin_imports: bool = False
) -> list[Command]:
  """Returns the runs of a sweep, all variants of the first seed first.

  Raises:
    UserError: (66) if there is no such task.
  """
  return [
    Command(
      (task, *variant.gin_files),
      variant.gin_params,
      seed,
      root_dir,
      allow_gin_imports,
    )
    for seed in range(sweep.seeds)
    for task in map(task_file, sweep.tasks)
    for variant in sweep.variants
  ]


def slurm_script(
  name: str, lines: list[Command], jobs: int | None = None
) -> str:
  """Returns an array script with a job for each command.

  SLURM's SIGTERM reaches the training run itself, which saves; the same script
  again continues what is not finished.

  Args:
    name: of the jobs.
    lines: the commands.
    jobs: how many run at a time, by default as many as SLURM has room for.
  """
  most = f'%{jobs}' if jobs else ''
  text = '\n'.join(str(line) for line in lines)
  return f"""#!/bin/bash
# The same script again continues the runs. Add what the cluster asks for:
#   sbatch --partition=NAME --gpus=1 --cpus-per-task=4 --time=24:00:00 FILE
#SBATCH --job-name={name}
#SBATCH --array=0-{len(lines) - 1}{most}
#SBATCH --signal=B:TERM@300
set -euo pipefail
cd {shlex.quote(str(FOLDER))}
mapfile -t commands <<'COMMANDS'
{text}
COMMANDS
eval "exec ${{commands[$SLURM_ARRAY_TASK_ID]}}"
"""
