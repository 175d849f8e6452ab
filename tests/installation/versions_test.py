"""Tests of slac/installation/versions.py: what a run says of its making."""

import json

import pytest

from slac.installation import packages, versions

pytestmark = pytest.mark.slow  # They start git.


def test_version_says_what_ran(monkeypatch, tmp_path):
  monkeypatch.setenv('MUJOCO_GL', 'osmesa')
  version = versions.version(devices=['H200'], compute_dtype='bfloat16')
  assert version['packages']['gin-config'] == '0.5.0'
  assert version['environment']['MUJOCO_GL'] == 'osmesa'
  assert version['devices'] == ['H200']
  assert version['compute_dtype'] == 'bfloat16'
  assert version['code'] == packages.digest(['.py'])
  assert json.loads(json.dumps(version)) == version


def test_version_names_the_commit(monkeypatch, tmp_path):
  import subprocess

  def git(*arguments):
    identity = ['-c', 'user.name=A', '-c', 'user.email=a@b.c']
    command = ['git', '-C', str(tmp_path), *identity, *arguments]
    output = subprocess.run(command, check=True, capture_output=True, text=True)
    return output.stdout.strip()

  monkeypatch.setattr(versions.packages, 'digest', lambda suffixes: '')
  monkeypatch.setattr(versions.packages, 'REPOSITORY', tmp_path)
  assert versions.version()['git'] is None
  git('init')
  assert versions.version()['git'] is None  # No commit yet.
  (tmp_path / 'a').write_text('1')
  git('add', 'a')
  git('commit', '-m', 'a')
  commit = git('rev-parse', 'HEAD')
  assert versions.version()['git'] == {'commit': commit, 'dirty': False}
  (tmp_path / 'a').write_text('2')
  assert versions.version()['git'] == {'commit': commit, 'dirty': True}

  inner = tmp_path / 'site-packages'  # In another project's repository.
  inner.mkdir()
  monkeypatch.setattr(versions.packages, 'REPOSITORY', inner)
  assert versions.version()['git'] is None
