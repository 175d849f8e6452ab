"""Tests of slac/deployment/records.py: how a policy was trained."""

import json

import pytest

from slac.deployment import records

OLD = {'commit': 'a' * 40, 'dirty': False}
NEW = {'commit': 'b' * 40, 'dirty': False}


@pytest.mark.parametrize(
  ('gits', 'commit', 'has_changes'),
  [
    ([NEW], 'b' * 40, False),
    ([NEW, NEW], 'b' * 40, False),
    ([{**NEW, 'dirty': True}], 'b' * 40, True),
    ([{**NEW, 'dirty': True}, NEW], 'b' * 40, True),
    ([OLD, NEW], 'b' * 40, True),  # The older has its part in the policy.
    ([None, None], 'unknown', False),
    ([], 'unknown', False),
  ],
)
def test_it_says_if_other_code_than_the_commit_s_had_a_part(
  tmp_path, gits, commit, has_changes
):
  run, policy = tmp_path / 'run', tmp_path / 'policy'
  run.mkdir()
  policy.mkdir()
  (run / 'config.json').write_text('{}')
  if gits:
    starts = [{'git': git} for git in gits]
    (run / 'version.json').write_text(json.dumps(starts))
  records.write(policy, run, 0, [])
  trained = records.read(policy)['trained']
  assert trained['commit'] == commit
  assert trained['has_changes'] == has_changes
