"""Every gin file that ships is built, and trained one step at tiny size."""

import functools
import pathlib
import re

import gin
import numpy as np
import pytest
import tensorflow as tf

from slac import errors
from slac.config import bindings
from slac.environments import dm_control_tasks
from slac.training import experiment, replay
from tests import tiny
from tests.environments import manipulated

FOLDER = pathlib.Path(__file__).resolve().parent.parent / 'gin'
# Of method.md, section 8: task, action repeat, sigma^2.
TASKS = {
  'cheetah': ('cheetah run', 4, 0.1),
  'walker': ('walker walk', 2, 0.4),
  'ball_in_cup': ('ball_in_cup catch', 4, 0.04),
  'finger': ('finger spin', 1, 0.1),
  'cartpole': ('cartpole swingup', 4, 0.1),
  'reacher': ('reacher easy', 4, 0.1),
  'half_cheetah': ('HalfCheetah-v4', 1, 0.1),
  'walker2d': ('Walker2d-v4', 4, 0.1),
  'hopper': ('Hopper-v4', 2, 0.1),
  'ant': ('Ant-v4', 4, 0.1),
}
MANIPULATION = {
  'sawyer_door': ('sawyer-door', 5, 0.1),
  'sawyer_drawer': ('sawyer-drawer', 5, 0.1),
  'sawyer_pickup': ('sawyer-pickup', 5, 0.1),
  'claw_fixed': ('claw-fixed', 1, 0.1),
  'claw_three': ('claw-three', 1, 0.1),
  'claw_uniform': ('claw-uniform', 1, 0.1),
}
# Of the paper on ALM, from state; their action repeat is 1.
STATE_TASKS = {
  'humanoid': ('Humanoid-v4', 376),
  'truncated_humanoid': ('Humanoid-v4-first45', 45),
  'ant_contact': ('Ant-v4', 111),
  'truncated_ant': ('Ant-v4-first27', 27),
}
GYM = ('half_cheetah', 'walker2d', 'hopper', 'ant')
MODELS = {
  'ablation/simple_vae': 'SimpleVae',
  'ablation/factored_vae': 'FactoredVae',
  'ablation/simple_filtering': 'SimpleFiltering',
  'ablation/deterministic': 'Deterministic',
  'ablation/partially_stochastic': 'PartiallyStochastic',
  'ablation/planet': 'PlanetModel',
}
# What actor and critics see.
INPUTS = {
  'ablation/actor_latent': ('LatentInput', 'LatentInput'),
  'ablation/critic_history': ('HistoryInput', 'HistoryInput'),
  'ablation/actor_latent_critic_history': ('LatentInput', 'HistoryInput'),
}
BASELINES = {'sac_state': 'SacStateAgent', 'sac_pixels': 'SacPixelsAgent'}
# Overlays on an overlay, gin/alm.gin.
ALM = {
  'alm/no_kl': 'AlmAgent',
  'alm/no_value': 'AlmAgent',
  'alm/no_classifier': 'AlmAgent',
  'alm/classifier_of_theory': 'AlmAgent',
  'alm/horizon_1': 'AlmAgent',
  'alm/horizon_2': 'AlmAgent',
  'alm/horizon_5': 'AlmAgent',
  'alm/td3_actor': 'AlmTd3Agent',
  'alm/value_encoder': 'AlmValueEncoderAgent',
  'alm/reconstruction': 'AlmReconstructionAgent',
  'alm/entropy': 'AlmEntropyAgent',
}
# What an overlay binds through a macro, on any task.
MACROS = {
  'alm': {'action_repeat': '1'},
  'paper_v1': {'decoder_variance': '0.1'},
  'debug': {'action_repeat': '20'},
}
BASES = ('slac', 'dm_control', 'gym', 'manipulation')
NAMES = sorted(
  path.relative_to(FOLDER).with_suffix('').as_posix()
  for path in FOLDER.glob('**/*.gin')
)
# Whatever ships and is neither: a new overlay is tested as soon as it is there.
OTHERS = {
  *(*TASKS, *STATE_TASKS, *MANIPULATION),
  *(*BASES, *BASELINES, 'alm', *ALM),
}
OVERLAYS = [name for name in NAMES if name not in OTHERS]
ABLATIONS = [name for name in OVERLAYS if name.startswith('ablation/')]
# What tests/tiny.gin leaves open.
TINY_BASELINES = {
  'sac_state': [],
  'sac_pixels': [
    'SacPixelsAgent.base_depth = 1',
    'SacPixelsAgent.feature_size = 4',
  ],
}


