"""Gin configuration: loads it, checks it, and returns it with macros resolved.

Gin accepts a batch size of 'abc' and a binding that nothing reads, and answers
a misspelt name with a stack trace. Here each of these is a UserError of one
sentence: `load` checks names and values, `check_all_used` finds the bindings
without an effect once everything is built, and `translate_gin_errors` reports
values that nobody gave.

Included files hold defaults, which a run need not read: a model of the user's
own has no use for another one's sizes. But what the files and parameters of the
command line themselves bind must have an effect.
"""

import os
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin

from slac import errors
from slac.config import (
  gin_errors,
  gin_internals,
  settings,
  statements,
  values,
)
from slac.installation import packages

# The folder that gin/ is in: the repository's, or that of an installed package.
ROOT = packages.PACKAGE if packages.IS_INSTALLED else packages.REPOSITORY

translate_gin_errors = gin_errors.translate_gin_errors

gin.add_config_file_search_path(str(ROOT))

# A file that binds these, itself or by its includes, is a task, not an overlay.
_TASK = {'Experiment.environment', 'Experiment.agent'}
# The bindings that must have an effect. Gin's own bindings are global too.
_named: set[gin_internals.Key] = set()


def load(
  gin_files: Sequence[str],
  gin_params: Sequence[str] = (),
  allow_imports: bool = False,
) -> None:
  """Replaces gin's bindings by those of files, in order, then of parameters.

  A path is looked up from the working directory, then from the repository's
  root or the installed package; so is `include 'gin/slac.gin'` inside a file.
  It is a fault to bind a parameter twice within one file, or twice on the
  command line.

  Args:
    gin_files: Paths of gin files.
    gin_params: Texts of gin statements.
    allow_imports: Whether files and parameters may `import` modules, those of
      the working directory too, and so run their code.

  Raises:
    UserError: 66 for a missing file; 64 for an empty parameter, two tasks, or
      a task after its overlay; 78 for all faults in names and values, of which
      one is that no later start could read them in config.json.
  """
  if not all(param.strip() for param in gin_params):
    raise errors.UserError(
      '--gin_param is empty: write a binding in it, such as '
      "'Replay.capacity = 1000'.",
      64,
    )
  reader, tasks = _start(allow_imports), []
  for path in gin_files:
    reader.bound.clear()
    reader.read_file(path)
    if {*map(gin_internals.name, reader.bound)} >= _TASK:
      tasks.append(path)
  _check_order(gin_files, tasks)
  reader.read_texts(gin_params, '--gin_param="{}"'.format)
  _named.update(reader.named)
  _refuse(
    [*reader.faults, *_import_faults(), *_value_faults(), *_macro_faults()]
  )


def _check_order(gin_files: Sequence[str], tasks: Sequence[str]) -> None:
  """Raises a UserError (64) unless one task, if there is any, comes first.

  It includes the defaults, which would take back what was set before.
  """
  if len(tasks) > 1:
    raise errors.UserError(
      f'{" and ".join(tasks)} are tasks, of which a run has one: name one of '
      'them, and after it its overlays.',
      64,
    )
  if tasks and gin_files[0] != tasks[0]:
    others = [path for path in gin_files if path != tasks[0]]
    flags = ' '.join(f'--gin_file={path}' for path in [*tasks, *others])
    raise errors.UserError(
      f'{tasks[0]} is a task, which would take back what {others[0]} sets: '
      f'name it first, {flags}.',
      64,
    )


def check_files(gin_files: Sequence[str]) -> None:
  """Raises a UserError (66) if one of the files cannot be read."""
  for path in gin_files:
    _reader(allow_imports=False).find(path)


def load_resolved(
  resolved: Mapping[str, str], allow_imports: bool = False
) -> None:
  """Replaces gin's bindings by those that `resolved` returned for some run.

  That run may be a stranger's. So without `allow_imports` no code of it runs:
  each entry must bind a parameter to a literal, or to a reference to what this
  package itself offers.

  Raises:
    UserError: (78) if it is no such configuration, or needs imports.
  """
  imports = resolved.get('import', '')
  if imports and not allow_imports:
    raise errors.UserError(
      f'The run was made with modules of its own ({imports}), and to load it '
      'is to run their code; if you trust them, add --allow_gin_imports.'
    )
  reader = _start(allow_imports)
  reader.read_texts(filter(None, imports.split('; ')), str)
  texts = {key: text for key, text in resolved.items() if key != 'import'}
  for key, text in texts.items():
    statements.check_plain(key, text, None if allow_imports else 'slac.')
  reader.read_texts(map(' = '.join, texts.items()), 'config.json, {}'.format)
  _refuse([*reader.faults, *_value_faults()])


