"""A run that begins with parts of another run's agent."""

import json
import types

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.agents import alm
from slac.storage import checkpoints, manifests
from slac.training import schedule, transfer
from tests import tiny

STEPS = 30  # Agent steps of 4 environment steps.


class NoReplay:
  """A replay without a step in it."""

  size = num_added = 0

  def get_state(self):
    return {}


@pytest.fixture(scope='module')
def trained():
  """An agent with other weights than new ones have."""
  return tiny.shake(tiny.agent(), seed=1)


@pytest.fixture(scope='module')
def source(trained, tmp_path_factory):
  """The folder of a run that was saved with this agent."""
  return saved(trained, tmp_path_factory.mktemp('runs'))


def saved(trained, root):
  """The folder of a run in a root folder that was saved with an agent."""
  folder = root / 'walker-seed0'
  folder.mkdir()
  (folder / 'config.json').write_text('{}')
  saver = checkpoints.Checkpoints(
    folder / 'checkpoints', tf.train.Checkpoint(agent=trained), NoReplay()
  )
  saver.restore()
  counters = schedule.Counters(action_repeat=4, agent_steps=STEPS)
  saver.save(7, {'counters': counters.get_state()})
  return folder


def values(module):
  return [variable.numpy() for variable in module.variables]


def equal(agent, other):
  """Which attributes of two agents have the same values."""
  found = set()
  for name in ('_model', '_actor', '_critics', '_target_critics', '_log_alpha'):
    ours, theirs = (
      [
        variable.numpy()
        for held in tf.nest.flatten(getattr(a, name))
        for variable in getattr(held, 'variables', [held])
      ]
      for a in (agent, other)
    )
    if all(map(np.array_equal, ours, theirs)):
      found.add(name)
  return found


@pytest.mark.parametrize(
  ('parts', 'loaded'),
  [
    (['model'], {'_model'}),
    (['actor', 'critics'], {'_actor', '_critics', '_target_critics'}),
  ],
)
def test_the_named_parts_are_the_other_runs_and_no_more(
  source, trained, parts, loaded
):
  trained._log_alpha.assign(1.0)
  agent = tiny.agent(seed=5)
  assert equal(agent, trained) == set()
  moments = values(agent._model_optimizer)
  generator = agent._generator.state.numpy()
  origin = transfer.Origin(None, str(source), parts)
  assert origin.noted == {}
  origin.load(agent)
  assert equal(agent, trained) == loaded
  for before, after in zip(
    moments, values(agent._model_optimizer), strict=True
  ):
    np.testing.assert_array_equal(before, after)
  np.testing.assert_array_equal(generator, agent._generator.state)
  (path,) = source.glob('checkpoints/checkpoint-*')
  manifest = json.loads((path / 'manifest.json').read_text())
  assert origin.noted == {
    'run': str(source),
    'parts': parts,
    'env_steps': 4 * STEPS,
    'checkpoint': path.name,
    'sha256': manifest['sha256'],
  }
  assert manifests.digest(manifests.read(path)) == manifest['sha256']


@pytest.mark.slow
@pytest.mark.parametrize('part', ['encoder', 'model', 'actor', 'critics'])
def test_parts_of_alm_are_those_of_its_networks(part, tmp_path):
  kind = {
    'agent_class': alm.AlmAgent,
    'time_step_spec': ts.time_step_spec(tiny.BOTH_SPEC),
  }
  trained = tiny.shake(tiny.agent(**kind), seed=1)
  agent = tiny.agent(**kind, seed=5)
  transfer.Origin(None, str(saved(trained, tmp_path)), [part]).load(agent)
  ours, theirs = (vars(a._networks) for a in (agent, trained))

  def weights(part):
    return [v for module in tf.nest.flatten(part) for v in values(module)]

  names = ('encoder', 'target_encoder', 'model', 'actor', 'reward')
  found = {
    name
    for name in (*names, 'critics', 'target_critics', 'classifier')
    if all(
      np.array_equal(x, y)
      for x, y in zip(weights(ours[name]), weights(theirs[name]), strict=True)
    )
  }
  targets = {f'target_{part}'} if part in ('encoder', 'critics') else set()
  assert found == {part} | targets


def fault(code, agent, *arguments):
  with pytest.raises(errors.UserError) as caught:
    transfer.Origin(None, *map(str, arguments[:1]), *arguments[1:]).load(agent)
  assert caught.value.exit_code == code
  return str(caught.value)


