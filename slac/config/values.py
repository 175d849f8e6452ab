"""What the values of bindings stand for, and the texts that stand for them."""

import tokenize
from typing import Any

from gin import config as gin_config

from slac import errors
from slac.config import gin_internals


def resolve(
  value: Any, literally: bool = False, above: tuple[str, ...] = ()
) -> Any:
  """Returns a value with the macros and constants inside it replaced.

  Args:
    value: The value.
    literally: Whether constants that are no literals stay as they are.
    above: The macros that are being replaced around this value.

  Raises:
    UserError: It is a clause that says which macro is missing, or refers to
      itself.
  """
  if isinstance(value, (list, tuple)):
    return type(value)(resolve(item, literally, above) for item in value)
  if isinstance(value, dict):
    return {k: resolve(item, literally, above) for k, item in value.items()}
  if not isinstance(value, gin_config.ConfigurableReference):
    return value
  selector, name = value.configurable.selector, '/'.join(value.scopes)
  if selector == 'gin.constant':
    constant = value.scoped_configurable_fn()
    return value if literally and not _is_literal(constant) else constant
  if selector != 'gin.macro':
    return value
  if name in above:
    raise errors.UserError(f'the macro {name} refers to itself')
  macros = gin_internals.macros()
  if name not in macros:
    near = errors.did_you_mean(name, macros)
    raise errors.UserError(f'there is no macro {name}{near}')
  return resolve(macros[name], literally, (*above, name))


def written(value: Any) -> str:
  """Returns the text of a value in config.json."""
  return repr(resolve(value, literally=True))


def shown(value: Any) -> str:
  """Returns a value as the user wrote it, and what its macros stand for."""
  try:
    final = resolve(value)
  except errors.UserError:
    final = value
  try:
    text, resolved_text = errors.short(repr(value)), errors.short(repr(final))
  except ValueError:  # Python refuses to write it.
    return 'a number of thousands of digits'
  return text if text == resolved_text else f'{text} ({resolved_text})'


def _is_literal(constant: Any) -> bool:
  """Whether the text of a constant says to gin what it is."""
  try:
    return bool(gin_config.parse_value(repr(constant)) == constant)
  except (ValueError, SyntaxError, tokenize.TokenError):
    return False
