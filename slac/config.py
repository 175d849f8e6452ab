"""Gin configuration: loading, checking and the resolved form of a run.

Gin accepts a batch size of 'abc' and a binding that nobody reads, and meets a
misspelt name with a stack trace. Here each of these is one sentence: `load` is
about names, `check` about values, `check_all_used` about bindings without an
effect, and `translate_gin_errors` about values that nobody gave.

Included files hold defaults, which a run need not read: a model of the user's
own has no use for another one's sizes. What the files and parameters of the
command line bind themselves must have an effect.
"""

import math
import os
import pathlib
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union

import gin
from gin import config as gin_config
from gin import config_parser

from slac import errors, gin_errors, settings

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent

did_you_mean = gin_errors.did_you_mean
translate_gin_errors = gin_errors.translate_gin_errors

gin.add_config_file_search_path(str(REPOSITORY))

Key = tuple[str, str, str]  # Scope, complete selector, parameter.
# What `check_all_used` is about; like gin's own bindings, one for the process.
_named: set[Key] = set()


def load(gin_files: Sequence[str], gin_params: Sequence[str] = ()) -> None:
  """Replaces gin's bindings by those of files, in order, then of parameters.

  A path is looked up from the working directory, then from the repository's
  root; so is `include 'gin/slac.gin'` inside a file. A file may `import` a
  module of the working directory.

  Raises:
    UserError: 66 for a missing file, 78 for a fault in one or in a parameter.
  """
  if os.getcwd() not in sys.path:
    sys.path.append(os.getcwd())
  gin.clear_config()
  _named.clear()
  for path in gin_files:
    text = _read(path)
    with gin_errors.one_sentence(path):
      gin.parse_config_file(path)
    _named.update(_own_keys(text))
  for param in gin_params:
    with gin_errors.one_sentence(f'--gin_param="{param}"'):
      gin.parse_config(param)
    _named.update(_own_keys(param))


def load_resolved(resolved: Mapping[str, str]) -> None:
  """Replaces gin's bindings by those that `resolved` returned for some run."""
  imports = [line for line in resolved.get('import', '').split('; ') if line]
  bindings = [f'{key} = {v}' for key, v in resolved.items() if key != 'import']
  load([], imports + bindings)
  _named.clear()  # Defaults that the run did not read are among them.


def resolved() -> dict[str, str]:
  """Returns each binding's name and literal text, sorted, macros resolved.

  The import statements of gin files, if any, stand under 'import'.
  """
  texts = {
    _name(*key): repr(_resolve(value))
    for key, value in _bindings()
    if not _is_macro(key)
  }
  imports = sorted(statement.format() for statement in gin_config._IMPORTS)
  if imports:
    texts['import'] = '; '.join(imports)
  return dict(sorted(texts.items()))


def check() -> None:
  """Raises a UserError that lists every binding with an unsuitable value.

  Checked are parameters annotated with int, float, bool, str, a type of
  `settings`, or an Optional or a sequence of one of these.
  """
  faults = []
  for key, value in _bindings():
    if not _is_macro(key) and (fault := _fault(key[1], key[2], value)):
      faults.append(f'{_name(*key)} = {_text(value)}: {fault}')
  if faults:
    raise errors.UserError('; '.join(faults) + '.')


def check_all_used() -> None:
  """Raises a UserError if a binding or a macro has had no effect.

  Only those count that the files and parameters given to `load` bind
  themselves, not those of included files. To be called when everything
  configurable has been constructed.
  """
  bindings, used, names = dict(_bindings()), set(), set()
  for (scope, selector), parameters in gin_config._OPERATIVE_CONFIG.items():
    names.update(_name('', selector, parameter) for parameter in parameters)
    # Of the scopes around a call, the innermost that binds a value counts.
    parts = scope.split('/') if scope else []
    scopes = ['/'.join(parts[:n]) for n in range(len(parts), -1, -1)]
    for parameter in parameters:
      keys = [(scope, selector, parameter) for scope in scopes]
      used.update([key for key in keys if key in bindings][:1])
  macros = {
    '/'.join(reference.scopes)
    for reference in gin_config.iterate_references(gin_config._CONFIG)
    if reference.configurable.selector == 'gin.macro'
  }
  faults = []
  for key in (key for key in bindings if key in _named):
    if _is_macro(key) and key[0] not in macros:
      near = did_you_mean(key[0], macros)
      faults.append(f'nothing refers to the macro {key[0]}{near}')
    elif not _is_macro(key) and key not in used:
      name = _name(*key)
      near = did_you_mean(name, names - {name}, cutoff=0.85)
      faults.append(f'nothing in this run reads {name}{near}')
  if faults:
    raise errors.UserError(f'Without effect: {"; ".join(faults)}.')


def _read(path: str, including: tuple[str, ...] = ()) -> str:
  """Returns a gin file's text, or raises a UserError.

  That of its includes too: gin itself dies of a missing file with an
  AttributeError on Python 3.11.
  """
  where = f' (included by {including[-1]})' if including else ''
  if path in including:
    raise errors.UserError(f'The gin file {path} includes itself{where}.')
  places = [pathlib.Path(base, path) for base in (os.curdir, REPOSITORY)]
  found = next((place for place in places if place.is_file()), None)
  if not found:
    folder = os.path.dirname(path)
    files = {p.name for place in places for p in place.parent.glob('*.gin')}
    hint = did_you_mean(os.path.basename(path), files)
    if files and not hint:
      hint = f' ({folder or "that folder"} has {", ".join(sorted(files))})'
    raise errors.UserError(f'There is no gin file {path}{where}{hint}.', 66)
  try:
    text = found.read_text(encoding='utf-8')
  except (OSError, UnicodeDecodeError) as error:
    message = f'The gin file {path}{where} cannot be read: {error}.'
    raise errors.UserError(message, 66) from error
  for match in re.finditer(r'^\s*include\s+([\'"])(.+?)\1', text, re.MULTILINE):
    _read(match[2], (*including, path))
  return text


