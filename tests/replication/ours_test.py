"""Tests of slac/replication/ours.py: runs' folders."""

import json

import pytest

from slac import errors
from slac.replication import ours
from tests.replication import made_up


def fault(paths, code=65):
  with pytest.raises(errors.UserError) as caught:
    ours.read(paths)
  assert caught.value.exit_code == code
  return str(caught.value)


def test_a_run_is_read(tmp_path):
  start = {'command': ['train_eval.py']}
  folder = made_up.write_run(
    tmp_path / 'a', {0: 1.5, 8: 2.5}, [start], Experiment_seed='7'
  )
  (run,) = ours.read([folder])
  assert (run.task, run.action_repeat) == ('cartpole swingup', 4)
  assert (run.variance, run.seed, run.name) == (0.1, 7, 'a')
  assert run.returns == {0: 1.5, 8: 2.5}
  assert run.success_rates == {}
  assert run.starts == [start]
  assert run.folder == folder


def test_a_run_of_gym_is_read(tmp_path):
  folder = made_up.write_run(tmp_path / 'a', {0: -1.5})
  config = {
    'Experiment.environment': '@GymEnvironment',
    'Experiment.seed': '0',
    'GymEnvironment.action_repeat': '2',
    'GymEnvironment.task': "'Hopper-v4'",
    'LatentModel.decoder_variance': '0.1',
    'Schedule.action_repeat': '2',
  }
  path = folder / 'config.json'
  path.write_text(json.dumps(config))
  (run,) = ours.read([folder])
  assert (run.task, run.action_repeat) == ('Hopper-v4', 2)
  assert run.returns == {0: -1.5}
  path.write_text(json.dumps(config | {'GymEnvironment.action_repeat': '4'}))
  assert 'counts 2 environment steps in an agent step that takes 4' in fault(
    [folder]
  )
  path.write_text(
    json.dumps(config | {'GymEnvironment.task': "'lab/Reach-v0'"})
  )
  assert ours.read([folder])[0].task == 'lab/Reach-v0'


@pytest.mark.parametrize('reference', ['@reach.Reach', '@reach.Reach()'])
def test_a_task_of_ones_own_is_called_as_its_environment(tmp_path, reference):
  """Whatever the task is that its gin file may have included."""
  folder = made_up.write_run(
    tmp_path / 'a',
    {8: -1.0},
    Experiment_environment=reference,
    DmControlEnvironment_action_repeat='1',
  )
  (run,) = ours.read([folder])
  assert (run.task, run.action_repeat) == ('reach.Reach', 4)
  assert run.returns == {8: -1.0}


@pytest.mark.parametrize(
  ('environment', 'task', 'name'),
  [
    ('SawyerEnvironment', "'door'", 'sawyer-door'),
    ('ClawEnvironment', "'uniform'", 'claw-uniform'),
    ('MetaWorldEnvironment', "'reach-v3'", 'reach-v3'),
  ],
)
def test_a_run_of_manipulation_is_read_with_its_success_rates(
  tmp_path, environment, task, name
):
  folder = made_up.write_run(tmp_path / 'a', {})
  (folder / 'config.json').write_text(
    json.dumps(
      {
        'Experiment.environment': f'@{environment}',
        'Experiment.seed': '0',
        'ManipulationEnvironment.action_repeat': '5',
        f'{environment}.task': task,
        'Schedule.action_repeat': '5',
      }
    )
  )
  table = folder / 'eval.csv'
  text = 'env_steps,agent_steps,average_return,success_rate\n'
  table.write_text(f'{text}0,0,-9.0,0.0\n10,2,-1.0,0.5\n')
  (run,) = ours.read([folder])
  assert (run.task, run.action_repeat) == (name, 5)
  assert run.returns == {0: -9.0, 10: -1.0}
  assert run.success_rates == {0: 0.0, 10: 0.5}
  table.write_text(f'{text}0,0,-9.0,x\n')
  assert "line 2: success_rate is 'x'" in fault([folder])


def test_a_folder_of_runs_stands_for_all_of_them_once(tmp_path):
  for name in ('b', 'a'):
    made_up.write_run(tmp_path / name, {})
  (tmp_path / 'no_run').mkdir()
  found = ours.read([tmp_path, tmp_path / 'a' / '..' / 'b'])
  assert [run.name for run in found] == ['a', 'b']
  assert found[0].returns == {}  # A run that has just begun.


