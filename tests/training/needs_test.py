"""Tests of slac/training/needs.py: what is refused before anything is built."""

import gin
import pytest

from slac import errors
from slac.agents import slac_agent
from slac.config import bindings
from slac.training import devices, experiment, memory, needs
from tests import tiny

GIGABYTE = 10**9


@gin.configurable(module='slac_test')
class LongerAgent(slac_agent.SlacAgent):
  def __init__(self, *args, **kwargs):
    super().__init__(*args, **kwargs)


@gin.configurable(module='slac_test')
def some_agent(*args):
  raise NotImplementedError


@pytest.fixture(autouse=True)
def machine(monkeypatch):
  """8 GB of memory, and no GPU."""
  monkeypatch.setattr(memory, 'available', lambda: 8 * GIGABYTE)
  monkeypatch.setattr(devices, 'names', lambda: ['CPU'])
  yield
  gin.clear_config()


def check(*params, files=()):
  files = ['gin/cartpole.gin', *files]
  bindings.load(files, ['Experiment.seed = 0', *params])
  needs.check()


def refusal(*params, files=()):
  with pytest.raises(errors.UserError) as caught:
    check(*params, files=files)
  assert caught.value.exit_code == 78
  return str(caught.value)


@pytest.mark.parametrize(
  'overlay',
  ['sac_state', 'sac_pixels', 'ablation/planet', 'ablation/simple_vae', 'alm'],
)
def test_what_ships_is_let_through(overlay):
  check(files=[f'gin/{overlay}.gin'])


@pytest.mark.parametrize(
  ('setting', 'value'),
  [
    ('Schedule.batch_size', 10**12),
    ('SlacAgent.model_batch_size', 10**12),
    ('SlacAgent.sequence_length', 1000),
    ('SoftActorCritic.hidden_size', 10**12),
    ('LatentModel.hidden_size', 10**12),
    ('LatentModel.base_depth', 10**12),
    ('LatentModel.feature_size', 10**12),
    ('LatentModel.latent1_size', 10**12),
    ('LatentModel.latent2_size', 10**12),
    ('LatentModel.hidden_size', 40_000),
  ],
)
def test_the_setting_that_takes_the_memory_is_named(setting, value):
  message = refusal(f'{setting} = {value}')
  assert message.startswith(f'With {setting} = {value} networks and batches ')
  assert message.endswith(' but 8 GB are available: set it lower.')


def test_the_sizes_of_other_models_and_agents_are_known():
  message = refusal(
    'PlanetModel.gru_size = 1000000000', files=['gin/ablation/planet.gin']
  )
  assert message.startswith('With PlanetModel.gru_size = 1000000000 networks')
  message = refusal(
    'SacPixelsAgent.base_depth = 100000', files=['gin/sac_pixels.gin']
  )
  assert message.startswith('With SacPixelsAgent.base_depth = 100000 networks')


def test_larger_images_and_embeddings_take_more():
  sizes = {'SlacAgent.sequence_length': 3, 'Schedule.batch_size': 10}
  assert needs.needed(sizes, (128, 32, 6)) == 2 * 10 * 4 * 128 * 32 * 6
  sizes = {'SlacAgent.model_batch_size': 1, 'LatentModel.base_depth': 2}
  # 42 kernels of 3 x 3 by 2^2; maps of 16 x 24 pixels and so on, for 1 image.
  maps = 4 * 2 * (384 + 2 * 96 + 4 * 24 + 8 * 6)
  assert needs.needed(sizes, (32, 48, 1)) == 4 * 9 * 42 * 16 + maps
  sizes['LatentModel.feature_size'] = 5
  # From 2 x 3 x 16 values to 5.
  assert needs.needed(sizes, (32, 48, 1)) == (4 * 378 + 480) * 16 + maps
  message = refusal(
    'Proprioception.embedding_size = 1000000000',
    files=['gin/proprioception.gin'],
  )
  assert message.startswith('With Proprioception.embedding_size = 1000000000 ')


