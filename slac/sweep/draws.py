"""Draws settings from ranges, for a random search."""

import argparse
import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from slac import errors

_DIGITS = 4  # Of a number that is drawn; more from a narrow range.
_MOST_MISSES = 100_000  # Draws in a row that bring nothing new.
_RANGE = re.compile(r'(log)?uniform\(([^,]+),([^,]+)\)')


@dataclasses.dataclass(frozen=True)
class Range:
  """Numbers between two, each as likely, or each of their logarithms."""

  low: float
  high: float
  is_log: bool

  def draw(self, random: np.random.Generator) -> str:
    """Returns a number, as a text of few digits."""
    if self.is_log:
      value = math.exp(random.uniform(math.log(self.low), math.log(self.high)))
    else:
      value = random.uniform(self.low, self.high)
    largest = max(abs(self.low), abs(self.high))
    more = max(0, round(math.log10(largest / (self.high - self.low))))
    text = f'{value:.{_DIGITS + more}g}'
    is_inside = self.low <= float(text) <= self.high
    return text if is_inside else repr(value)


def parse(text: str) -> Range | None:
  """Returns the range of 'uniform(A, B)' or 'loguniform(A, B)'; else None.

  Raises:
    ArgumentTypeError: it is one, but of no numbers that one could draw between.
  """
  if not (match := _RANGE.fullmatch(text)):
    return None
  try:
    found = Range(float(match[2]), float(match[3]), bool(match[1]))
  except ValueError:
    found = Range(math.nan, math.nan, False)
  first = 0 if found.is_log else -math.inf
  if not first < found.low < found.high < math.inf:
    above = ' above 0' if match[1] else ''
    raise argparse.ArgumentTypeError(
      f'{errors.short(text)!r} has no two numbers{above}, the second larger: '
      'write it such as loguniform(1e-5, 1e-3)'
    )
  return found


def draw(
  settings: Mapping[str, Range | Sequence[str]], number: int
) -> list[tuple[str, ...]]:
  """Returns combinations as texts 'NAME = VALUE', the same at each call.

  They are fewer than `number` where there are no more.

  Args:
    settings: the range, or the texts of the values, of each.
    number: how many to draw.

  Raises:
    UserError: (64) ranges are so narrow that there are no more.
  """
  random = np.random.default_rng(0)
  values = list(settings.values())
  if not any(isinstance(value, Range) for value in values):
    number = min(number, math.prod(map(len, values)))
  found: dict[tuple[str, ...], None] = {}
  misses = 0
  while len(found) < number:
    drawn = (
      item.draw(random) if isinstance(item, Range) else str(random.choice(item))
      for item in values
    )
    pairs = zip(settings, drawn, strict=True)
    texts = tuple(f'{name} = {value}' for name, value in pairs)
    misses = misses + 1 if texts in found else 0
    if misses == _MOST_MISSES:
      raise errors.UserError(
        f'--tune random={number} finds {len(found)} combinations of --vary and '
        'no more: ask for as many at most, or widen a range.',
        64,
      )
    found[texts] = None
  return list(found)
