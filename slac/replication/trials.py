"""One trial's returns by environment steps, and the name of its task."""

import dataclasses
import pathlib
import re
from collections.abc import Mapping, Sequence

from slac import errors


@dataclasses.dataclass(frozen=True)
class Trial:
  """The evaluations of one training run."""

  task: str  # 'ball_in_cup catch', or 'Hopper-v4'.
  action_repeat: int
  variance: float | None  # sigma^2 of the decoder; None without a decoder.
  name: str
  returns: Mapping[int, float]  # Average return by environment steps.


def task_name(names: Sequence[str], where: pathlib.Path) -> str:
  """Returns 'domain task' or 'Task-v4', from its words.

  Raises:
    UserError: (65) if it could not name a file.
  """
  for name in names:
    if not re.fullmatch(r'[\w-]+', name, re.ASCII):
      raise errors.UserError(
        f'{where} names a task {errors.short(name)!r}, which is no name of '
        'the DeepMind Control Suite or of Gym; restore the file, or leave it '
        'out.',
        65,
      )
  return ' '.join(names)