def test_files_beside_folders_are_passed_over(tmp_path):
  made_up.write_run(tmp_path / 'a-seed0', {})
  log = tmp_path / 'a-seed0.log'
  log.write_text('begun')
  (run,) = ours.read(sorted(tmp_path.glob('a-seed*')))
  assert run.name == 'a-seed0'
  assert str(log) in fault([log], 66)


def test_a_run_without_an_evaluation_is_left_out_of_others(tmp_path, capsys):
  folder = made_up.write_run(tmp_path / 'a', {})
  (folder / 'eval.csv').unlink()
  assert 'nor holds one that has been evaluated' in fault([tmp_path], 66)
  made_up.write_run(tmp_path / 'b', {})
  capsys.readouterr()
  (run,) = ours.read([tmp_path])
  assert run.name == 'b'
  said = capsys.readouterr().err
  assert said == f'{folder} is left out: it has no evaluation yet.\n'


def test_where_there_is_no_run(tmp_path):
  assert str(tmp_path) in fault([tmp_path], 66)
  folder = made_up.write_run(tmp_path / 'a', {})
  (folder / 'eval.csv').unlink()
  assert 'eval.csv cannot be read' in fault([folder], 66)


def test_any_models_variance_counts_and_none_is_possible(tmp_path):
  folder = made_up.write_run(
    tmp_path / 'a', {}, SlacModel_decoder_variance=None
  )
  assert ours.read([folder])[0].variance is None


def test_a_variance_may_be_a_whole_number(tmp_path):
  folder = made_up.write_run(tmp_path / 'a', {}, SlacModel_decoder_variance='1')
  assert repr(ours.read([folder])[0].variance) == '1.0'


@pytest.mark.parametrize(
  ('settings', 'text'),
  [
    ({'DmControlEnvironment_domain': None}, 'does not set DmControlEnvir'),
    ({'Experiment_seed': "'0'"}, 'which is no int'),
    ({'Experiment_seed': 'True'}, 'which is no int'),
    ({'DmControlEnvironment_task': "'../x'"}, "task '../x'"),
    ({'Schedule_action_repeat': '2'}, 'counts 2 environment steps'),
    ({'Experiment_seed': '__import__("os").abort()'}, 'which is no int'),
    ({'Experiment_seed': '('}, 'which is no int'),
    ({'Experiment_environment': '@a b'}, "task 'a b'"),
    ({'SlacModel_decoder_variance': 'True'}, 'which is no float'),
    ({'SlacModel_decoder_variance': '9' * 400}, 'which is no float'),
  ],
)
def test_an_unsuitable_configuration_is_refused(tmp_path, settings, text):
  folder = made_up.write_run(tmp_path / 'a', {}, **settings)
  assert text in fault([folder])


def test_steps_that_are_not_the_benchmarks_are_refused(tmp_path):
  folder = made_up.write_run(tmp_path / 'a', {})
  table = folder / 'eval.csv'
  table.write_text('env_steps,agent_steps,average_return\n8,4,1.0\n')
  message = fault([folder])
  assert 'line 2: 8 environment steps are not 4 agent steps of 4' in message
  table.write_text('agent_steps,average_return\n2,1.0\n')
  assert 'no column env_steps' in fault([folder])
  table.write_text('env_steps,agent_steps,average_return\n8,2,1\n8,2,1\n')
  assert 'line 3: there is a second row at step 8' in fault([folder])


def test_rows_that_were_mended_from_events_are_read(tmp_path):
  folder = made_up.write_run(tmp_path / 'a', {})
  header = 'env_steps,agent_steps,average_return,success_rate\n'
  (folder / 'eval.csv').write_text(f'{header}4,1,-9.0,0.5\n8,,-1.0,\n')
  (run,) = ours.read([folder])
  assert run.returns == {4: -9.0, 8: -1.0}
  assert run.success_rates == {4: 0.5}


def test_damaged_json(tmp_path):
  folder = made_up.write_run(tmp_path / 'a', {})
  (folder / 'version.json').write_text('[1]')
  assert 'does not hold what belongs there' in fault([folder], 74)
  for text in ('[]', '{"Experiment.seed": 3}'):
    (folder / 'config.json').write_text(text)
    assert 'does not hold what belongs there' in fault([folder], 74)
  (folder / 'config.json').write_text('{"A')
  assert 'config.json is damaged' in fault([folder], 74)