def test_the_shape_of_images_is_the_environment_s():
  bindings.load(['gin/walker.gin'], ['Experiment.seed = 0'])
  assert needs.image_shape_of(environment_class()) == (64, 64, 3)
  sizes = 'DmControlEnvironment.image_size = (96, 128)'
  bindings.load(['gin/walker.gin'], ['Experiment.seed = 0', sizes])
  assert needs.image_shape_of(environment_class()) == (96, 128, 3)
  for other in (some_agent, lambda image_size: None, lambda image_size=96: 0):
    assert needs.image_shape_of(other) == (32, 32, 1)


def environment_class():
  return gin.get_bindings(experiment.Experiment)['environment']


def test_a_batch_without_images_is_small():
  check('Schedule.batch_size = 100000', files=['gin/sac_state.gin'])
  assert 'Schedule.batch_size' in refusal('Schedule.batch_size = 100000')


@pytest.mark.parametrize(
  'setting',
  [
    'AlmNetworks.latent_size = 100000000',
    'AlmNetworks.hidden_size = 100000',
    'AlmNetworks.model_hidden_size = 100000',
    'Schedule.batch_size = 10000000',
  ],
)
def test_the_sizes_of_alm_are_known(setting):
  assert refusal(setting, files=['gin/alm.gin']).startswith(f'With {setting} ')


def test_alms_sequences_must_fit_into_its_data():
  message = refusal('Schedule.random_agent_steps = 2', files=['gin/alm.gin'])
  assert 'leave no sequence of 4 steps to begin training with' in message
  check('Schedule.random_agent_steps = 3', files=['gin/alm.gin'])


def test_sac_learns_of_two_steps_at_least():
  files = {'files': ['gin/sac_state.gin']}
  none = 'Schedule.random_episodes = 0'
  message = refusal(none, 'Schedule.random_agent_steps = 0', **files)
  assert 'leave no sequence of 2 steps to begin training with' in message
  check(none, 'Schedule.random_agent_steps = 1', **files)


def test_returns_of_n_steps_need_as_many():
  none = 'Schedule.random_episodes = 0', 'NStepReturn.num_steps = 5'
  message = refusal(*none)
  assert 'leave no sequence of 13 steps to begin training with' in message
  check(*none, 'Schedule.random_agent_steps = 13')


def test_no_more_parameters_of_alm_are_counted_than_there_are():
  check(files=['gin/alm.gin'])
  agent = gin.get_bindings(experiment.Experiment)['agent']
  # Of HalfCheetah there are 3,025,107.
  assert 2_800_000 < needs._parameters(needs.sizes_of(agent), 0) < 3_025_107


def test_the_bytes_of_parameters_batches_and_maps(monkeypatch):
  sizes = {'SoftActorCritic.hidden_size': 10}
  # Three products of the hidden layers; a parameter takes 16 bytes.
  assert needs.needed(sizes, (64, 64, 3)) == 300 * 16
  sizes = {'SlacAgent.sequence_length': 3, 'Schedule.batch_size': 10}
  assert needs.needed(sizes, (64, 64, 3)) == 2 * 10 * 4 * 12288
  sizes['SlacAgent.model_batch_size'] = 5
  sizes['LatentModel.base_depth'] = 1
  # 42 kernels of 3 x 3; maps of 32, 16, 8 and 4 pixels' width, of 5 * 4 images.
  maps = 4 * 20 * (1024 + 2 * 256 + 4 * 64 + 8 * 16)
  batches = 2 * 10 * 4 * 12288
  assert needs.needed(sizes, (64, 64, 3)) == 9 * 42 * 16 + batches + maps
  # These lie in its own memory.
  monkeypatch.setattr(devices, 'names', lambda: ['a GPU'])
  assert needs.needed(sizes, (64, 64, 3)) == 9 * 42 * 16 + batches


