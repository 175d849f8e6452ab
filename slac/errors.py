"""The one exception whose message is meant for the user."""


class UserError(Exception):
  """A fault that the user can mend.

  Its message is one sentence that names the value and the remedy; commands
  print it on one line, without a stack trace, and exit with `exit_code`.
  """

  def __init__(self, message: str, exit_code: int = 78):
    super().__init__(message)
    self.exit_code = exit_code
