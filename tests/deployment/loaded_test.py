"""What a loaded policy refuses, in one sentence each."""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from slac import deployment, errors
from slac.deployment import __main__ as command
from slac.deployment import description, records
from tests import tiny
from tests.deployment import exported

IMAGE = np.zeros([64, 64, 3], np.uint8)


@pytest.fixture(scope='module')
def policy():
  return exported.policy(exported.make_agent('history'))


@pytest.fixture(scope='module')
def state_policy():
  return exported.policy(exported.make_agent('state'))


def refused(function, *arguments, **keywords):
  """Returns the sentence and the exit code."""
  with pytest.raises(errors.UserError) as caught:
    function(*arguments, **keywords)
  message = str(caught.value)
  assert '\n' not in message and message.endswith('.')
  return message, caught.value.exit_code


@pytest.mark.parametrize(
  ('observation', 'says'),
  [
    ({}, "no 'pixels': make it a dict with 'pixels', uint8 [64, 64, 3]"),
    (IMAGE, "no 'pixels'"),
    ({'image': IMAGE}, "no 'pixels'"),
    ({'pixels': IMAGE[:32]}, 'is uint8 [32, 64, 3]: make it uint8 [64, 64, 3]'),
    ({'pixels': IMAGE[..., 0]}, 'is uint8 [64, 64]:'),
    ({'pixels': IMAGE[None, None]}, 'is uint8 [1, 1, 64, 64, 3]:'),
    ({'pixels': IMAGE / 255}, 'is float64 [64, 64, 3]:'),
    ({'pixels': IMAGE.astype(int)}, 'is int64 [64, 64, 3]:'),
    # Of a camera with more bits, which would begin again at 0 above 255.
    ({'pixels': IMAGE.astype(np.uint16)}, 'is uint16 [64, 64, 3]:'),
    ({'pixels': None}, 'is object []:'),
    ({'pixels': [[1, 2], [3]]}, 'is object []:'),
    ({'pixels': np.zeros([0, 64, 64, 3], np.uint8)}, 'at least 1'),
  ],
)
def test_observations_of_another_kind(policy, observation, says):
  message, _ = refused(policy, observation, policy.initial_state())
  assert says in message


@pytest.mark.parametrize('value', [np.nan, np.inf, 1e39])
def test_observations_that_are_not_finite(state_policy, value):
  state = np.zeros(tiny.STATE_SIZE)  # In 64 bits: as 32 hold 1e39 it is inf.
  state[2] = value
  message, _ = refused(
    state_policy, {'state': state}, state_policy.initial_state()
  )
  assert 'observation state is not finite' in message


def test_floats_of_another_width_are_taken(state_policy):
  values = [0.1, -2.0, 0.3, 0.0, 5.0]
  actions = [
    state_policy({'state': state}, state_policy.initial_state())[0]
    for state in (values, np.array(values), np.float32(values))
  ]
  np.testing.assert_array_equal(actions[0], actions[1])
  np.testing.assert_array_equal(actions[0], actions[2])


def test_states_of_another_kind(policy, state_policy):
  seen, batch = {'pixels': IMAGE}, {'pixels': IMAGE[np.newaxis]}
  begin = 'begin with initial_state()'
  broken = policy.initial_state()
  del broken['age']
  more = {**policy.initial_state(), 'other': broken['seed']}
  for state in (None, (), {}, broken, more, policy.initial_state(1)):
    assert begin in refused(policy, seen, state)[0]
  assert begin in refused(policy, seen, state_policy.initial_state())[0]
  for state in (policy.initial_state(), policy.initial_state(2)):
    message, _ = refused(policy, batch, state)
    assert 'a batch of 1: begin with initial_state(1)' in message


@pytest.mark.parametrize(
  'is_first', [1, 0.0, None, 'no', np.array([True]), np.array([True, False])]
)
def test_first_steps_of_another_kind(policy, is_first):
  message, _ = refused(
    policy, {'pixels': IMAGE}, policy.initial_state(), is_first
  )
  assert message.startswith('is_first is ') and message.endswith('it bool.')


def test_first_steps_of_a_batch(policy):
  seen, state = {'pixels': np.stack([IMAGE] * 3)}, policy.initial_state(3)
  message, _ = refused(policy, seen, state, np.array([True, False]))
  assert message == 'is_first is bool [2]: make it bool or bool [3].'
  one, _ = policy(seen, state, True)
  three, _ = policy(seen, state, np.array([True, True, True]))
  np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize('size', [0, -1, 1.0, '2', True])
def test_batches_of_no_size(policy, size):
  assert f'batch_size is {size!r}' in refused(policy.initial_state, size)[0]


@pytest.mark.parametrize('seed', [-1, 2**31, 0.5, None])
def test_seeds_that_are_none(policy, seed):
  message, _ = refused(policy.initial_state, seed=seed)
  assert f'seed is {seed!r}' in message


@pytest.fixture
def folder(policy, tmp_path):
  """A policy's folder, but for the SavedModel in it."""
  (tmp_path / 'saved_model.pb').write_bytes(b'')
  (tmp_path / description.NAME).write_text(json.dumps(policy.about))
  return tmp_path


def test_what_is_no_policy(folder):
  path = folder / description.NAME
  assert description.read(folder)['task'] == 'a task'
  message, code = refused(deployment.load, folder)
  assert f'The policy in {folder} is damaged (' in message and code == 65
  message, code = refused(deployment.load, folder / 'none')
  assert f'There is no folder {folder}/none: ' in message and code == 66
  assert refused(deployment.load, str(path))[1] == 66

  about = json.loads(path.read_text())
  path.write_text(json.dumps({**about, 'format': 2}))
  message, code = refused(deployment.load, folder)
  assert 'has format 2, and this version of the project knows' in message
  assert code == 65
  del about['action']
  for text in ('', '{', '[]', '{"format": "1"}', json.dumps(about)):
    path.write_text(text)
    message, code = refused(deployment.load, folder)
    assert f'{path} is damaged (' in message and code == 65
  path.unlink()  # As in what TF-Agents has exported.
  message, code = refused(deployment.load, folder)
  assert 'holds no policy.json' in message and '--export' in message
  assert code == 66


def test_a_policy_without_its_model(folder):
  (folder / 'saved_model.pb').unlink()
  message, code = refused(deployment.load, folder)
  assert 'holds no saved_model.pb' in message and code == 66
  shutil.rmtree(folder)
  assert refused(deployment.load, folder)[1] == 66


def test_a_policy_whose_parameters_are_cut_off(tmp_path):
  module = tf.Module()
  module.parameters = tf.Variable(tf.zeros([1000]))
  tf.saved_model.save(module, str(tmp_path))
  shutil.copy(records.FOLDER / 'cartpole' / description.NAME, tmp_path)
  (data,) = tmp_path.glob('variables/*.data*')
  for size in (50, 0):
    os.truncate(data, size)
    message, code = refused(deployment.load, tmp_path)
    assert f'The policy in {tmp_path} is damaged (' in message and code == 65


def test_the_time_of_every_action_is_measured(policy):
  seconds = command.measure(policy, 3)
  assert seconds.shape == (3, 2)
  assert np.all(seconds > 0) and np.all(seconds < 60)