def _own_keys(text: str) -> Iterator[Key]:
  """Yields what a text of gin statements binds itself, not in its includes.

  Gin must have parsed it before, so that all it names is known.
  """
  for statement in config_parser.ConfigParser(
    text, gin_config.ParserDelegate()
  ):
    if isinstance(statement, config_parser.BindingStatement):
      scope, selector, parameter, *_ = statement
      if parameter:
        selector = gin_config._REGISTRY.get_match(selector).selector
        yield scope, selector, parameter
      else:
        name = f'{scope}/{selector}' if scope else selector
        yield name, 'gin.macro', 'value'


def _bindings() -> Iterator[tuple[Key, Any]]:
  """Yields the key and the value of each binding; macros are bindings too."""
  for (scope, selector), parameters in gin_config._CONFIG.items():
    for parameter, value in parameters.items():
      yield (scope, selector, parameter), value


def _is_macro(key: Key) -> bool:
  return key[1] == 'gin.macro'


def _name(scope: str, selector: str, parameter: str) -> str:
  """Returns a binding's name as a user writes it."""
  minimal = gin_config._REGISTRY.minimal_selector(selector)
  return f'{scope}/{minimal}.{parameter}' if scope else f'{minimal}.{parameter}'


def _resolve(value: Any, above: tuple[str, ...] = ()) -> Any:
  """Returns a value with the macros and constants inside it replaced."""
  if isinstance(value, (list, tuple)):
    return type(value)(_resolve(item, above) for item in value)
  if isinstance(value, dict):
    return {key: _resolve(item, above) for key, item in value.items()}
  if not isinstance(value, gin_config.ConfigurableReference):
    return value
  selector, name = value.configurable.selector, '/'.join(value.scopes)
  if selector == 'gin.constant':
    return value.scoped_configurable_fn()
  if selector != 'gin.macro':
    return value
  if name in above:
    raise errors.UserError(f'the macro {name} refers to itself')
  macros = {key[0]: bound for key, bound in _bindings() if _is_macro(key)}
  if name not in macros:
    near = did_you_mean(name, macros)
    raise errors.UserError(f'there is no macro {name}{near}')
  return _resolve(macros[name], (*above, name))


def _text(value: Any) -> str:
  """Returns a value as the user wrote it, and what its macros stand for."""
  try:
    final = _resolve(value)
  except errors.UserError:
    final = value
  text, resolved_text = repr(value), repr(final)
  return text if text == resolved_text else f'{text} ({resolved_text})'


def _fault(selector: str, parameter: str, value: Any) -> str | None:
  """Returns what is wrong with a binding, or None."""
  parameters, is_open = gin_errors.annotations(selector)
  if parameter not in parameters and not is_open:
    return f'no such parameter{did_you_mean(parameter, parameters)}'
  try:
    value = _resolve(value)
  except errors.UserError as error:
    return str(error)
  if value is gin.REQUIRED:
    return 'must be given a value'
  requirement = _requirement(value, parameters.get(parameter))
  return requirement and f'must be {requirement}'


def _requirement(value: Any, annotation: Any) -> str | None:
  """Returns what `value` would have to be and is not, or None."""
  origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
  if isinstance(value, gin_config.ConfigurableReference) and value.evaluate:
    return None  # Known only once it is called.
  if (
    origin in (Union, types.UnionType)
    and len(arguments) == 2
    and type(None) in arguments
  ):
    inner = next(kind for kind in arguments if kind is not type(None))
    requirement = None if value is None else _requirement(value, inner)
    return requirement and f'{requirement}, or None'
  if origin in (list, tuple, Sequence) and len(set(arguments) - {...}) == 1:
    if not isinstance(value, (list, tuple)):
      return 'a list'
    items = [_requirement(item, arguments[0]) for item in value]
    requirement = next((item for item in items if item), None)
    return requirement and f'a list, each item {requirement}'
  if origin is Literal:
    one_of = ' or '.join(map(repr, arguments))
    return None if value in arguments else one_of
  limits = settings.Range(-math.inf)
  if origin is Annotated:
    annotation = arguments[0]
    ranges = [x for x in arguments if isinstance(x, settings.Range)]
    limits = ranges[0] if ranges else limits
  if annotation is bool and not isinstance(value, bool):
    return 'True or False'
  if annotation is str and not isinstance(value, str):
    return 'a string, in quotes'
  if annotation not in (int, float):
    return None
  kinds = int if annotation is int else (int, float)
  is_number = isinstance(value, kinds) and not isinstance(value, bool)
  if is_number and math.isfinite(value) and _is_within(value, limits):
    return None
  number = 'a whole number' if annotation is int else 'a finite number'
  return number + _describe_range(limits)


def _is_within(value: float, limits: settings.Range) -> bool:
  low = value > limits.low if limits.above else value >= limits.low
  return low and value <= limits.high


def _describe_range(limits: settings.Range) -> str:
  if limits.low == -math.inf:
    return ''
  low = 'above' if limits.above else 'of at least'
  high = '' if limits.high == math.inf else f' and at most {limits.high}'
  return f' {low} {limits.low}{high}'
