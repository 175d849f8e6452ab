"""What this project needs of gin's insides, under names of its own.

No other module touches names of gin that begin with an underscore. A release of
gin may change them without notice: tests/config/gin_internals_test.py then says
which one is gone.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from gin import config as gin_config
from gin import config_parser, selector_map

VERSION = '0.5.0'  # Of gin-config, for which this module was written.

# A binding's scope ('' if it has none), complete selector (such as
# 'slac.agents.sac.SoftActorCritic') and parameter.
Key = tuple[str, str, str]
# Selector and parameter of a macro, which gin keeps as a binding with the
# macro's name as its scope.
MACRO = ('gin.macro', 'value')


def bindings() -> dict[Key, Any]:
  """Returns the value of each binding that is no macro."""
  bound = _by_key(gin_config._CONFIG)
  return {key: value for key, value in bound.items() if key[1:] != MACRO}


def macros() -> dict[str, Any]:
  """Returns the value of each macro by its name."""
  bound = _by_key(gin_config._CONFIG)
  return {key[0]: value for key, value in bound.items() if key[1:] == MACRO}


def passed() -> set[Key]:
  """Returns the key of each parameter that gin has passed in any call so far.

  These are the parameters with a binding or a default that the caller did not
  give; the scope is that of the call.
  """
  return set(_by_key(gin_config._OPERATIVE_CONFIG))


def references() -> Iterator[gin_config.ConfigurableReference]:
  """Yields each @reference and each %macro within the values of bindings."""
  return gin_config.iterate_references(gin_config._CONFIG)


def name(key: Key) -> str:
  """Returns a binding's name as a user writes it, with a short selector."""
  return gin_config._format_binding_key(*key)


def imports() -> set[config_parser.ImportStatement]:
  """Returns gin's own set of imports that have been run; add new ones to it."""
  return gin_config._IMPORTS


def registry() -> selector_map.SelectorMap:
  """Returns all configurables, by their selectors."""
  return gin_config._REGISTRY


def parsing() -> AbstractContextManager[gin_config.ParseContext]:
  """Returns a context manager, within which one file is parsed."""
  return gin_config._parse_scope()


def _by_key(config: dict[tuple[str, str], dict[str, Any]]) -> dict[Key, Any]:
  return {
    (*scope_and_selector, parameter): value
    for scope_and_selector, parameters in config.items()
    for parameter, value in parameters.items()
  }