@pytest.mark.parametrize(
  'overlay',
  [
    *('slac', 'sac_pixels', 'ablation/planet', 'ablation/simple_vae'),
    'ablation/simple_filtering',
  ],
)
def test_no_more_parameters_are_counted_than_there_are(overlay):
  files = ['gin/walker.gin', 'gin/quick.gin', f'gin/{overlay}.gin']
  macros = 'ACTION_REPEAT = 2', 'DECODER_VARIANCE = 0.1'
  bindings.load(files, ['Experiment.seed = 0', *macros])
  agent_class = gin.get_bindings(experiment.Experiment)['agent']
  sizes = needs.sizes_of(agent_class)
  agent = agent_class(tiny.TIME_STEP_SPEC, tiny.action_spec(6), 0)
  ratio = needs._parameters(sizes, 64 * 64) / sum(agent.num_parameters.values())
  assert 0.5 < ratio <= 1


def test_a_subclass_s_own_setting_counts_in_place_of_its_base_s():
  agent = 'Experiment.agent = @LongerAgent'
  assert 'Schedule.batch_size' in refusal(agent, 'Schedule.batch_size = 100000')
  assert 'LatentModel.hidden_size' in refusal(
    agent, 'LatentModel.hidden_size = 100000'
  )
  check(
    agent,
    'Schedule.batch_size = 100000',
    'LongerAgent.sequence_length = 2',
    'LongerAgent.model_batch_size = 3',
  )


def test_of_a_function_nothing_is_known():
  check('Experiment.agent = @some_agent', 'LatentModel.hidden_size = 100000')


@pytest.mark.parametrize(
  ('capacity', 'message'),
  [
    (2, 'Replay.capacity = 2 is too small to draw sequences of 9 steps from: '),
    (9, 'Replay.capacity = 9 is too small to draw sequences of 9 steps from: '),
  ],
)
def test_a_replay_that_never_holds_a_sequence(capacity, message):
  assert refusal(f'Replay.capacity = {capacity}') == (
    f'{message}set it to 10 at least.'
  )
  check('Replay.capacity = 10')


def test_several_environments_need_several_times_the_replay_and_the_data():
  two = 'Collection.environments = 2'
  assert refusal(two, 'Replay.capacity = 18') == (
    'Replay.capacity = 18 is too small to draw sequences of 9 steps of each of '
    '2 environments from: set it to 19 at least.'
  )
  check(two, 'Replay.capacity = 19')
  none = 'Schedule.random_episodes = 0'
  assert refusal(two, none, 'Schedule.random_agent_steps = 17') == (
    'Schedule.random_episodes = 0 and Schedule.random_agent_steps = 17 leave '
    'no sequence of 9 steps of each of 2 environments to begin training with: '
    'set the latter to 18 at least.'
  )
  check(two, none, 'Schedule.random_agent_steps = 18')
  unpretrained = two, none, 'Schedule.model_updates = 0'
  check(*unpretrained, 'Schedule.random_agent_steps = 16')
  refusal(*unpretrained, 'Schedule.random_agent_steps = 15')


def test_random_data_without_a_sequence():
  none = 'Schedule.random_episodes = 0'
  assert refusal(none) == (
    'Schedule.random_episodes = 0 and Schedule.random_agent_steps = 0 leave no '
    'sequence of 9 steps to begin training with: set the latter to 9 at least.'
  )
  check(none, 'Schedule.random_agent_steps = 9')
  assert 'random_agent_steps = 8' in refusal(
    none, 'Schedule.random_agent_steps = 8'
  )
  # Without pretraining, training begins with a step.
  unpretrained = none, 'Schedule.model_updates = 0'
  check(*unpretrained, 'Schedule.random_agent_steps = 8')
  refusal(*unpretrained, 'Schedule.random_agent_steps = 7')


def test_missing_settings_are_left_to_what_needs_them():
  task = 'Experiment.environment = @GymEnvironment'
  bindings.load([], [task, 'Schedule.batch_size = 3'])
  with (
    pytest.raises(errors.UserError) as caught,
    bindings.translate_gin_errors(),
  ):
    needs.check()
  assert 'Schedule.action_repeat and' in str(caught.value)
  of_schedule = bindings.ROOT / 'gin' / 'slac.gin'
  lines = of_schedule.read_text().replace('%ACTION_REPEAT', '4').splitlines()
  schedule = [line for line in lines if line.startswith('Schedule.')]
  bindings.load([], [task, *schedule])
  needs.check()
