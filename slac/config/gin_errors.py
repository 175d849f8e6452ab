"""Gin's exceptions as sentences that name the value and the remedy.

Gin 0.5.0 raises the same types for all faults, so their texts are matched.
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

from slac import errors
from slac.config import gin_internals

# Gin's words on parameters without a value: on those whose default is
# gin.REQUIRED, and on those that have no default.
_REQUIRED = re.compile(
  r'Required bindings for `(?P<selector>.+?)` not provided in config: '
  r'(?P<parameters>\[.*\])'
)
_UNBOUND = re.compile(
  r'missing \d+ required .*\n  No values supplied .*?: (?P<parameters>\[.*\])\n'
  r"(?:.*\n)*?  In call to configurable '(?P<selector>\w+)'"
)
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def annotations(selector: str) -> tuple[dict[str, Any], bool]:
  """Returns the annotations of a configurable's parameters, by their names.

  Where a class hands **kwargs to its base, the base's parameters count too. The
  second result says whether the configurable takes any name, as one does that
  hands **kwargs to no known base.
  """
  wrapped = gin_internals.registry()[selector].wrapped
  functions = [wrapped]
  if inspect.isclass(wrapped):
    classes = [cls for cls in wrapped.__mro__[:-1] if '__init__' in vars(cls)]
    functions = [cls.__init__ for cls in classes]
  found = {}
  for function in functions:
    parameters = inspect.signature(function).parameters
    try:
      unwrapped = inspect.unwrap(function)
      hints = typing.get_type_hints(unwrapped, include_extras=True)
    except (AttributeError, NameError, TypeError):
      hints = {}  # Some names may be imported for type checkers only.
    kinds = {name: parameter.kind for name, parameter in parameters.items()}
    for name, kind in kinds.items():
      if name != 'self' and kind not in _VARIABLE:
        found.setdefault(name, hints.get(name))
    if inspect.Parameter.VAR_KEYWORD not in kinds.values():
      return found, False
  return found, True


def statement_fault(error: Exception) -> str:
  """Returns what is wrong with a statement, and the remedy, as a clause.

  Args:
    error: The exception that gin raised at the statement.
  """
  text = str(error)
  if isinstance(error, tokenize.TokenError):
    return 'a bracket or a quote is not closed before the end'
  if isinstance(error, SyntaxError):
    if match := re.search(r"Failed to parse token '(.+)'", error.msg):
      return (
        f'{errors.short(match[1])} is not a value; a string needs quotes, a '
        'configurable an @, a macro a %'
      )
    line = f' in {errors.short(error.text.strip())!r}' if error.text else ''
    return f'{error.msg.rstrip(".")}{line}'
  if match := re.search(
    r"No configurable matching (?:reference )?'@?(?:\S+/)?(.+?)(?:\(\))?'", text
  ):
    selectors = [selector for selector, _ in gin_internals.registry().items()]
    own = [s.split('.')[-1] for s in selectors if s.startswith('slac')]
    others = [s.split('.')[-1] for s in selectors]
    near = errors.did_you_mean_or_all(match[1], own, others)
    return f'nothing configurable is named {match[1]}{near}'
  if match := re.search(
    r"Configurable '(.+?)' (?:doesn't|has denylisted) .*?'(\w+)'", text
  ):
    selector = gin_internals.registry().get_match(match[1]).selector
    near = errors.did_you_mean_or_all(match[2], annotations(selector)[0])
    return f'{match[1]} has no parameter {match[2]}{near}'
  if match := re.search(r"Ambiguous .*'(.+?)', matches (\[.*?\])", text):
    names = ' or '.join(sorted(ast.literal_eval(match[2])))
    return f'{match[1]} is ambiguous; write {names}'
  return text.splitlines()[0].rstrip('.')


def line_of(error: Exception) -> int | None:
  """Returns the line that broke the grammar, if the exception knows it."""
  if isinstance(error, tokenize.TokenError):
    return error.args[1][0]
  return getattr(error, 'lineno', None)


def import_fault(error: BaseException) -> str:
  """Returns why an import failed, as a clause."""
  frames = traceback.extract_tb(error.__traceback__)
  reason = str(error).split('\n')[0].rstrip('.')
  within = [frame for frame in frames if not frame.filename.startswith('<')][-1]
  if within.name != 'process_import' and not isinstance(error, SyntaxError):
    name = os.path.relpath(within.filename)
    reason = f'{type(error).__name__} in {name}, line {within.lineno}: {reason}'
  return (
    f'the import failed: {reason} (modules are looked up in the working '
    'directory and in the Python environment)'
  )


@contextlib.contextmanager
def translate_gin_errors() -> Iterator[None]:
  """Turns gin's complaints about missing values into UserErrors.

  Configurables are to be constructed inside this context. A UserError that one
  of them raises loses the lines that gin appends to it.
  """
  try:
    yield
  except errors.UserError as error:
    message = re.split(r'\n  (?:In call to|No values)', str(error))[0]
    if message == str(error):
      raise
    raise errors.UserError(message, error.exit_code) from error
  except (RuntimeError, TypeError) as error:
    match = _REQUIRED.match(str(error)) or _UNBOUND.search(str(error))
    if not match:
      raise
    parameters = ast.literal_eval(match['parameters'])
    names = [f'{match["selector"]}.{parameter}' for parameter in parameters]
    raise errors.UserError(
      f'{" and ".join(names)} must be given a value, in a gin file or with '
      f"--gin_param='{names[0]} = ...'."
    ) from error
