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
from slac.config import gin_errors, gin_internals

# What gin raises for an unknown or ambiguous name. Names within modules, which
# dynamic registration looks up, raise a NameError or an AttributeError.
_NAME_ERRORS = (LookupError, NameError, AttributeError, ValueError)


class Statements:
  """Applies files and texts of statements to gin's configuration.

  A statement with a fault is left out, and a clause on it added to `faults`. A
  file that cannot be read and an import that is refused or fails are raised, as
  whatever follows would make no sense without them. `bound` holds the keys that
  were bound, and may be emptied between files; `named` holds the keys that
  the files and texts bind themselves, not in their includes.
  """

  def __init__(self, folders: Iterable[pathlib.Path], allow_imports: bool):
    """Creates a reader that has read nothing.

    Args:
      folders: Where relative paths are looked up, in this order.
      allow_imports: Whether `import` may run the code of a module.
    """
    self.faults: list[str] = []
    self.named: set[gin_internals.Key] = set()
    self.bound: set[gin_internals.Key] = set()
    self._folders = list(folders)
    self._allow_imports = allow_imports

  def read_file(self, path: str, including: tuple[str, ...] = ()) -> None:
    """Applies a gin file and its includes.

    Args:
      path: The file's path, absolute or within one of the folders.
      including: The files that include it, the outermost first.

    Raises:
      UserError: 66 for a file that cannot be read; 78 for an import, and for a
        file that includes itself.
    """
    text, name = self.find(path, including)
    self._apply(text, lambda n: f'{name}, line {n}', {}, (*including, path))

  def read_texts(
    self, texts: Iterable[str], place: Callable[[str], str]
  ) -> None:
    """Applies texts as if they were one file; `place` names a text's place."""
    bound = {}
    for text in texts:
      where = place(errors.short(text))
      self._apply(text, lambda _, where=where: where, bound, (where,))

  def find(self, path: str, including: tuple[str, ...] = ()) -> tuple[str, str]:
    """Returns a file's text and its path from the working directory.

    Raises:
      UserError: see `read_file`.
    """
    where = f' (included by {including[-1]})' if including else ''
    if path in including:
      raise errors.UserError(f'The gin file {path} includes itself{where}.')
    places = [folder / path for folder in self._folders]
    try:
      found = next((place for place in places if place.is_file()), None)
      if not found:
        raise errors.UserError(_missing(path, self._folders, where), 66)
      return found.read_text(encoding='utf-8'), os.path.relpath(found)
    except (OSError, UnicodeDecodeError) as error:
      reason = getattr(error, 'strerror', None) or 'it is no text in UTF-8'
      raise errors.UserError(
        f'The gin file {errors.short(path)}{where} cannot be read ({reason}): '
        'restore it or name another one.',
        66,
      ) from error

  def _apply(
    self,
    text: str,
    place: Callable[[int], str],
    bound: dict[gin_internals.Key, str],
    within: tuple[str, ...],
  ) -> None:
    """Applies the statements of a text.

    Args:
      text: Gin statements.
      place: Returns the place of a line, given the line's number.
      bound: The places of the bindings in the same file so far; the text's own
        are added.
      within: The file or text, after the files that include it.
    """
    line, delegate, told = 1, _Delegate(), set()
    try:
      with gin_internals.parsing() as context:
        for statement in config_parser.ConfigParser(text, delegate):
          line = statement.location.line_num
          caught = delegate.take_errors()
          try:
            if isinstance(statement, config_parser.BindingStatement):
              key = self._note(statement, place(line), bound, len(within) == 1)
              if not caught:
                gin_config.bind_parameter(key, statement.value)
            else:
              self._run(statement, context, place(line), within)
          except _NAME_ERRORS as error:
            caught.append(error)
          # A block's unknown name is met again with each binding in it.
          for error in caught:
            if str(error) not in told:
              is_read = len(self.faults) < errors.LISTED  # Naming takes long.
              fault = is_read and gin_errors.statement_fault(error)
              self.faults.append(f'{place(line)}: {fault}')
              told.add(str(error))
        gin_internals.imports().update(context.imports)
    except errors.UserError:
      raise
    except Exception as error:
      # Where the grammar is broken, nothing after it can be told apart.
      line = gin_errors.line_of(error) or line
      self.faults.append(f'{place(line)}: {gin_errors.statement_fault(error)}')

  def _note(self, statement, place, bound, is_own) -> gin_internals.Key:
    """Returns a binding's key, and notes that it is bound."""
    scope, selector, parameter, *_ = statement
    name = f'{scope}/{selector}' if scope else selector
    key = (name, *gin_internals.MACRO)
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
    self.bound.add(key)
    if is_own:
      self.named.add(key)
    return key

  def _run(self, statement, context, place, within) -> None:
    """Applies an include, an import, or the first line of a block."""
    if isinstance(statement, config_parser.IncludeStatement):
      self.read_file(statement.filename, within)
    elif isinstance(statement, config_parser.BlockDeclaration):
      if not context.get_configurable(statement.selector):
        raise LookupError(f"No configurable matching '{statement.selector}'.")
    elif not self._allow_imports:
      raise errors.UserError(
        f'{place}: {statement.format()!r} runs the code of a module; if you '
        'trust it, add --allow_gin_imports.'
      )
    else:
      try:
        context.process_import(statement)
      except (Exception, SystemExit) as error:
        fault = gin_errors.import_fault(error)
        raise errors.UserError(f'{place}: {fault}.') from error


