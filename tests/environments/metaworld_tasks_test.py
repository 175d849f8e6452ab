"""Tests of slac/environments/metaworld_tasks.py against Meta-World itself."""

import pathlib
from importlib import metadata

import numpy as np
import pytest

from slac import errors
from slac.environments import metaworld_tasks, rendering
from tests.environments import dm_control_tasks_test, manipulated

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
blank = dm_control_tasks_test.blank
# Of bin-picking, Meta-World remembers more than of the others.
SOME = ('bin-picking-v3', 'hammer-v3', 'reach-v3')


def make(task, seed=0, episode_steps=500, action_repeat=1):
  with manipulated.settings(episode_steps, action_repeat):
    environment = metaworld_tasks.MetaWorldEnvironment(task)
  environment.seed(seed)
  return environment


@manipulated.has_metaworld
def test_metaworlds_tasks_have_its_own_steps_rewards_and_success(blank):
  environment = make('button-press-v3', action_repeat=2)
  from metaworld import env_dict, policies

  own = env_dict.ALL_V3_ENVIRONMENTS['button-press-v3']()
  own._set_task_called, own._freeze_rand_vec = True, False
  own.seeded_rand_vec, own._partially_observable = True, False
  del own.sawyer_observation_space
  own.np_random = np.random.default_rng(7)
  environment.seed(7)
  observation, _ = own.reset()
  step = environment.reset()
  solved = False
  policy = policies.SawyerButtonPressV3Policy()
  while not step.is_last():
    np.testing.assert_array_equal(
      step.observation['state'], observation.astype(np.float32)
    )
    action = np.clip(policy.get_action(observation), -1, 1).astype(np.float32)
    total = 0.0
    for _ in range(2):
      observation, reward, _, _, info = own.step(action)
      total += reward
      solved |= info['success'] == 1
    step = environment.step(action)
    assert step.reward == np.float32(total)
    assert environment.is_success() == solved
  assert own.curr_path_length == 500 and solved
  environment.reset()
  assert not environment.is_success()


def _conforms(task):
  environment = make(task, episode_steps=5)
  environment.observe(['state'])
  step = environment.reset()
  for _ in range(5):
    assert not step.is_last()
    step = environment.step(np.full(4, 0.5, np.float32))
    assert step.observation['state'].shape == (39,)
    assert np.isfinite(step.reward)
  assert step.is_last() and environment.name == task
  manipulated.assert_resumes(lambda seed: make(task, seed), 5, render=False)


@manipulated.has_metaworld
@pytest.mark.parametrize('task', SOME)
def test_a_task_of_metaworld_takes_steps_and_resumes(task):
  _conforms(task)


@manipulated.has_metaworld
def test_success_at_any_step_counts_and_is_remembered(blank, monkeypatch):
  environment = make('reach-v3')
  other = make('reach-v3')
  step, told = environment._engine.step, iter([0.0, 1.0, 0.0])
  monkeypatch.setattr(
    environment._engine,
    'step',
    lambda action: (*step(action)[:4], {'success': next(told)}),
  )
  environment.reset()
  found = []
  for _ in range(3):
    environment.step(np.zeros(4, np.float32))
    found.append(environment.is_success())
  assert found == [False, True, True]
  other.set_state(environment.get_state())
  assert other.is_success()


@manipulated.has_metaworld
def test_what_bin_picking_measures_at_its_first_step_is_remembered(blank):
  environment, other = make('bin-picking-v3'), make('bin-picking-v3')
  environment.reset()
  other.reset()
  other.step(np.zeros(4, np.float32))
  other.set_state(environment.get_state())
  assert other._engine._target_to_obj_init is None
  environment.step(np.zeros(4, np.float32))
  environment._engine._target_to_obj_init = 0.125
  other.set_state(environment.get_state())
  assert other._engine._target_to_obj_init == 0.125


@manipulated.has_metaworld
@pytest.mark.slow
@pytest.mark.long
def test_all_fifty_do():
  rendering.choose_backend()
  from metaworld import env_dict

  assert len(env_dict.ALL_V3_ENVIRONMENTS) == 50
  for task in env_dict.ALL_V3_ENVIRONMENTS:
    _conforms(task)


def test_faults(monkeypatch):
  def fault(environment, *arguments):
    with pytest.raises(errors.UserError) as caught:
      environment(*arguments)
    return caught.value.exit_code, str(caught.value).splitlines()[0]

  versions = {}

  def version(name):
    if name not in versions:
      raise metadata.PackageNotFoundError(name)
    return versions[name]

  monkeypatch.setattr(metaworld_tasks.metadata, 'version', version)
  assert fault(make, 'reach-v3') == (
    69,
    'metaworld is not installed, and the Sawyer needs its version 3.0.0: '
    f'{metaworld_tasks.INSTALL}.',
  )
  versions['metaworld'] = '2.0.0'
  code, text = fault(make, 'reach-v3')
  assert code == 69 and text.startswith('metaworld is 2.0.0, and the Sawyer ')


@manipulated.has_metaworld
def test_faults_in_what_metaworld_has():
  with pytest.raises(errors.UserError, match=r'mean button-press-v3') as caught:
    make('button-pres-v3')
  assert caught.value.exit_code == 78
  with pytest.raises(errors.UserError, match=r'is 501, .* most 500 steps: set'):
    make('reach-v3', episode_steps=501)


def test_the_version_is_the_locks():
  (line,) = [
    line
    for line in (REPOSITORY / 'requirements-manipulation.txt')
    .read_text()
    .splitlines()
    if line.startswith('metaworld==')
  ]
  assert line.split()[0] == f'metaworld=={metaworld_tasks.VERSION}'
