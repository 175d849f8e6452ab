"""Standard streams that are closed, broken or full.

The command is started by a shell, as users do; it is to train to its end, with
exit code 0, as if nobody had wanted to hear of it.
"""

import pathlib
import shlex
import subprocess

from tests.faults import outcome, results, tiny_runs

NAME = 'streams'
AGENT_STEPS = 100
CASES = (
  *('>&-', '2>&-', '>&- 2>&-', '<&-', '<&- >&- 2>&-', '| head -1'),
  *('2>&1 | head -1', '>/dev/full', '2>/dev/full', '>/dev/full 2>&1'),
)


def survives(root: pathlib.Path) -> bool:
  """Starts a run under `root` for each case; returns if it survived all."""
  row = outcome.Outcome(NAME)
  runs = tiny_runs.TinyRuns(root, AGENT_STEPS)
  straight = runs.finish('straight')
  for number, case in enumerate(CASES):
    name = f'streams-{number}'
    command = f'{shlex.join(runs.command(name))} {case}'
    process = subprocess.run(
      ['bash', '-o', 'pipefail', '-c', command],
      cwd=tiny_runs.REPOSITORY,
      timeout=tiny_runs.SECONDS,
      capture_output=True,
      text=True,
    )
    row.add(case, 'trained to the end', _fault(process, runs, name, straight))
  return row.report()


def _fault(process, runs, name, straight):
  """Returns what is not as it should be after a process, or ''."""
  if process.returncode:
    lines = process.stderr.strip().splitlines()
    return f'exit code {process.returncode} {lines[-1:]}'
  return results.faults(runs.folder_of(name), straight)
