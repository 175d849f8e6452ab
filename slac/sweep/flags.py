"""The flags of a sweep, checked before TensorFlow is loaded."""

import argparse
import contextlib
import io
import math
import pathlib
import tokenize
from collections.abc import Hashable, Iterable

from slac import errors
from slac.cluster import joining
from slac.sweep import draws

_EXAMPLE = "'SlacAgent.model_learning_rate = [1e-4, 3e-4]'"


def add(parser: argparse.ArgumentParser) -> None:
  """Adds the flags that say what becomes of the commands."""
  parser.add_argument(
    '--root_dir',
    default='runs',
    help="where runs are kept, seen from the repository's folder",
  )
  action = parser.add_mutually_exclusive_group()
  action.add_argument(
    '--run', action='store_true', help='run the commands, or continue them'
  )
  action.add_argument(
    '--slurm', type=pathlib.Path, help='write an array script to this file'
  )
  action.add_argument(
    '--ray',
    type=_address,
    metavar='ADDRESS',
    help='run or continue them on the nodes of the Ray cluster at HOST:PORT, '
    'or on this machine: local',
  )
  parser.add_argument(
    '--jobs',
    type=errors.count,
    help='how many at a time: by default one of --run, and of --slurm and '
    '--ray as many as there are resources for',
  )
  parser.add_argument(
    '--cpus', type=_amount, default=1.0, help='of each run by --ray, default 1'
  )
  parser.add_argument(
    '--gpus',
    type=_amount,
    default=0.0,
    help='the same, such as 0.25; default 0',
  )
  parser.add_argument(
    '--storage',
    help='where --ray keeps checkpoints: a folder that all nodes see, or a URI '
    "of pyarrow's file systems; by default ROOT_DIR-ray",
  )
  parser.add_argument(
    '--allow_gin_imports',
    action='store_true',
    help='have the commands let gin files import modules',
  )


def tuned(text: str) -> str | int:
  """Returns the value of the flag --tune: 'asha', or the N of 'random=N'."""
  name, equals, number = text.partition('=')
  if name == 'random' and equals:
    return errors.count(number)
  if text != 'asha':
    raise argparse.ArgumentTypeError(
      f'{errors.short(text)!r} is neither asha nor random=N, such as random=20'
    )
  return text


def _address(text: str) -> str:
  """Returns the value of the flag --ray."""
  if not joining.is_address(text):
    raise argparse.ArgumentTypeError(
      f'{errors.short(text)!r} is neither local nor HOST:PORT, which `ray '
      'start --head` prints'
    )
  return text


def _amount(text: str) -> float:
  with contextlib.suppress(ValueError):
    if 0 <= (value := float(text)) < math.inf:
      return value
  raise argparse.ArgumentTypeError(
    f'{errors.short(text)!r} is no amount, such as 2 or 0.25'
  )


def setting(text: str) -> tuple[str, list[str] | draws.Range]:
  """Returns name and values of the flag --vary, 'NAME = [VALUE, ...]'."""
  name, equals, values = (part.strip() for part in text.partition('='))
  if not equals or not name:
    raise argparse.ArgumentTypeError(
      f"{text!r} is no 'NAME = [VALUE, ...]': write it such as {_EXAMPLE}"
    )
  if found := draws.parse(values):
    return name, found
  items = _items(values.replace('\n', ' '))
  if not items or not all(items):
    raise argparse.ArgumentTypeError(
      f'{text!r} does not give {name} a list of values: write it such as '
      f'{_EXAMPLE}'
    )
  if double := duplicate(items):
    raise argparse.ArgumentTypeError(
      f'{text!r} has {double} twice, which is one run: keep one of them'
    )
  return name, items


def duplicate(items: Iterable[Hashable]) -> Hashable | None:
  """Returns the first item that has come before, or None."""
  seen = set()
  for item in items:
    if item in seen:
      return item
    seen.add(item)
  return None


def _items(text: str) -> list[str] | None:
  """Returns the texts between the commas of a list, or None if it is none.

  They are gin's, which are Python's literals, and references as in [@A, @B()].
  """
  try:
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
  except (tokenize.TokenError, SyntaxError):
    return None
  depth, begin, items = 0, 1, []
  for token in tokens:
    start, end = token.start[1], token.end[1]
    if token.type == tokenize.OP:
      depth += (token.string in '([{') - (token.string in ')]}')
    if depth == 0 or (depth == 1 and token.string == ','):
      items.append(text[begin:start].strip())
      begin = end
    if depth == 0:
      break
  is_broken = any(token.type == tokenize.ERRORTOKEN for token in tokens)
  is_list = text.startswith('[') and text.endswith(']') and end == len(text)
  if is_broken or not is_list:
    return None
  if len(items) > 1 and not items[-1]:  # Python allows a comma at the end.
    items.pop()
  return items
