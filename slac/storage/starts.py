"""Says whether the code is still that of a run's last start."""

import pathlib

from slac import console
from slac.installation import packages
from slac.storage import run_folder


def warn_of_other_code(folder: pathlib.Path) -> None:
  """Warns if the package's code has changed since a run's last start.

  A run goes on with it: what differs may be a comment, and only who has changed
  it knows.

  Args:
    folder: the run's, in which there may be nothing yet.

  Raises:
    UserError: (74) its version.json is damaged.
  """
  starts = run_folder.read_starts(folder)
  before = starts[-1].get('code') if starts else None
  if before not in (None, packages.digest(['.py'])):
    console.warn(
      f'The code has changed since the last start of {folder}: what it has '
      'learned so far is of the older code; --fresh begins anew.'
    )
