"""One trial's returns by environment steps, and the name of its task."""

import dataclasses
import pathlib
import re
from collections.abc import Mapping, Sequence

from slac import errors


@dataclasses.dataclass(frozen=True)
class Trial:
  """The evaluations of one training run."""

  task: str  # 'ball_in_cup catch', 'Hopper-v4', or 'reach.Reach' of one's own.
  action_repeat: int
  variance: float | None  # sigma^2 of the decoder; None without a decoder.
  name: str
  returns: Mapping[int, float]  # Average return by environment steps.


def task_name(names: Sequence[str], where: pathlib.Path) -> str:
  """Returns 'domain task', 'Task-v4' or 'module.Environment', from its words.

  Raises:
    UserError: (65) if no task can be called that.
  """
  for name in names:
    if not re.fullmatch(r'\w[\w:./-]*', name):
      raise errors.UserError(
        f'{where} names a task {errors.short(name)!r}, as none can be called; '
        'restore the file, or leave it out.',
        65,
      )
  return ' '.join(names)
