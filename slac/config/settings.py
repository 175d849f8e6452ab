"""Types of settings, and whether a value from gin fits one of them."""

import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Union

from gin import config as gin_config

from slac import errors


@dataclasses.dataclass(frozen=True)
class Range:
  """The numbers from `low` to `high`, without `low` itself if `above`.

  Of whole numbers, the multiples of `multiple_of` among them.
  """

  low: float
  high: float = 10**12  # Beyond it nothing is meant, and little computed.
  above: bool = False
  multiple_of: int = 1

  def __contains__(self, value: float) -> bool:
    low = value > self.low if self.above else value >= self.low
    fits = self.multiple_of == 1 or value % self.multiple_of == 0
    return low and value <= self.high and fits

  def __str__(self) -> str:
    low = 'above' if self.above else 'of at least'
    high = '' if self.high == Range.high else f' and at most {self.high}'
    step = f', a multiple of {self.multiple_of}' if self.multiple_of > 1 else ''
    return f'{low} {self.low}{high}{step}'


Count = Annotated[int, Range(1)]
WholeNumber = Annotated[int, Range(0)]
NotNegative = Annotated[float, Range(0)]
Positive = Annotated[float, Range(0, above=True)]
Fraction = Annotated[float, Range(0, 1)]
ComputeDtype = Literal['float32', 'bfloat16']
# Height and width of images: four layers of stride 2 halve each of them.
ImageSide = Annotated[int, Range(32, 128, multiple_of=16)]
ImageSize = tuple[ImageSide, ImageSide]


def requirement(value: Any, annotation: Any) -> str | None:
  """Returns what a value that does not fit would have to be; None if it fits.

  Args:
    value: A value from gin, with its macros replaced.
    annotation: The annotation of its parameter. One that is not known here
      allows anything.
  """
  origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
  if Callable in (annotation, origin):
    return _callable_requirement(value, *arguments[1:])
  if isinstance(value, gin_config.ConfigurableReference) and value.evaluate:
    return None  # Its value is known only once it is called.
  is_union = origin in (Union, types.UnionType)
  if is_union and len(arguments) == 2 and type(None) in arguments:
    inner = next(kind for kind in arguments if kind is not type(None))
    needed = None if value is None else requirement(value, inner)
    return needed and f'{needed}, or None'
  if origin in (list, tuple, Sequence) and len(set(arguments) - {...}) == 1:
    if not isinstance(value, (list, tuple)):
      return 'a list'
    if (
      origin is tuple and ... not in arguments and len(value) != len(arguments)
    ):
      return f'a list of {len(arguments)}'
    items = [requirement(item, arguments[0]) for item in value]
    needed = next((item for item in items if item), None)
    return needed and f'a list, each item {needed}'
  if origin is Literal:
    return None if value in arguments else ' or '.join(map(repr, arguments))
  limits = next((x for x in arguments if isinstance(x, Range)), '')
  if origin is Annotated:
    annotation = arguments[0]
  if annotation in (bool, str) and not isinstance(value, annotation):
    return 'True or False' if annotation is bool else 'a string, in quotes'
  if annotation not in (int, float):
    return None
  is_number = isinstance(value, (annotation, int)) and type(value) is not bool
  if is_number and abs(value) < math.inf and (not limits or value in limits):
    return None
  number = 'a whole number' if annotation is int else 'a finite number'
  is_above = is_number and limits and value > limits.high
  return f'at most {limits.high}' if is_above else f'{number} {limits}'.rstrip()


def _callable_requirement(value: Any, kind: Any = object) -> str | None:
  """Returns the `requirement` of a setting that is called to make a `kind`."""
  is_union = typing.get_origin(kind) in (Union, types.UnionType)
  kinds = typing.get_args(kind) if is_union else (kind,)
  if not all(map(_is_base, kinds)):
    kinds = (object,)  # No class derives from what is none itself.
  is_fit = isinstance(value, gin_config.ConfigurableReference)
  made = is_fit and value.configurable.wrapped
  if inspect.isclass(made):
    is_fit = not value.evaluate and issubclass(made, kinds)
    if is_fit and inspect.isabstract(made):
      missing = errors.listed(sorted(made.__abstractmethods__))
      return f'a class that defines {missing}, too'
  elif is_fit and not value.evaluate:  # A function may say what it returns.
    hint = getattr(made, '__annotations__', {}).get('return')
    wide = {Any, *(base for kind in kinds for base in kind.__mro__)}
    is_fit = (
      not inspect.isclass(hint) or hint in wide or issubclass(hint, kinds)
    )
  names = ' or '.join(kind.__name__ for kind in kinds)
  which = '' if object in kinds else f' that makes some {names}'
  return None if is_fit else f'a configurable{which}, written @NAME without ()'


def _is_base(kind: Any) -> bool:
  """Whether a kind is a class that others derive from."""
  is_other = kind in (Any, types.NoneType) or getattr(
    kind, '_is_protocol', False
  )
  return inspect.isclass(kind) and not is_other
