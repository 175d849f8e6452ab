"""The Pythons and packages that the project is made for, and those here.

It imports none of the packages, as it is to say which of them are missing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pathlib
import re
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata

from slac import errors
from slac.installation import streams

PACKAGE = pathlib.Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parent
# Elsewhere than in its repository, the package has the gin files inside.
IS_INSTALLED = (PACKAGE / 'gin').is_dir()
LOCK = REPOSITORY / 'requirements.txt'
NEW_PYTHON = 'uv venv --seed --python 3.13 .venv'
MORE_SPACE = 'raise it, by `ulimit -v unlimited`'
_ADDRESS_SPACE = 4_000_000_000  # Bytes; with 2 GB it was seen to crash.
# More of the repository's files may follow.
INSTALL = (
  'in a clone of the repository, ' if IS_INSTALLED else ''
) + 'pip install --no-deps -r requirements.txt'


def pythons() -> tuple[tuple[int, ...], tuple[int, ...]]:
  """Returns the first Python that is supported, and the first that is not."""
  text = _of_project('requires-python')
  versions = {
    kind: tuple(map(int, version.split('.')))
    for kind, version in re.findall(r'(>=|<)([\d.]+)', text)
  }
  return versions['>='], versions['<']


def version() -> str:
  """Returns the version of this project."""
  return _of_project('version')


def _of_project(name: str) -> str:
  """Returns what pyproject.toml, or the installed package's metadata, says."""
  if IS_INSTALLED:
    return metadata.metadata('slac')[name]
  project = (REPOSITORY / 'pyproject.toml').read_text(encoding='utf-8')
  (text,) = re.findall(f'^{name} = "(.*)"', project, re.M)
  return text


def digest(suffixes: Sequence[str] = ('.py', '.gin')) -> str:
  """Returns the sha256 of the package's files of these kinds."""
  found = hashlib.sha256()
  folders = [PACKAGE] if IS_INSTALLED else [PACKAGE, REPOSITORY / 'gin']
  paths = [path for folder in folders for path in sorted(folder.rglob('*'))]
  for path in [REPOSITORY / 'train_eval.py', *paths]:
    if path.suffix in suffixes:
      found.update(path.relative_to(REPOSITORY).as_posix().encode())
      found.update(path.read_bytes())
  return found.hexdigest()


def python_fault(version: tuple[int, ...] = sys.version_info[:3]) -> str:
  """Returns what is wrong with a version of Python, or ''."""
  first, end = pythons()
  if first <= version < end:
    return ''
  return (
    f'Python {".".join(map(str, version))} is none of {first[0]}.{first[1]} to '
    f'{end[0]}.{end[1] - 1}, for which the packages are locked'
  )


def pins() -> dict[str, str]:
  """Returns the locked versions by the packages' names."""
  if IS_INSTALLED:
    lines = metadata.requires('slac') or []
  else:
    lines = LOCK.read_text(encoding='utf-8').splitlines()
  matches = {s: re.match(r'([\w.-]+)(?:\[.*?\])?==([\w.]+)', s) for s in lines}
  return {
    match[1]: match[2]
    for line, match in matches.items()
    if match and _applies(line)
  }


def faults() -> Iterator[tuple[str, str | None, str]]:
  """Yields name, version and locked version of what is not as locked.

  The version is None where the package is missing.
  """
  for name, pin in pins().items():
    try:
      found = metadata.version(name)
    except metadata.PackageNotFoundError:
      found = None
    if found != pin:
      yield name, found, pin


def address_space_fault() -> str:
  """Returns what is wrong with the limit on a process's memory, or ''."""
  limit, _ = resource.getrlimit(resource.RLIMIT_AS)
  if not 0 <= limit < _ADDRESS_SPACE:
    return ''
  return (
    f'The limit on address space is {limit / 1e9:.1f} GB, with which '
    'TensorFlow crashes or hangs'
  )


def check(program: str) -> None:
  """Warns of packages at other versions than the lock's, in one line.

  Args:
    program: The command that is about to begin.

  Raises:
    UserError: (69) if packages are missing, Python is another one, or the
      process may not have the address space that TensorFlow maps.
  """
  if fault := python_fault():
    raise errors.UserError(f'{fault}: {NEW_PYTHON}.', os.EX_UNAVAILABLE)
  if fault := address_space_fault():
    raise errors.UserError(f'{fault}: {MORE_SPACE}.', os.EX_UNAVAILABLE)
  wrong = list(faults())
  if missing := [name for name, found, _ in wrong if not found]:
    raise errors.UserError(
      f'Packages are missing ({errors.listed(missing)}): {INSTALL}',
      os.EX_UNAVAILABLE,
    )
  if others := [f'{name} {found}, not {pin}' for name, found, pin in wrong]:
    print(
      f'{program}: Packages are not as locked ({errors.listed(others)}), so '
      f'results may differ: {INSTALL}',
      file=sys.stderr,
    )


def start(program: str, parse_arguments: Callable[[], argparse.Namespace]):
  """Answers --help, a wrong flag and a missing package; returns the flags.

  A command calls this before its other imports, which take seconds. From here
  on, closed or broken standard streams do not end it.
  """
  streams.guard()
  arguments = parse_arguments()
  with errors.reported_by(program):
    check(program)
  return arguments


def _applies(line: str) -> bool:
  """Whether a requirement is one of this system's."""
  marker = line.partition(';')[2].partition('#')[0].strip()
  try:
    from packaging import markers  # It may be among those that are missing.

    return not marker or markers.Marker(marker).evaluate()
  except ImportError:
    return True
