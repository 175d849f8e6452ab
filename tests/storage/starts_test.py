"""Tests of slac/storage/starts.py: code that has changed since a start."""

import json

import pytest

from slac.installation import packages
from slac.storage import starts


@pytest.fixture
def package(monkeypatch, tmp_path):
  """The folder of a package that may be changed."""
  package = tmp_path / 'slac'
  package.mkdir()
  (package / 'loss.py').write_text('loss = 1\n')
  (tmp_path / 'train_eval.py').write_text('')
  monkeypatch.setattr(packages, 'PACKAGE', package)
  monkeypatch.setattr(packages, 'REPOSITORY', tmp_path)
  return package


def test_code_that_has_changed_since_the_last_start_is_said(
  package, tmp_path, capsys
):
  def told(entries):
    (tmp_path / 'version.json').write_text(json.dumps(entries))
    starts.warn_of_other_code(tmp_path)
    return capsys.readouterr().err

  starts.warn_of_other_code(tmp_path)  # There is no run yet.
  first = {'code': packages.digest(['.py'])}
  assert told([first]) == ''
  (package / 'walker.gin').write_text('A.x = 1')  # Settings are compared apart.
  assert told([first]) == ''
  (package / 'loss.py').write_text('loss = 2\n')
  assert told([first]) == (
    f'The code has changed since the last start of {tmp_path}: what it has '
    'learned so far is of the older code; --fresh begins anew.\n'
  )
  assert told([first, {'code': packages.digest(['.py'])}]) == ''
  assert told([{'git': None}]) == ''  # Of a version that noted none.
