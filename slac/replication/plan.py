"""The train_eval.py commands of a figure, and a SLURM script of them."""

import dataclasses
import pathlib
import shlex

from slac import errors
from slac.config import bindings
from slac.installation import packages
from slac.replication import experiments
from slac.storage import run_folder

# Where commands run: in the repository, or wherever an installed package is
# asked for them.
FOLDER = pathlib.Path.cwd() if packages.IS_INSTALLED else bindings.ROOT


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
    return run_folder.run_name(self.gin_files, self.gin_params, self.seed)

  def __str__(self) -> str:
    """Returns the line that a shell runs."""
    return shlex.join(['python', *self.arguments])


def commands(
  figure: experiments.Figure, root_dir: str, allow_gin_imports: bool = False
) -> list[Command]:
  """Returns the runs of a figure, all variants of the first seed first.

  Raises:
    UserError: (66) if a gin file is not there.
  """
  found = [
    Command(
      (f'gin/{task}.gin', *gin_files),
      gin_params,
      seed,
      root_dir,
      allow_gin_imports,
    )
    for seed in range(figure.seeds)
    for task in figure.tasks
    for gin_files, gin_params in figure.variants.values()
  ]
  for path in dict.fromkeys(path for c in found for path in c.gin_files):
    if not (bindings.ROOT / path).is_file():
      raise errors.UserError(
        f'The figure needs {path}, which {bindings.ROOT} does not have; '
        'choose another --figure, or a version of the project that has it.',
        66,
      )
  return found


def slurm_script(name: str, lines: list[Command]) -> str:
  """Returns an array script with a job for each command.

  SLURM's SIGTERM reaches the training run itself, which saves; the same script
  again continues what is not finished.
  """
  text = '\n'.join(str(line) for line in lines)
  return f"""#!/bin/bash
# The same script again continues the runs. Add what the cluster asks for:
#   sbatch --partition=NAME --gpus=1 --cpus-per-task=4 --time=24:00:00 FILE
#SBATCH --job-name={name}
#SBATCH --array=0-{len(lines) - 1}
#SBATCH --signal=B:TERM@300
set -euo pipefail
cd {shlex.quote(str(FOLDER))}
mapfile -t commands <<'COMMANDS'
{text}
COMMANDS
eval "exec ${{commands[$SLURM_ARRAY_TASK_ID]}}"
"""
