"""Tests of slac/replication/variants.py: how runs are told apart and named."""

import types

from slac.replication import variants


def run(name, task='walker walk', **config):
  """A run with settings; the first underscore of their names is a dot."""
  named = {key.replace('_', '.', 1): text for key, text in config.items()}
  return types.SimpleNamespace(name=name, task=task, config=named)


def group(*runs):
  return {
    task: {name: [run.name for run in found] for name, found in named.items()}
    for task, named in variants.group(runs).items()
  }


def test_runs_that_differ_in_seed_and_logging_only_are_one_variant():
  first = run('a', Experiment_seed='0', A_size='1', Schedule_env_steps='100')
  second = run('b', Experiment_seed='1', A_size='1', Schedule_env_steps='200')
  assert group(first, second) == {'walker walk': {'': ['a', 'b']}}


def test_a_name_has_what_differs_and_nothing_else():
  runs = [
    run('a', A_size='16', A_rate='0.0003', A_same='1'),
    run('b', A_size='16', A_rate='0.0001', A_same='1'),
    run('c', A_size='2', A_rate='0.0001', A_same='1'),
  ]
  assert group(*runs)['walker walk'] == {
    'rate = 1e-4, size = 2': ['c'],
    'rate = 1e-4, size = 16': ['b'],
    'rate = 3e-4, size = 16': ['a'],
  }


def test_of_different_agents_only_what_differs_within_one_is_named():
  runs = [
    run('a', Experiment_agent='@Slac', A_rate='0.1', Slac_size='1'),
    run('b', Experiment_agent='@Alm', A_rate='0.2', Alm_k='3'),
    run('c', Experiment_agent='@Alm', A_rate='0.2', Alm_k='5'),
  ]
  assert group(*runs[:2])['walker walk'] == {
    'agent = @Alm': ['b'],
    'agent = @Slac': ['a'],
  }
  assert group(*runs)['walker walk'] == {
    'agent = @Alm, k = 3': ['b'],
    'agent = @Alm, k = 5': ['c'],
    'agent = @Slac': ['a'],
  }
  # In a report on one agent alone it need not be named.
  assert list(group(*runs[1:])['walker walk']) == ['k = 3', 'k = 5']


def test_numbers_are_written_as_gin_files_have_them():
  texts = {
    **{'1e-05': '1e-5', '0.00025': '2.5e-4', '0.001': '1e-3'},
    **{'0.004': '0.004', '0.04': '0.04', '0.0': '0.0', '1.0': '1.0'},
    **{'16': '16', 'True': 'True', "'bfloat16'": "'bfloat16'", '@M': '@M'},
  }
  for text, expected in texts.items():
    runs = [run('a', A_x=text), run('b', A_x='None')]
    assert f'x = {expected}' in group(*runs)['walker walk']


def test_a_setting_that_a_variant_lacks_is_not_in_its_name():
  runs = [
    run('a', A_model='@Slac'),
    run('b', A_model='@Planet', Planet_size='30'),
  ]
  assert group(*runs)['walker walk'] == {
    'model = @Planet, size = 30': ['b'],
    'model = @Slac': ['a'],
  }
  runs = [run('a'), run('b', A_crop='4', A_pad='1')]
  assert group(*runs)['walker walk'] == {
    'crop not set, pad not set': ['a'],
    'crop = 4, pad = 1': ['b'],
  }


def test_what_is_a_trials_own_unless_it_ends_pretraining():
  """The log's interval does, where there is patience; and only there."""
  none = {'Schedule_pretraining_patience': 'None'}
  runs = [
    run('a', Schedule_pretraining_patience='3', Schedule_log_interval='2'),
    run('b', Schedule_log_interval='2', **none),
  ]
  assert group(*runs)['walker walk'] == {
    'pretraining_patience = 3': ['a'],
    'pretraining_patience = None': ['b'],
  }
  runs.append(run('c', Schedule_log_interval='4', **none))
  assert group(*runs)['walker walk'] == {
    'pretraining_patience = 3': ['a'],
    'pretraining_patience = None': ['b', 'c'],
  }
  own = {'Schedule_pretraining_patience': '3', 'Schedule_log_interval': '8'}
  runs.append(run('d', **own))
  assert group(*runs)['walker walk'] == {
    'log_interval = 2, pretraining_patience = 3': ['a'],
    'log_interval = 8, pretraining_patience = 3': ['d'],
    'pretraining_patience = None': ['b', 'c'],
  }


def test_a_variant_has_the_same_name_in_all_tasks():
  runs = [
    run('a', A_rate='0.1', Schedule_action_repeat='2'),
    run('b', A_rate='0.2', Schedule_action_repeat='2'),
    run('c', 'finger spin', A_rate='0.2', Schedule_action_repeat='1'),
  ]
  # The action repeat does not differ within any task.
  assert group(*runs) == {
    'finger spin': {'rate = 0.2': ['c']},
    'walker walk': {'rate = 0.1': ['a'], 'rate = 0.2': ['b']},
  }


def test_settings_of_one_value_are_named_once_and_others_in_full():
  one = {'Schedule_action_repeat': '2', 'Environment_action_repeat': '2'}
  two = {'Schedule_action_repeat': '4', 'Environment_action_repeat': '4'}
  assert list(group(run('a', **one), run('b', **two))['walker walk']) == [
    'action_repeat = 2',
    'action_repeat = 4',
  ]
  one = {'Actor_rate': '1', 'Critic_rate': '2'}
  two = {'Actor_rate': '2', 'Critic_rate': '1'}
  assert list(group(run('a', **one), run('b', **two))['walker walk']) == [
    'Actor.rate = 1, Critic.rate = 2',
    'Actor.rate = 2, Critic.rate = 1',
  ]


def test_different_variants_never_share_a_name():
  runs = [run('a', Slac_size='1'), run('b', Planet_size='1')]
  assert group(*runs)['walker walk'] == {
    'Planet.size = 1': ['b'],
    'Slac.size = 1': ['a'],
  }