load_once = functools.cache(dm_control_tasks._load)


@pytest.fixture
def small(tmp_path):
  """A gin file, by its name, that comes between a task and its overlays.

  It includes tests/tiny.gin, not all of which a baseline reads.
  """
  (tmp_path / 'small.gin').write_text("include 'tests/tiny.gin'\n")
  return str(tmp_path / 'small')


@pytest.fixture
def tiny_alm():
  """The same, of tests/tiny_alm.gin."""
  return str(FOLDER.parent / 'tests' / 'tiny_alm')


@pytest.fixture(autouse=True)
def _eager_and_unbound(monkeypatch):
  # Tracing a graph takes much longer than one eager step; tasks are not stepped
  # here, and slow to load.
  tf.config.run_functions_eagerly(True)
  monkeypatch.setattr(dm_control_tasks, '_load', load_once)
  yield
  tf.config.run_functions_eagerly(False)
  gin.clear_config()


def load(files, params=()):
  """Loads gin files by name, as train_eval.py would; returns what is bound."""
  paths = [str(FOLDER / f'{name}.gin') for name in files]
  bindings.load(paths, [*params, 'Experiment.seed = 0'])
  return bindings.resolved()


def build(files, params=()):
  """Builds what train_eval.py would, from gin files by name."""
  load(files, params)
  with bindings.translate_gin_errors():
    parts = experiment.Experiment()
    spec = parts.agent.training_data_spec
    replay.Replay(spec, parts.agent.train_sequence_length, 0)
  bindings.check_all_used()
  return parts


def experience(agent):
  """Two sequences of what an agent is trained on, of one episode's middle."""
  rng = np.random.default_rng(0)

  def values(spec):
    shape = [2, agent.train_sequence_length, *spec.shape]
    if spec.dtype == tf.uint8:
      return rng.integers(0, 256, shape)
    if spec.dtype == tf.int32:  # Step types.
      return np.full(shape, tiny.MID)
    return rng.uniform(0, 1, shape)

  return tf.nest.map_structure(
    lambda spec: tf.constant(values(spec), spec.dtype),
    agent.training_data_spec,
  )


def assert_is_of(parts, task, overlay=None):
  """Checks what a task and an overlay bind."""
  name, action_repeat, variance = TASKS[task]
  if overlay == 'debug':
    action_repeat = 20
  assert parts.task == name
  assert parts.schedule.action_repeat == action_repeat
  assert parts.environments[0].action_repeat == action_repeat
  agent = parts.agent
  if overlay == 'paper_v1':
    variance = 0.1
  assert agent.model.decoder_variance == variance
  assert type(agent.model).__name__ == MODELS.get(overlay, 'SlacModel')
  assert INPUTS.get(overlay, ('HistoryInput', 'LatentInput')) == (
    type(agent._actor_input).__name__,
    type(agent._critic_input).__name__,
  )


def assert_trains(agent):
  """Trains one step, which moves all that is trained."""
  before = [v.numpy() for v in agent.trainable_variables]
  assert np.isfinite(agent.train(experience(agent)).loss)
  after = [v.numpy() for v in agent.trainable_variables]
  assert all((a != b).any() for a, b in zip(before, after, strict=True))


