"""Tests of slac/sweep/checking.py: what is found before anything is begun."""

import gin
import pytest

from slac import errors
from slac.sweep import checking, plan


@pytest.fixture(autouse=True)
def _unbound():
  yield
  gin.clear_config()


def check(settings, tasks=('walker',), gin_files=(), seeds=1):
  variants = plan.varied(settings, gin_files)
  sweep = plan.Sweep('name', 'title', tasks, variants, seeds)
  return checking.experiments(plan.commands(sweep, 'runs'))


def fault(code, *arguments, **keywords):
  with pytest.raises(errors.UserError) as caught:
    check(*arguments, **keywords)
  assert caught.value.exit_code == code
  return str(caught.value)


def test_the_settings_of_each_command_without_its_seed():
  values = ['0.1', '0.2']
  found = check({'DECODER_VARIANCE': values}, ('walker', 'finger'), seeds=2)
  assert len(found) == 8
  assert found[:4] == found[4:]  # Of the second seed.
  assert [
    (
      item.settings['LatentModel.decoder_variance'],
      item.schedule.action_repeat,
    )
    for item in found[:4]
  ] == [('0.1', 2), ('0.2', 2), ('0.1', 1), ('0.2', 1)]
  assert 'Experiment.seed' not in found[0].settings
  assert found[4].command.seed == 0


def test_a_setting_that_does_not_exist():
  message = fault(78, {'SlacAgent.modle': ['@SlacModel', '@PlanetModel']})
  assert 'SlacAgent has no parameter modle (did you mean model?)' in message
  assert 'must be a finite number' in fault(
    78, {'SlacAgent.model_learning_rate': ['1e-4', "'x'"]}
  )
  assert '(did you mean quick.gin?)' in fault(
    66, {}, gin_files=['gin/quik.gin']
  )


def test_one_experiment_is_not_made_twice():
  message = fault(64, {'SoftActorCritic.gamma': ['0.5', '.5']})
  assert message.startswith(
    'walker-gamma=0.5-seed0 and walker-gamma=.5-seed0 are one experiment'
  )
  # The longer run has all that the shorter has.
  assert 'how long' in fault(64, {'Schedule.env_steps': ['1000', '2000']})


def test_runs_do_not_share_a_folder(tmp_path):
  own = tmp_path / 'walker.gin'
  own.write_text("include 'gin/walker.gin'\nSoftActorCritic.gamma = 0.5\n")
  message = fault(64, {}, ('walker', str(own)))
  assert message.startswith('Two runs would have the name walker-seed0: ')
