"""The one exception whose message is meant for the user."""

import contextlib
import sys
from collections.abc import Iterator


class UserError(Exception):
  """A fault that the user can mend.

  Its message is one sentence that names the value and the remedy; commands
  print it on one line, without a stack trace, and exit with `exit_code`.
  """

  def __init__(self, message: str, exit_code: int = 78):
    super().__init__(message)
    self.exit_code = exit_code


@contextlib.contextmanager
def reported_by(program: str) -> Iterator[None]:
  """Ends the process with the sentence and exit code of a UserError inside."""
  try:
    yield
  except UserError as error:
    print(f'{program}: {error}', file=sys.stderr)
    sys.exit(error.exit_code)
