"""Faults that the user can mend: one line on stderr and an exit code.

The codes are those of sysexits.h: 64 usage, 65 data, 66 missing file, 69
unavailable, 70 computation, 73 cannot create, 74 input or output, 75 locked, 78
configuration.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import functools
import math
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence

LARGEST_SEED = 2**32 - 1  # Of NumPy.
LISTED = 10  # So many faults of a kind are spelled out; others are counted.


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
    if not os.stat(os.curdir).st_nlink:  # Libraries ask for its name.
      raise UserError('The working directory is gone: go to another one.', 66)
    yield
  except UserError as error:
    print(f'{program}: {message_of(error)}', file=sys.stderr)
    sys.exit(error.exit_code)
  except OSError as error:
    if not error.filename:
      raise
    print(
      f'{program}: {error.filename} cannot be used ({error.strerror}): make it '
      'readable and writable, and start the same command again.',
      file=sys.stderr,
    )
    sys.exit(os.EX_IOERR)


def message_of(error: UserError) -> str:
  """Returns its message, which may quote a text of several lines, on one."""
  lines = [line.strip() for line in str(error).splitlines()]
  return short(' '.join(lines), 5000)


@contextlib.contextmanager
def written(path: pathlib.Path, option: str) -> Iterator[None]:
  """Turns a failure to write what `option` names into a UserError (73)."""
  try:
    yield
  except OSError as error:
    raise UserError(
      f'{path} cannot be written ({error.strerror}); choose another {option}, '
      'in a folder that is there.',
      73,
    ) from error


def check_can_create(path: pathlib.Path, option: str) -> None:
  """Raises a UserError (73) if nothing can be written beside `path`."""
  with written(path, option), tempfile.TemporaryFile(dir=path.parent):
    pass


def check_can_write(path: pathlib.Path, option: str) -> None:
  """Raises a UserError (73) if no file can be written to `path`."""
  with written(path, option):
    if path.is_dir():
      raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
  check_can_create(path, option)


class ArgumentParser(argparse.ArgumentParser):
  """A parser that reports a wrong command line in one line, with exit code 64.

  Python's own would print its usage too, and exit with 2; and it would take
  abbreviations, which records of a command's flags do not know.
  """

  def __init__(self, *args, **kwargs):
    super().__init__(*args, allow_abbrev=False, **kwargs)

  def error(self, message: str):
    """Prints the message and ends the process."""
    message = short(message, 1000)
    self.exit(64, f'{self.prog}: {message}; --help lists the flags.\n')


def count(text: str, low: int = 1, high: float = math.inf) -> int:
  """Returns the value of a flag that takes a whole number in a range."""
  with contextlib.suppress(ValueError):
    if low <= int(text) <= high:
      return int(text)
  limits = f'of at least {low}' if high == math.inf else f'from {low} to {high}'
  fault = f'{short(text)!r} is no whole number {limits}'
  raise argparse.ArgumentTypeError(fault)


whole_number = functools.partial(count, low=0)
seed = functools.partial(whole_number, high=LARGEST_SEED)  # Type of --seed.


def short(text: str, most: int = 100) -> str:
  """Returns a text, without its middle if longer than `most`."""
  half = (most - 3) // 2
  return text if len(text) <= most else f'{text[:half]}...{text[-half:]}'


def listed(items: Sequence[str], separator: str = ', ') -> str:
  """Returns the first items, and how many more there are."""
  shown = [short(item, 500) for item in items[:LISTED]]
  if more := len(items[LISTED:]):
    shown.append(f'and {more:,} more')
  return separator.join(shown) or 'none'


def did_you_mean(
  name: str,
  own: Iterable[str],
  others: Iterable[str] = (),
  cutoff: float = 0.6,
) -> str:
  """Returns ' (did you mean X?)' with the names nearest to `name`, or ''.

  A near name has a similarity of at least `cutoff`, which is 1 for equal names.
  Names in `others` are considered only if none in `own` is near.
  """
  word = name.lower()
  for candidates in (own, others):
    names = {candidate.lower(): candidate for candidate in candidates}
    if nearest := difflib.get_close_matches(word, names, 1, cutoff):
      best = difflib.SequenceMatcher(None, nearest[0], word).ratio()
      near = difflib.get_close_matches(word, names, len(names), best - 0.05)
      near = sorted(names[match] for match in near)
      return f' (did you mean {" or ".join(near[:3])}?)'
  return ''


def did_you_mean_or_all(name: str, own: Iterable[str], *more) -> str:
  """Returns `did_you_mean`, or ' (there are X, Y)' if no name is near."""
  own = sorted(own)
  return did_you_mean(name, own, *more) or f' (there are {listed(own)})'
