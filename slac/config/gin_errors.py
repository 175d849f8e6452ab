"""Gin's exceptions as sentences that name the value and the remedy.

Gin 0.5.0 tells its faults apart by their texts only, so these are matched.
"""

import ast
import contextlib
import inspect
import os
import re
import tokenize
import traceback
import typing
from collections.abc import Iterator
from typing import Any

from gin import config as gin_config

from slac import errors


def annotations(selector: str) -> tuple[dict[str, Any], bool]:
  """Returns the annotations of a configurable's parameters, and if it is open.

  Where a class hands **kwargs to its base, the base's parameters count too; it
  is open, that is, takes any name, where no base puts an end to that.
  """
  wrapped = gin_config._REGISTRY[selector].wrapped
  if not inspect.isclass(wrapped):
    return _annotations(wrapped)
  found = {}
  for cls in wrapped.__mro__:
    if '__init__' not in vars(cls) or cls is object:
      continue
    parameters, is_open = _annotations(cls.__init__)
    found = {**parameters, **found}
    if not is_open:
      return found, False
  return found, True


def _annotations(function: Any) -> tuple[dict[str, Any], bool]:
  """Does the same for one function."""
  parameters = inspect.signature(function).parameters
  found, is_open = {}, False
  try:
    hints = typing.get_type_hints(inspect.unwrap(function), include_extras=True)
  except (AttributeError, NameError, TypeError):
    hints = {}  # A name that is only imported for type checkers, say.
  for name, parameter in parameters.items():
    if parameter.kind is parameter.VAR_KEYWORD:
      is_open = True
    elif parameter.kind is not parameter.VAR_POSITIONAL and name != 'self':
      found[name] = hints.get(name)
  return found, is_open


def describe(error: Exception, source: str) -> str:
  """Returns a clause with the place, the complaint and the remedy.

  Args:
    error: what gin raised at a statement.
    source: the place.
  """
  text = str(error)
  if isinstance(error, tokenize.TokenError):
    return f'{source}: a bracket or a quote is not closed before the end'
  if isinstance(error, SyntaxError):
    return _describe_syntax(error, source)
  if match := re.search(
    r"No configurable matching (?:reference )?'@?(?:\S+/)?(.+?)(?:\(\))?'", text
  ):
    selectors = [selector for selector, _ in gin_config._REGISTRY.items()]
    own = [s.split('.')[-1] for s in selectors if s.startswith('slac')]
    others = [s.split('.')[-1] for s in selectors]
    near = errors.did_you_mean(match[1], own, others)
    near = near or f' (there are {", ".join(sorted(own))})'
    return f'{source}: nothing configurable is named {match[1]}{near}'
  if match := re.search(
    r"Configurable '(.+?)' (?:doesn't|has denylisted) .*?'(\w+)'", text
  ):
    selector = gin_config._REGISTRY.get_match(match[1]).selector
    near = errors.did_you_mean_or_all(match[2], annotations(selector)[0])
    return f'{source}: {match[1]} has no parameter {match[2]}{near}'
  if match := re.search(r"Ambiguous .*'(.+?)', matches (\[.*?\])", text):
    names = ' or '.join(sorted(ast.literal_eval(match[2])))
    return f'{source}: {match[1]} is ambiguous; write {names}'
  return f'{source}: {text.splitlines()[0].rstrip(".")}'


def line_of(error: Exception) -> int | None:
  """Returns the line of a fault in the grammar, where it is known."""
  if isinstance(error, tokenize.TokenError):
    return error.args[1][0]
  return getattr(error, 'lineno', None)


def _describe_syntax(error: SyntaxError, source: str) -> str:
  """Returns a clause for a line that is no gin."""
  if match := re.search(r"Failed to parse token '(.+)'", error.msg):
    return (
      f'{source}: {match[1]} is not a value; a string needs quotes, a '
      'configurable an @, a macro a %'
    )
  line = f' in {error.text.strip()!r}' if error.text else ''
  return f'{source}: {error.msg.rstrip(".")}{line}'


def describe_import(error: Exception, source: str) -> str:
  """Returns a clause for an import that failed, and where it did."""
  frames = traceback.extract_tb(error.__traceback__)
  reason = str(error).split('\n')[0].rstrip('.')
  within = [frame for frame in frames if not frame.filename.startswith('<')][-1]
  if within.name != 'process_import' and not isinstance(error, SyntaxError):
    name = os.path.relpath(within.filename)
    reason = f'{type(error).__name__} in {name}, line {within.lineno}: {reason}'
  return (
    f'{source}: the import failed: {reason} (modules are looked up in the '
    'working directory and in the Python environment)'
  )


@contextlib.contextmanager
def translate_gin_errors() -> Iterator[None]:
  """Turns gin's complaints about missing values into UserErrors.

  To be wrapped around the construction of configurables. UserErrors that come
  out of one lose the lines that gin appends to them.
  """
  try:
    yield
  except errors.UserError as error:
    message = re.split(r'\n  (?:In call to|No values)', str(error))[0]
    raise errors.UserError(message, error.exit_code) from error
  except (RuntimeError, TypeError) as error:
    required = re.match(
      r'Required bindings for `(.+?)` not provided in config: (\[.*\])',
      str(error),
    )
    unbound = re.search(
      r'missing \d+ required .*\n  No values supplied .*?: (\[.*\])\n'
      r"(?:.*\n)*?  In call to configurable '(\w+)'",
      str(error),
    )
    if required:
      selector, names = required[1], required[2]
    elif unbound:
      selector, names = unbound[2], unbound[1]
    else:
      raise
    names = [f'{selector}.{name}' for name in ast.literal_eval(names)]
    raise errors.UserError(
      f'{" and ".join(names)} must be given a value, in a gin file or with '
      f"--gin_param='{names[0]} = ...'."
    ) from error