def check_plain(name: str, text: str, package: str | None) -> None:
  """Raises a UserError unless binding `name` to `text` can run no code.

  Together they must be one binding, rather than an import or an include, and
  may refer to configurables of `package` only. This is decided by parsing them,
  which runs nothing.

  Args:
    name: The name of a parameter.
    text: The text of its value.
    package: How the selectors of allowed configurables begin; None allows all.
  """
  statements, delegate = [], _Delegate(package)
  with contextlib.suppress(Exception):
    statements = list(config_parser.ConfigParser(f'{name} = {text}', delegate))
  if delegate.foreign:
    raise errors.UserError(
      f'The configuration refers to {delegate.foreign[0]}, whose code is not '
      "this package's; if you trust it, add --allow_gin_imports."
    )
  kinds = [type(statement) for statement in statements]
  if kinds != [config_parser.BindingStatement] or not statements[0].arg_name:
    raise errors.UserError(
      f'The configuration holds {errors.short(f"{name} = {text}")!r}, which is '
      'no binding of a parameter to a value: restore it.'
    )


class _Delegate(gin_config.ParserDelegate):
  """Keeps the errors of unknown names within values, where gin would stop.

  `foreign` lists the references to configurables whose selectors do not begin
  with `package`.
  """

  def __init__(self, package: str | None = None):
    super().__init__()
    self.foreign = []
    self._package = package or ''
    self._caught = []

  def take_errors(self) -> list[Exception]:
    """Returns the errors since the last call."""
    caught, self._caught = self._caught, []
    return caught

  def configurable_reference(self, *arguments):
    reference = self._tried(super().configurable_reference, *arguments)
    selector = reference.configurable.selector if reference else self._package
    if not selector.startswith(self._package):
      self.foreign.append(reference)
    return reference

  def macro(self, name):
    return self._tried(super().macro, name)

  def _tried(self, function, *arguments):
    try:
      return function(*arguments)
    except _NAME_ERRORS as error:
      self._caught.append(error)
      return None


def _missing(path: str, roots: list[pathlib.Path], where: str) -> str:
  """Returns the message that there is no such file, with what is near it."""
  places = [root / path for root in roots]
  if folders := [place for place in places if place.is_dir()]:
    names = _gin_files(folders)
    hint = f', such as {os.path.join(path, names[0])}' if names else ''
    return f'{path!r}{where} is a folder: name a gin file{hint}.'
  names = _gin_files([place.parent for place in places])
  # The end that all names have in common makes no two of them near.
  hint = errors.did_you_mean_or_all(os.path.basename(path), names, (), 0.8)
  task = f'gin/{os.path.basename(path).removesuffix(".gin")}.gin'
  if any((root / task).is_file() for root in roots):
    hint = f' (did you mean {task}?)'
  return f'There is no gin file {path}{where}{hint}.'


def _gin_files(folders: list[pathlib.Path]) -> list[str]:
  return sorted({p.name for folder in folders for p in folder.glob('*.gin')})