def _start(allow_imports: bool) -> statements.Statements:
  """Forgets all bindings; returns a reader of new ones."""
  if allow_imports and os.getcwd() not in sys.path:
    sys.path.append(os.getcwd())
  gin.clear_config()
  _named.clear()
  return _reader(allow_imports)


def _reader(allow_imports: bool) -> statements.Statements:
  return statements.Statements((pathlib.Path(os.curdir), ROOT), allow_imports)


def _refuse(faults: Sequence[str], why: str = '') -> None:
  """Raises a UserError if there are faults."""
  if faults:
    raise errors.UserError(f'{why}{errors.listed(faults, "; ")}.')


def resolved() -> dict[str, str]:
  """Returns each binding's name and literal text, sorted, macros resolved.

  So are constants, but for those that are no literals: these stay %NAME. The
  import statements of gin files, if any, stand under 'import'.
  """
  texts = {
    gin_internals.name(key): values.written(value)
    for key, value in gin_internals.bindings().items()
  }
  imports = sorted(statement.format() for statement in gin_internals.imports())
  if imports:
    texts['import'] = '; '.join(imports)
  return dict(sorted(texts.items()))


def _value_faults() -> list[str]:
  """Returns a clause for every binding with an unsuitable value.

  A value is checked if its parameter is annotated with int, float, bool, str,
  Callable, a type of `settings`, or an Optional or a sequence of one of these.
  Of each it is checked that it can be read again from config.json.
  """
  return [
    f'{gin_internals.name(key)} = {values.shown(value)}: {fault}'
    for key, value in gin_internals.bindings().items()
    if (fault := _value_fault(key, value))
  ]


def _import_faults() -> list[str]:
  """Returns a clause if names are those of modules, which gin then looks up.

  In config.json they would not be found again.
  """
  return [
    f'{statement.format()!r} gives names that cannot be read again from '
    'config.json: decorate what is to be set with @gin.configurable, and leave '
    'that line out'
    for statement in gin_internals.imports()
    if statement.module.startswith('__gin__.')
  ]


def _macro_faults() -> list[str]:
  """Returns a clause for every macro that nothing refers to."""
  used = {
    '/'.join(reference.scopes)
    for reference in gin_internals.references()
    if reference.configurable.selector == 'gin.macro'
  }
  return [
    f'nothing refers to the macro {name}{errors.did_you_mean(name, used)}'
    for name in gin_internals.macros()
    if (name, *gin_internals.MACRO) in _named and name not in used
  ]


def check_all_used(read_more: Callable[[], Any] = lambda: None) -> None:
  """Raises a UserError if a binding has had no effect.

  Only those count that the files and parameters given to `load` bind
  themselves, not those of included files. Call this when everything
  configurable has been constructed.

  Args:
    read_more: called if a binding has had none so far, such as to trace
      updates, which are what first calls a function that is a setting.
  """
  if _unused():
    with translate_gin_errors():
      read_more()
  _refuse(_unused(), 'Without effect: ')


def _unused() -> list[str]:
  """Returns a clause for every binding that has had no effect so far."""
  bindings, used, names = gin_internals.bindings(), set(), set()
  for scope, selector, parameter in gin_internals.passed():
    names.add(gin_internals.name(('', selector, parameter)))
    # Among the scopes around a call, the innermost that binds a value counts.
    parts = scope.split('/') if scope else []
    scopes = ['/'.join(parts[:n]) for n in range(len(parts), -1, -1)]
    keys = [(scope, selector, parameter) for scope in scopes]
    used.update([key for key in keys if key in bindings][:1])
  unread = [key for key in bindings if key in _named and key not in used]
  faults = [gin_internals.name(key) for key in unread]
  for n, name in enumerate(faults[: errors.LISTED]):
    near = errors.did_you_mean(name, names - {name}, cutoff=0.85)
    faults[n] = f'nothing in this run reads {name}{near}'
  return faults


def _value_fault(key: gin_internals.Key, value: Any) -> str | None:
  """Returns what is wrong with a binding, or None."""
  _, selector, parameter = key
  parameters, is_open = gin_errors.annotations(selector)
  if parameter not in parameters and not is_open:
    return f'no such parameter{errors.did_you_mean(parameter, parameters)}'
  try:
    final = values.resolve(value)
  except errors.UserError as error:
    return str(error)
  if final is gin.REQUIRED:
    return 'must be given a value'
  if fault := settings.requirement(final, parameters.get(parameter)):
    return f'must be {fault}'
  try:
    statements.check_plain(gin_internals.name(key), values.written(value), None)
  except (errors.UserError, ValueError):
    return (
      'cannot be read again from config.json: write a finite number, a text, '
      'or %NAME of a constant'
    )
  return None
