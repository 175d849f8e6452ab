"""Tests of slac/config/gin_internals.py: which release of gin broke it."""

import ast
from importlib import metadata

import gin
import pytest
from gin import config as gin_config

from slac.config import bindings, gin_internals

PACKAGE = bindings.ROOT / 'slac'
ADAPTER = PACKAGE / 'config' / 'gin_internals.py'


def private_names(path):
  """Returns the names with a leading underscore that a file takes from gin."""
  nodes = list(ast.walk(ast.parse(path.read_text())))
  modules, found = set(), set()
  for node in nodes:
    if isinstance(node, ast.Import | ast.ImportFrom):
      source = getattr(node, 'module', None)
      for name in node.names:
        if (source or name.name).split('.')[0] == 'gin':
          modules.add(name.asname or name.name.split('.')[0])
          found.add(name.name)
  for node in nodes:
    if isinstance(node, ast.Attribute):
      owner = ast.unparse(node.value).split('.')[0]
      found.update({node.attr} if owner in modules else ())
  return {name for name in found if name.startswith('_')}


def refuse_missing(names):
  """Fails with the names that the installed gin does not have."""
  missing = [name for name in sorted(names) if not hasattr(gin_config, name)]
  assert not missing, (
    f'gin-config {metadata.version("gin-config")} has no {", ".join(missing)}: '
    f'slac/config/gin_internals.py was written for {gin_internals.VERSION}'
  )


def test_gin_has_all_names_that_the_adapter_takes():
  names = private_names(ADAPTER)
  assert {'_CONFIG', '_OPERATIVE_CONFIG', '_parse_scope'} <= names
  refuse_missing(names)


def test_a_missing_name_is_told_with_both_versions(monkeypatch):
  monkeypatch.setattr(metadata, 'version', {'gin-config': '9.9'}.get)
  with pytest.raises(AssertionError) as caught:
    refuse_missing({'__name__', '_GONE'})
  assert str(caught.value).splitlines()[0] == (
    'gin-config 9.9 has no _GONE: slac/config/gin_internals.py was written for '
    '0.5.0'
  )


@pytest.mark.parametrize(
  'line',
  [
    'gin.config._CONFIG.clear()',
    'gin_config._REGISTRY',
    'x = c._parse_scope',
    'from gin.config import _IMPORTS',
  ],
)
def test_private_names_are_found_however_gin_is_imported(tmp_path, line):
  path = tmp_path / 'module.py'
  path.write_text(
    'import gin\nfrom gin import config as gin_config\n'
    f'import gin.config as c\n{line}\nself._config = other._CONFIG\n'
  )
  assert len(private_names(path)) == 1


def test_no_other_file_takes_private_names_from_gin():
  files = [*PACKAGE.rglob('*.py'), bindings.ROOT / 'train_eval.py']
  taken = {
    str(path): names
    for path in files
    if path != ADAPTER and (names := private_names(path))
  }
  assert len(files) > 50 and not taken, (
    f'take these from gin_internals: {taken}'
  )


def test_what_the_adapter_returns():
  """As gin keeps it inside, which another release may do in another way."""

  @gin.configurable(module='slac_test.internals')
  def paint(color, width=1):
    return color, width

  gin.clear_config()
  try:
    gin.parse_config('SIZE = 2\nold/paint.color = [%SIZE, @paint]')
    color = gin.query_parameter('old/paint.color')
    key = ('old', 'slac_test.internals.paint', 'color')
    assert gin_internals.bindings() == {key: color}
    assert gin_internals.macros() == {'SIZE': 2}
    assert gin_internals.name(key) == 'old/paint.color'
    assert list(gin_internals.references()) == color
    assert not gin_internals.passed()
    with gin.config_scope('old'):
      paint()
    assert gin_internals.passed() == {
      key,
      (*key[:2], 'width'),
      ('SIZE', *gin_internals.MACRO),
    }
    assert gin_internals.registry()[key[1]].wrapped('red') == ('red', 1)
    assert gin_internals.registry().get_match('paint').selector == key[1]
    assert not gin_internals.imports()
    with gin_internals.parsing() as context:
      assert context.get_configurable('paint').selector == key[1]
  finally:
    gin.clear_config()
