"""Tests of slac/installation/packages.py, with packages made up."""

import importlib.util
import platform
import re
import shutil
from email import message
from importlib import metadata

import pytest

from slac import doctor, errors
from slac.environments import processes
from slac.installation import loading, packages


@pytest.fixture
def locked(monkeypatch, tmp_path):
  """A lock of four packages, and what is installed, which a test may change."""
  installed = {'right': '1.0', 'other': '1.1', 'with.dot': '2.0'}

  def version(name):
    if name not in installed:
      raise metadata.PackageNotFoundError(name)
    return installed[name]

  lock = tmp_path / 'requirements.txt'
  lock.write_text(
    '# made by uv\nright==1.0  # via x\nother[a,b]==1.0\nwith.dot==2.0\n'
    f"never==1 ; sys_platform == 'win32'\nabsent==3.0 ; "
    f"sys_platform == '{platform.system().lower()}'\n"
  )
  monkeypatch.setattr(packages, 'LOCK', lock)
  monkeypatch.setattr(metadata, 'version', version)
  return installed


def test_the_lock_is_read_for_this_system(locked):
  assert packages.pins() == {
    **{'right': '1.0', 'other': '1.0'},
    **{'with.dot': '2.0', 'absent': '3.0'},
  }
  assert list(packages.faults()) == [
    ('other', '1.1', '1.0'),
    ('absent', None, '3.0'),
  ]


def test_an_installed_package_says_what_it_needs(locked, monkeypatch):
  monkeypatch.setattr(packages, 'IS_INSTALLED', True)
  monkeypatch.setattr(metadata, 'requires', lambda _: ['a[b]==1.2', 'c==3'])
  assert packages.pins() == {'a': '1.2', 'c': '3'}
  told = message.Message()
  told['Requires-Python'], told['Version'] = '<3.14,>=3.11', '7.8'
  monkeypatch.setattr(metadata, 'metadata', lambda _: told)
  assert packages.pythons() == ((3, 11), (3, 14))
  assert packages.version() == '7.8'


def test_the_start_refuses_what_is_missing(locked):
  with pytest.raises(errors.UserError) as fault:
    packages.check('train')
  assert fault.value.exit_code == 69
  assert str(fault.value) == (
    'Packages are missing (absent): pip install --no-deps -r requirements.txt'
  )


def test_the_start_warns_of_other_versions(locked, capsys):
  locked['absent'] = '3.0'
  packages.check('train')
  assert capsys.readouterr().err == (
    'train: Packages are not as locked (other 1.1, not 1.0), so results may '
    'differ: pip install --no-deps -r requirements.txt\n'
  )
  locked['other'] = '1.0'
  packages.check('train')
  assert capsys.readouterr().err == ''


def test_not_all_that_are_missing_are_named(locked, monkeypatch):
  pins = {f'p{n}': '1' for n in range(70)}
  monkeypatch.setattr(packages, 'pins', lambda: pins)
  with pytest.raises(errors.UserError, match=r'p0, .*p9, and 60 more\)'):
    packages.check('train')


@pytest.mark.parametrize(
  ('version', 'is_right'),
  [
    *[((3, 10, 13), False), ((3, 11, 0), True), ((3, 13, 9), True)],
    *[((3, 14, 0), False), ((4, 11, 0), False)],
  ],
)
def test_pythons_are_those_of_pyproject(version, is_right, monkeypatch):
  text = (packages.REPOSITORY / 'pyproject.toml').read_text()
  assert re.search('requires-python = ">=3.11,<3.14"', text)
  assert (packages.python_fault(version) == '') == is_right
  monkeypatch.setattr(packages, 'python_fault', lambda: 'Python is old')
  with pytest.raises(errors.UserError, match=r'old: uv venv .*3\.13') as fault:
    packages.check('train')
  assert fault.value.exit_code == 69


@pytest.mark.parametrize(
  'module', [doctor, errors, loading, packages, processes]
)
def test_a_python_that_is_too_old_gets_as_far_as_the_check(module):
  """Before 3.10 annotations such as `str | None` cannot be evaluated."""
  assert hasattr(module, 'annotations')  # Of __future__: they are not.


def test_what_an_installed_package_is_told_to_install(monkeypatch, tmp_path):
  place = tmp_path / 'slac/installation/packages.py'
  (tmp_path / 'slac/gin').mkdir(parents=True)
  place.parent.mkdir()
  shutil.copy(packages.__file__, place)
  spec = importlib.util.spec_from_file_location('installed_packages', place)
  installed = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(installed)
  monkeypatch.setattr(doctor, 'packages', installed)
  monkeypatch.setattr(processes, 'run_script', lambda *_: ('[]', None))
  (tmp_path / '0000:01:00.0').mkdir()
  monkeypatch.setattr(doctor, 'NVIDIA', tmp_path)
  *_, gpu = doctor.tensorflow()
  assert gpu.remedy == (
    'in a clone of the repository, pip install --no-deps -r requirements.txt '
    '-r requirements-gpu.txt'
  )


@pytest.mark.parametrize(
  ('limit', 'refused'),
  [(-1, False), (2_048_000_000, True), (4_000_000_000, False)],
)
def test_too_little_address_space_is_refused(monkeypatch, limit, refused):
  monkeypatch.setattr(packages.resource, 'getrlimit', lambda _: (limit, limit))
  monkeypatch.setattr(packages, 'faults', lambda: iter(()))
  if not refused:
    packages.check('program')
    return
  with pytest.raises(errors.UserError, match='ulimit -v unlimited') as caught:
    packages.check('program')
  assert '2.0 GB' in str(caught.value)
  assert caught.value.exit_code == 69
