"""Gin's statements applied one by one, so that all faults are found at once.

Gin itself stops at the first fault, lets a second binding of a parameter in the
same file win, imports whatever module it is told to, and dies of a missing
include with an AttributeError on Python 3.11.
"""

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterable

from gin import config as gin_config
from gin import config_parser

from slac import errors
from slac.config import gin_errors

Key = tuple[str, str, str]  # Scope, complete selector, parameter.

# Gin's for an unknown or ambiguous name; the middle two of imported modules'.
_NAME_FAULTS = (LookupError, NameError, AttributeError, ValueError)


class Statements:
  """Applies files and texts of statements to gin's configuration.

  What has a fault is left out and told in `faults`, a list of clauses; a file
  that cannot be read and an import that is refused or fails are raised, as
  whatever follows would make no sense without them. `named` holds the keys that
  the files and texts bind themselves, not in their includes.
  """

  def __init__(self, folders: Iterable[pathlib.Path], allow_imports: bool):
    """Creates a reader.

    Args:
      folders: where relative paths are looked up, in this order.
      allow_imports: whether `import` may run the code of a module.
    """
    self.faults: list[str] = []
    self.named: set[Key] = set()
    self._folders = list(folders)
    self._allow_imports = allow_imports

  def read_file(self, path: str, including: tuple[str, ...] = ()) -> None:
    """Applies a gin file and its includes.

    Args:
      path: of the file.
      including: the files that include it, the outermost first.

    Raises:
      UserError: 66 for a file that cannot be read; 78 for an import, and for a
        file that includes itself.
    """
    text, source = self._find(path, including)
    self._apply(
      text, lambda line: f'{source}, line {line}', {}, (*including, path)
    )

  def read_texts(
    self, texts: Iterable[str], place: Callable[[str], str]
  ) -> None:
    """Applies texts as if they were one file; `place` says where one is."""
    bound = {}
    for text in texts:
      source = place(text)
      self._apply(text, lambda _, source=source: source, bound, (source,))

  def _find(self, path, including) -> tuple[str, str]:
    """Returns a file's text, and where it is as a user would write it."""
    where = f' (included by {including[-1]})' if including else ''
    if path in including:
      raise errors.UserError(f'The gin file {path} includes itself{where}.')
    places = [folder / path for folder in self._folders]
    found = next((place for place in places if place.is_file()), None)
    if not found:
      raise errors.UserError(_missing(path, places, where), 66)
    try:
      return found.read_text(encoding='utf-8'), os.path.relpath(found)
    except (OSError, UnicodeDecodeError) as error:
      reason = getattr(error, 'strerror', None) or 'it is no text in UTF-8'
      raise errors.UserError(
        f'The gin file {path}{where} cannot be read ({reason}): restore it or '
        'name another one.',
        66,
      ) from error

  def _apply(
    self,
    text: str,
    place: Callable[[int], str],
    bound: dict[Key, str],
    within: tuple[str, ...],
  ) -> None:
    """Applies the statements of a text.

    Args:
      text: of a file, or given with an option.
      place: says where a line of it is.
      bound: the keys bound in the same file so far, and where; is added to.
      within: the file or text, after those that include it.
    """
    line, delegate, told = 1, _Delegate(), set()
    try:
      with gin_config._parse_scope() as context:
        for statement in config_parser.ConfigParser(text, delegate):
          line = statement.location.line_num
          faults = delegate.take_faults()
          try:
            if isinstance(statement, config_parser.IncludeStatement):
              self.read_file(statement.filename, within)
            elif isinstance(statement, config_parser.ImportStatement):
              self._import(statement, context, place(line))
            elif isinstance(statement, config_parser.BlockDeclaration):
              if not context.get_configurable(statement.selector):
                gin_config._raise_unknown_configurable_error(statement.selector)
            else:
              key = self._note(statement, place(line), bound, len(within) == 1)
              if not faults:
                gin_config.bind_parameter(key, statement.value)
          except _NAME_FAULTS as error:
            faults.append(error)
          # A block's unknown name is met again with each binding in it.
          faults = {str(error): error for error in faults}
          self.faults.extend(
            gin_errors.describe(error, place(line))
            for text, error in faults.items()
            if text not in told
          )
          told.update(faults)
        gin_config._IMPORTS.update(context.imports)
    except errors.UserError:
      raise
    except Exception as error:
      # Where the grammar is broken, nothing after it can be told apart.
      line = gin_errors.line_of(error) or line
      self.faults.append(gin_errors.describe(error, place(line)))

  def _note(self, statement, place, bound, is_own) -> Key:
    """Returns a binding's key, and notes that it is bound."""
    scope, selector, parameter, *_ = statement
    name = f'{scope}/{selector}' if scope else selector
    key = (name, 'gin.macro', 'value')
    if parameter:
      name = f'{name}.{parameter}'
      parsed = gin_config.ParsedBindingKey.parse((scope, selector, parameter))
      key = (parsed.scope, parsed.complete_selector, parsed.arg_name)
    if key in bound:
      self.faults.append(
        f'{place}: {name} is bound a second time, after {bound[key]}: keep one '
        'of the two'
      )
    bound[key] = place
    if is_own:
      self.named.add(key)
    return key

  def _import(self, statement, context, place):
    """Runs an import statement, if that is allowed."""
    if not self._allow_imports:
      raise errors.UserError(
        f'{place}: {statement.format()!r} runs the code of a module; if you '
        'trust it, add --allow_gin_imports.'
      )
    try:
      context.process_import(statement)
    except Exception as error:
      raise errors.UserError(
        f'{gin_errors.describe_import(error, place)}.'
      ) from error