def test_no_file_is_missing():
  assert OTHERS | {*MODELS, *INPUTS, *MACROS} <= set(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize(
  ('task', 'overlays'),
  [(task, ()) for task in TASKS]
  + [('ball_in_cup', (overlay,)) for overlay in OVERLAYS],
)
def test_builds_and_trains_one_step(task, overlays, small):
  tf.keras.utils.set_random_seed(0)
  parts = build([task, small, *overlays])
  assert_is_of(parts, task, *overlays)

  assert_trains(parts.agent)


# An overlay knows no task, only what its kind of tasks has bound before.
@pytest.mark.parametrize('overlay', OVERLAYS)
def test_every_overlay_builds_on_a_task_of_the_other_kind(overlay, small):
  assert_is_of(build(['ant', small, overlay]), 'ant', overlay)


@pytest.mark.parametrize('task', ['ball_in_cup', 'ant'])
@pytest.mark.parametrize('overlay', BASELINES)
def test_a_baseline_trains_one_step_on_both_kinds_of_tasks(
  task, overlay, small
):
  parts = build([task, small, overlay], TINY_BASELINES[overlay])
  agent, schedule = parts.agent, parts.schedule
  assert type(agent).__name__ == BASELINES[overlay]
  assert agent.model is None
  assert (parts.task, schedule.action_repeat) == TASKS[task][:2]
  assert schedule.model_updates == 0
  assert schedule.gradient_steps == (3 if task in GYM else 1)

  before = [v.numpy() for v in agent._critic_variables]
  shape = [2, agent.train_sequence_length]
  experience = tf.nest.map_structure(
    lambda spec: tf.ones([*shape, *spec.shape], spec.dtype),
    agent.training_data_spec,
  )
  assert np.isfinite(agent.train(experience).loss)
  after = [v.numpy() for v in agent._critic_variables]
  # Not all: of four hidden units some may never be active.
  assert any((a != b).any() for a, b in zip(before, after, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize('overlay', [None, *ALM])
def test_alm_and_its_ablations_train_one_step(overlay, tiny_alm):
  parts = build(['half_cheetah', tiny_alm, *([overlay] if overlay else [])])
  agent = parts.agent
  assert type(agent).__name__ == ALM.get(overlay, 'AlmAgent')
  assert parts.schedule.action_repeat == 1
  assert_trains(agent)


@pytest.mark.parametrize('task', STATE_TASKS)
def test_the_tasks_of_alm(task, tiny_alm):
  parts = build([task, tiny_alm])
  name, size = STATE_TASKS[task]
  assert (parts.task, parts.schedule.action_repeat) == (name, 1)
  spec = parts.agent.time_step_spec.observation
  assert list(spec) == ['state'] and spec['state'].shape == [size]
  load([task, 'alm'])
  capacity = gin.query_parameter('Replay.capacity')
  assert capacity == (1_000_000 if task == 'humanoid' else 100_000)


@pytest.mark.parametrize('overlay', ALM)
def test_an_ablation_of_alm_changes_what_it_binds_and_no_more(overlay):
  gin.clear_config()
  gin.parse_config_file(str(FOLDER / f'{overlay}.gin'))
  own, plain = bindings.resolved(), load(['ant', 'alm'])
  changed = {name for name in own if plain.get(name) != own[name]}
  assert changed == set(own)
  assert load(['ant', 'alm', overlay]) == plain | own


def test_the_numbers_of_alm_are_the_papers():
  """Of alm.md, section 1."""
  load(['half_cheetah', 'alm'])
  expected = {
    'AlmAgent.horizon': 3,
    'AlmAgent.kl_weight': 1.0,
    'AlmAgent.value_weight': 1.0,
    'AlmAgent.classifier_weight': 0.1,
    'AlmAgent.td_lambda': 0.95,
    'AlmAgent.gamma': 0.99,
    'AlmAgent.learning_rate': 1e-4,
    'AlmAgent.gradient_limit': 100.0,
    'AlmNetworks.latent_size': 50,
    'AlmNetworks.hidden_size': 512,
    'AlmNetworks.model_hidden_size': 1024,
    'AlmNetworks.target_update_rate': 0.005,
    'LatentGaussian.mean_limit': 30.0,
    'LatentGaussian.min_stddev': 0.1,
    'LatentGaussian.max_stddev': 10.0,
    'ActionNoise.initial_stddev': 1.0,
    'ActionNoise.final_stddev': 0.1,
    'ActionNoise.decay_steps': 100000,
    'ActionNoise.training_limit': 0.3,
    'Replay.capacity': 100000,
    'Schedule.random_episodes': 0,
    'Schedule.random_agent_steps': 5000,
    'Schedule.model_updates': 0,
    'Schedule.gradient_steps': 1,
    'Schedule.batch_size': 512,
    'Schedule.eval_interval': 5000,
    'Schedule.eval_episodes': 5,
  }
  assert {name: gin.query_parameter(name) for name in expected} == expected


@pytest.mark.parametrize('overlay', [*OVERLAYS, *BASELINES, 'alm'])
def test_on_every_task_an_overlay_changes_what_it_binds_and_no_more(overlay):
  gin.clear_config()
  gin.parse_config_file(str(FOLDER / f'{overlay}.gin'))
  own, macros = bindings.resolved(), MACROS.get(overlay, {})
  for task in TASKS:
    plain = load([task])
    bound = {
      name: macros[name.split('.')[-1]]
      for name in plain
      if name.split('.')[-1] in macros
    }
    assert {name.split('.')[-1] for name in bound} == set(macros)
    assert load([task, overlay]) == plain | own | bound


@pytest.mark.parametrize(
  'name', [*TASKS, *STATE_TASKS, *MANIPULATION, *ABLATIONS, *ALM]
)
def test_a_task_or_an_ablation_is_at_most_six_lines(name):
  assert len((FOLDER / f'{name}.gin').read_text().splitlines()) <= 6


@pytest.mark.parametrize('task', MANIPULATION)
def test_a_manipulation_task_has_the_protocol_of_version_1(task):
  bound, other = load([task]), load(['walker', 'paper_v1'])
  names = {name for name in bound if bound[name] != other.get(name)}
  assert {n for n in names if not n.split('.')[0].endswith('Environment')} == {
    'Experiment.environment',
    'Schedule.action_repeat',
    'Schedule.random_agent_steps',
    'Schedule.random_episodes',
  }


@pytest.mark.parametrize('overlays', [(), ('sac_state',), ('sac_pixels',)])
@pytest.mark.parametrize(
  'task',
  [
    pytest.param(task, marks=manipulated.has_metaworld)
    if task.startswith('sawyer')
    else task
    for task in MANIPULATION
  ],
)
def test_a_manipulation_task_builds(task, overlays, small):
  params = [text for name in overlays for text in TINY_BASELINES[name]]
  parts = build([task, small, *overlays], params)
  name, action_repeat, variance = MANIPULATION[task]
  assert parts.task == name
  assert parts.eval_environment.action_repeat == action_repeat
  assert parts.schedule.action_repeat == action_repeat
  if not overlays:
    assert parts.agent.model.decoder_variance == variance
  assert hasattr(parts.eval_environment, 'is_success')


def test_random_crop_and_discount_prediction(small):
  plain, other = (
    build(['walker', small, *overlays]).agent
    for overlays in ([], ['ablation/random_crop', 'discount_prediction'])
  )
  pixels = tiny.pixels(9, 1)
  np.testing.assert_array_equal(plain._augmentation(pixels, [0, 0]), pixels)
  assert np.any(other._augmentation(pixels, [0, 0]) != pixels)
  assert not plain.model.discount and other.model.discount


@pytest.mark.parametrize(
  ('overlay', 'expected'),
  [
    (
      'ablation/planet',
      {
        'PlanetModel.gru_size': 200,
        'PlanetModel.stochastic_size': 30,
        'PlanetModel.min_stddev': 0.1,
        'LatentModel.hidden_size': 200,
      },
    ),
    (
      'sac_pixels',
      {
        'SacPixelsAgent.num_frames': 4,
        'SacPixelsAgent.base_depth': 32,
        'SacPixelsAgent.feature_size': 256,
        'Schedule.model_updates': 0,
      },
    ),
  ],
)
def test_the_numbers_of_what_the_paper_compares_with(overlay, expected):
  load(['walker', overlay])
  assert {name: gin.query_parameter(name) for name in expected} == expected


@pytest.mark.parametrize('task', TASKS)
def test_paper_v1_is_its_protocol_and_nothing_else(task):
  """Of method.md, section 9."""
  expected = load([task]) | {
    'LatentModel.decoder_variance': '0.1',
    'SoftActorCritic.stddev_scale': '1.0',
    'Experiment.random_policy': '@UniformPolicy',
    'Schedule.gradient_steps': '1',
  }
  params = []
  if task == 'finger':
    text = (FOLDER / 'paper_v1.gin').read_text()
    params = re.findall(r"--gin_param='(.*)'", text)
    expected |= {
      'Schedule.action_repeat': '2',
      'DmControlEnvironment.action_repeat': '2',
    }
  assert load([task, 'paper_v1'], params) == expected


def test_the_defaults_are_the_paper_s():
  """Of method.md, sections 2, 4, 6 and 7."""
  bound = load(['walker'])
  assert bound['Experiment.random_policy'] == '@TanhGaussianPolicy'
  expected = {
    'DmControlEnvironment.camera': 0,
    'SlacAgent.sequence_length': 8,
    'LatentModel.latent1_size': 32,
    'LatentModel.latent2_size': 256,
    'LatentModel.hidden_size': 256,
    'LatentModel.base_depth': 32,
    'LatentModel.feature_size': 256,
    'SlacAgent.model_batch_size': 32,
    'SlacAgent.pretraining_learning_rate': 1e-4,
    'SlacAgent.model_learning_rate': 1e-4,
    'SoftActorCritic.hidden_size': 256,
    'SoftActorCritic.stddev_scale': 2.0,
    'SoftActorCritic.learning_rate': 3e-4,
    'SoftActorCritic.gamma': 0.99,
    'SoftActorCritic.target_update_rate': 0.005,
    'SoftActorCritic.reward_scale': 1.0,
    'Replay.capacity': 100000,
    'Schedule.random_episodes': 10,
    'Schedule.random_agent_steps': 0,
    'Schedule.model_updates': 50000,
    'Schedule.gradient_steps': 1,
    'Schedule.batch_size': 256,
    'Schedule.eval_interval': 10000,
    'Schedule.eval_episodes': 10,
  }
  assert {name: gin.query_parameter(name) for name in expected} == expected


def test_the_schedule_of_gym():
  """Of method.md, sections 4 and 7."""
  expected = {
    'GymEnvironment.camera': 'track',
    'Schedule.random_episodes': 0,
    'Schedule.random_agent_steps': 10000,
    'Schedule.model_updates': 100000,
    'Schedule.gradient_steps': 3,
    'SoftActorCritic.stddev_scale': 1.0,
  }
  for task in GYM:
    bound = load([task])
    assert {name: gin.query_parameter(name) for name in expected} == expected
    assert bound['Experiment.random_policy'] == '@UniformPolicy'


def test_a_task_comes_before_its_overlays():
  gin_files = ['gin/walker.gin', 'gin/quick.gin', 'gin/sac_state.gin']
  bindings.load(gin_files)
  walker, quick, state = gin_files
  for order in ([quick, walker, state], [quick, state, walker]):
    with pytest.raises(errors.UserError) as caught:
      bindings.load(order)
    assert caught.value.exit_code == 64
    others = [path for path in order if path != walker]
    flags = ' '.join(f'--gin_file={path}' for path in [walker, *others])
    assert str(caught.value) == (
      f'gin/walker.gin is a task, which would take back what {quick} sets: '
      f'name it first, {flags}.'
    )


def test_a_run_has_one_task(tmp_path):
  with pytest.raises(errors.UserError) as caught:
    bindings.load(['gin/cartpole.gin', 'gin/quick.gin', 'gin/hopper.gin'])
  assert str(caught.value) == (
    'gin/cartpole.gin and gin/hopper.gin are tasks, of which a run has one: '
    'name one of them, and after it its overlays.'
  )
  # Another environment alone is an overlay, as any other setting is.
  (tmp_path / 'mine.gin').write_text('Experiment.environment = @GymEnvironment')
  bindings.load(['gin/cartpole.gin', str(tmp_path / 'mine.gin')])
