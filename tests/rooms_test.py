"""The division of the package into rooms, which docs/rooms.md describes."""

import ast
import pathlib
import pkgutil
import re
import shutil
import subprocess
import sys

import pytest

import slac

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
MODULES = sorted((REPOSITORY / 'slac').rglob('*.py'))


def lint(folder):
  """Checks the contract on a copy of the package; returns code and output."""
  process = subprocess.run(
    [pathlib.Path(sys.executable).with_name('lint-imports'), '--no-cache'],
    cwd=folder,
    env={'PYTHONPATH': str(folder)},
    capture_output=True,
    text=True,
  )
  return process.returncode, process.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
  ('module', 'imported', 'fault'),
  [
    ('models/latents.py', 'slac.storage.files', None),
    ('models/latents.py', 'slac.agents.sac', 'slac.models.latents'),
    ('errors.py', 'slac.console', 'slac.errors -> slac.console'),
    ('attic.py', 'slac.errors', 'attic'),
  ],
)
def test_imports_lead_downwards_only(tmp_path, module, imported, fault):
  shutil.copy(REPOSITORY / 'pyproject.toml', tmp_path)
  shutil.copytree(REPOSITORY / 'slac', tmp_path / 'slac')
  with open(tmp_path / 'slac' / module, 'a') as file:
    file.write(f'import {imported}\n')
  code, output = lint(tmp_path)
  assert (code == 0) == (fault is None), output
  assert fault is None or fault in output


def test_five_modules_lie_beside_the_rooms():
  beside = [info.name for info in pkgutil.iter_modules(slac.__path__)]
  rooms = [
    info.name for info in pkgutil.iter_modules(slac.__path__) if info.ispkg
  ]
  assert len(beside) - len(rooms) + 1 <= 5  # With __init__.


def test_every_module_is_described():
  text = (REPOSITORY / 'docs' / 'rooms.md').read_text()
  parts = {
    match[1]: part
    for part in re.split(r'\n(?=##)', text)
    if (match := re.match(r'###? `(slac/\w+)`', part))
  }
  for path in MODULES:
    name = path.relative_to(REPOSITORY).as_posix()
    room, _, module = name.rpartition('/')
    if module != '__init__.py':
      assert f'| `{module}` |' in parts.get(room, '') or f'`{name}`' in text


def test_files_and_constructors_are_of_a_size_to_be_read():
  for path in [*MODULES, REPOSITORY / 'train_eval.py']:
    text = path.read_text()
    assert text.count('\n') <= 300, path
    for node in ast.walk(ast.parse(text)):
      if isinstance(node, ast.FunctionDef) and node.name == '__init__':
        parameters = [*node.args.args, *node.args.kwonlyargs][1:]
        assert len(parameters) <= 12, path