def test_all_variables_of_another_shape_are_named_and_none_is_loaded(source):
  agent = tiny.agent(seed=5, action_size=3)
  before = values(agent)
  message = fault(78, agent, source, ['actor', 'model'])
  # The mean and the deviation of each number in an action.
  assert (
    'agent/_actor/_mlp/layer_with_weights-2/bias is float32 [4] there and '
    'float32 [6] here; ' in message
  )
  assert 'agent/_model/_' in message and '_critics' not in message
  encoder = [name for name in message.split() if 'encoder' in name]
  assert encoder == []
  for x, y in zip(before, values(agent), strict=True):
    np.testing.assert_array_equal(x, y)


def test_of_many_differences_ten_are_named(source):
  agent = tiny.agent(LatentModel__hidden_size=4, SlacAgent__model_batch_size=1)
  message = fault(78, agent, source, ['model'])
  assert message.count(' there and ') == errors.LISTED
  assert ' more: use settings and a task that' in message


def test_variables_that_the_other_run_lacks_are_named(source):
  agent = types.SimpleNamespace(
    num_parameters={'model': 1},
    saved_parts=lambda _: tf.train.Checkpoint(_model=tf.Variable(0.0)),
  )
  message = fault(78, agent, source, ['model'])
  assert 'agent/_model is missing there and float32 [] here: ' in message


def test_variables_that_the_agent_lacks_are_named(tmp_path):
  """Without them a part would be another function than it was."""
  other = saved(tiny.agent(Critic__layer_norm=True), tmp_path)
  message = fault(78, tiny.agent(), other, ['critics'])
  assert (
    'agent/_critics/0/_norms/0/beta is float32 [6] there and missing here; '
    in message
  )
  transfer.Origin(None, str(other), ['model']).load(tiny.agent())


def test_parts_that_an_agent_has_not_are_named(source):
  agent = types.SimpleNamespace(num_parameters={'actor': 1, 'critics': 2})
  message = fault(64, agent, source, ['model'])
  assert "has no part 'model' (there are actor, critics) to begin" in message
  assert '(did you mean critics?)' in fault(64, agent, source, ['critic'])


def test_what_is_no_whole_run_is_refused(source, trained, tmp_path):
  assert 'is not the folder of a run' in fault(66, trained, tmp_path, ['model'])
  (tmp_path / 'config.json').write_text('{}')
  assert fault(66, trained, tmp_path, ['model']) == (
    f'There is no checkpoint in {tmp_path}/checkpoints.'
  )
  path = tmp_path / 'checkpoints' / 'checkpoint-0000000007'
  path.mkdir(parents=True)
  (path / 'manifest.json').write_text('{}')
  assert 'is damaged' in fault(74, trained, tmp_path, ['model'])


def test_a_run_that_has_begun_goes_on_without_the_other(tmp_path):
  folder, other = tmp_path / 'run', tmp_path / 'gone'
  (folder / 'checkpoints' / 'checkpoint-0000000000').mkdir(parents=True)
  noted = {'run': str(other), 'parts': ['actor', 'model'], 'env_steps': 3}
  (folder / 'version.json').write_text(json.dumps([{'init_from': noted}]))
  origin = transfer.Origin(folder, str(other), ['model', 'actor'])
  origin.load(None)  # It is not looked at.
  assert origin.noted == noted
  for arguments in ((None, ['model']), (str(other), ['model'])):
    with pytest.raises(errors.UserError) as caught:
      transfer.Origin(folder, *arguments)
    assert caught.value.exit_code == 78
    assert (
      f'was begun with --init_from={other} --init_parts actor model: start it '
      'in the same way' in str(caught.value)
    )
  (folder / 'version.json').write_text('[{}]')
  assert transfer.Origin(folder, None, ['model']).noted == {}
  with pytest.raises(errors.UserError, match='was begun without --init_from'):
    transfer.Origin(folder, str(other), ['model'])


def test_a_run_that_was_killed_in_its_first_save_has_not_begun(
  source, trained, tmp_path
):
  folder, agent = tmp_path / 'run', tiny.agent(seed=5)
  (folder / 'checkpoints' / 'tmp-checkpoint-0000000000').mkdir(parents=True)
  noted = {'run': str(source), 'parts': ['model'], 'sha256': 'ab'}
  (folder / 'version.json').write_text(json.dumps([{'init_from': noted}]))
  origin = transfer.Origin(folder, str(source), ['model'])
  origin.load(agent)
  assert origin.noted['sha256'] != 'ab'
  assert equal(agent, trained) == {'_model'}
  # One that was set aside was whole.
  (folder / 'checkpoints' / 'damaged-checkpoint-0000000000').mkdir()
  assert transfer.Origin(folder, str(source), ['model']).noted == noted


def test_without_another_run_nothing_is_noted(tmp_path):
  origin = transfer.Origin(tmp_path / 'none', None, ['model'])
  origin.load(None)
  assert origin.noted == {}
