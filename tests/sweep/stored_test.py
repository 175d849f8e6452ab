"""Tests of slac/sweep/stored.py with folders, and without a cluster."""

import gin
import pytest

from slac import errors
from slac.sweep import checking, plan, stored

pytest.importorskip('ray', reason='There is no Ray; see docs/scale.md.')

BEFORE = 'SoftActorCritic.gamma = 0.9\nSchedule.env_steps = 8000\n'


@pytest.fixture
def settings(tmp_path):
  """Returns what a sweep's runs have, whose overlay has a text in it."""
  overlay = tmp_path / 'own.gin'

  def load(text):
    overlay.write_text(f"include 'tests/tiny.gin'\n{text}")
    variants = plan.varied({}, [str(overlay)])
    sweep = plan.Sweep('name', 'title', ('cartpole',), variants, 2)
    commands = plan.commands(sweep, 'runs')
    return stored.settings_of(commands, checking.experiments(commands))

  yield load
  gin.clear_config()


@pytest.mark.parametrize(
  ('before', 'now', 'change'),
  [
    ('0.9', '0.99', 'SoftActorCritic.gamma: 0.9 -> 0.99'),
    ('8000', '16000', 'Schedule.env_steps: 8000 -> 16000'),
  ],
)
def test_a_sweep_goes_on_with_its_own_settings_alone(
  tmp_path, settings, before, now, change
):
  storage = tmp_path.as_uri()
  stored.keep(settings(BEFORE), storage, 'name')
  # It may be evaluated more often.
  same = settings(BEFORE + 'Schedule.eval_interval = 7\n')
  stored.refuse_others(same, storage, 'name')
  others = settings(BEFORE.replace(before, now))
  with pytest.raises(errors.UserError) as caught:
    stored.refuse_others(others, storage, 'name')
  assert str(caught.value).count('->') == 2 and change in str(caught.value)
  assert '--root_dir' in str(caught.value)
  assert caught.value.exit_code == 78


def test_a_sweep_that_has_kept_no_settings_goes_on(tmp_path):
  stored.refuse_others({'a': {'A.x': '1'}}, tmp_path.as_uri(), 'older')


def test_a_sweep_is_found_where_the_storage_has_options(tmp_path):
  (tmp_path / 'name').mkdir()
  storage = f'{tmp_path.as_uri()}?region=there'
  assert not stored.is_there(storage, 'name')
  assert not stored.is_there(storage, 'other')
  (tmp_path / 'name' / 'experiment_state-0.json').touch()
  assert stored.is_there(storage, 'name')
  assert not stored.is_there(storage, 'other')