def check_plain(name: str, text: str, package: str | None) -> None:
  """Raises a UserError unless `name` can be bound to `text` without a risk.

  That is, if together they are one binding, and no import, include or the like,
  and all references within are to configurables of `package`. Parsing, which
  decides it, runs nothing.

  Args:
    name: of a parameter.
    text: its value.
    package: the beginning of selectors; None allows all.
  """
  statements = []
  if isinstance(name, str) and isinstance(text, str):
    delegate = _Delegate(package)
    with contextlib.suppress(Exception):
      statements = list(
        config_parser.ConfigParser(f'{name} = {text}', delegate)
      )
    if delegate.foreign:
      raise errors.UserError(
        f'The configuration refers to {delegate.foreign[0]}, whose code is not '
        "this package's; if you trust it, add --allow_gin_imports."
      )
  kinds = [type(statement) for statement in statements]
  if kinds != [config_parser.BindingStatement] or not statements[0].arg_name:
    raise errors.UserError(
      f'The configuration binds {name!r} to {text!r}, which is no binding of a '
      'parameter to a value: restore it.'
    )


class _Delegate(gin_config.ParserDelegate):
  """Notes unknown names within values, where gin would stop.

  In `foreign` stand the references to configurables of other packages than that
  whose selectors begin with `package`, if one is given.
  """

  def __init__(self, package: str | None = None):
    super().__init__()
    self.foreign = []
    self._package = package or ''
    self._faults = []

  def take_faults(self) -> list[Exception]:
    """Returns those since the last call."""
    faults, self._faults = self._faults, []
    return faults

  def configurable_reference(self, scoped_selector, evaluate):
    reference = self._noted(
      super().configurable_reference, scoped_selector, evaluate
    )
    if reference and not reference.configurable.selector.startswith(
      self._package
    ):
      self.foreign.append(reference)
    return reference

  def macro(self, name):
    return self._noted(super().macro, name)

  def _noted(self, function, *arguments):
    try:
      return function(*arguments)
    except _NAME_FAULTS as error:
      self._faults.append(error)
      return None


def _missing(path: str, places: list[pathlib.Path], where: str) -> str:
  """Returns a sentence for a file that is not there."""
  if folders := [place for place in places if place.is_dir()]:
    names = _gin_files(folders)
    hint = f', such as {os.path.join(path, names[0])}' if names else ''
    return f'{path!r}{where} is a folder: name a gin file{hint}.'
  names = _gin_files([place.parent for place in places])
  hint = errors.did_you_mean(os.path.basename(path), names)
  if names and not hint:
    folder = os.path.dirname(path) or 'that folder'
    hint = f' ({folder} has {", ".join(names)})'
  return f'There is no gin file {path}{where}{hint}.'


def _gin_files(folders: list[pathlib.Path]) -> list[str]:
  return sorted({p.name for folder in folders for p in folder.glob('*.gin')})
