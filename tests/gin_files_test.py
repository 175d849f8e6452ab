"""Every gin file that ships is built, and trained one step at tiny size."""

import functools
import pathlib

import gin
import numpy as np
import pytest
import tensorflow as tf

from slac import config, experiment, replay
from slac.environments import suites
from tests import tiny

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
OVERLAYS = (
  'quick',
  'discount_prediction',
  'ablation/random_crop',
  *MODELS,
  *INPUTS,
)
BASES = ('slac', 'dm_control', 'gym')
TINY = [
  'LatentModel.base_depth = 1',
  'LatentModel.feature_size = 4',
  'LatentModel.hidden_size = 4',
  'LatentModel.latent1_size = 2',
  'LatentModel.latent2_size = 3',
  'SoftActorCritic.hidden_size = 4',
  'SlacAgent.sequence_length = 2',
  'SlacAgent.model_batch_size = 1',
  'Replay.capacity = 10',
]


load_once = functools.cache(suites._load)


@pytest.fixture(autouse=True)
def _eager_and_unbound(monkeypatch):
  # Tracing a graph takes much longer than one eager step; tasks are not stepped
  # here, and slow to load.
  tf.config.run_functions_eagerly(True)
  monkeypatch.setattr(suites, '_load', load_once)
  yield
  tf.config.run_functions_eagerly(False)
  gin.clear_config()


def build(files, params=()):
  """Builds what train_eval.py would, from gin files by name."""
  paths = [str(FOLDER / f'{name}.gin') for name in files]
  config.load(paths, [*params, 'Experiment.seed = 0'])
  with config.translate_gin_errors():
    parts = experiment.Experiment()
    spec = parts.agent.training_data_spec
    replay.Replay(spec, parts.agent.train_sequence_length, 0)
  config.check_all_used()
  return parts


def assert_is_of(parts, task, overlay=None):
  """Checks what a task and an overlay bind."""
  name, action_repeat, variance = TASKS[task]
  assert parts.task == name
  assert parts.schedule.action_repeat == action_repeat
  assert parts.environment.action_repeat == action_repeat
  agent = parts.agent
  assert agent.model.decoder_variance == variance
  assert type(agent.model).__name__ == MODELS.get(overlay, 'SlacModel')
  assert INPUTS.get(overlay, ('HistoryInput', 'LatentInput')) == (
    type(agent._actor_input).__name__,
    type(agent._critic_input).__name__,
  )


def test_every_gin_file_is_known_here():
  names = {
    path.relative_to(FOLDER).with_suffix('').as_posix()
    for path in FOLDER.glob('**/*.gin')
  }
  assert names == {*TASKS, *OVERLAYS, *BASES}


@pytest.mark.parametrize(
  ('task', 'overlays'),
  [(task, ()) for task in TASKS]
  + [('ball_in_cup', (overlay,)) for overlay in OVERLAYS],
)
def test_builds_and_trains_one_step(task, overlays):
  parts = build([task, *overlays], TINY)
  assert_is_of(parts, task, *overlays)

  agent = parts.agent
  before = [v.numpy() for v in agent.model.trainable_variables]
  action_size = parts.agent.action_spec.shape[0]
  experience = tiny.experience(2, length=3, action_size=action_size)
  assert np.isfinite(agent.train(experience).loss)
  after = [v.numpy() for v in agent.model.trainable_variables]
  assert all((a != b).any() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize('task', [t for t in TASKS if t != 'ball_in_cup'])
@pytest.mark.parametrize('overlay', OVERLAYS)
def test_every_overlay_builds_on_every_other_task(task, overlay):
  assert_is_of(build([task, overlay], TINY), task, overlay)


@pytest.mark.parametrize('name', [*TASKS, *OVERLAYS[1:]])
def test_a_task_or_an_ablation_is_at_most_six_lines(name):
  assert len((FOLDER / f'{name}.gin').read_text().splitlines()) <= 6


def test_random_crop_and_discount_prediction():
  plain, other = (
    build(['walker', *overlays], TINY).agent
    for overlays in ([], ['ablation/random_crop', 'discount_prediction'])
  )
  pixels = tiny.pixels(9, 1)
  np.testing.assert_array_equal(plain._augmentation(pixels, [0, 0]), pixels)
  assert np.any(other._augmentation(pixels, [0, 0]) != pixels)
  assert not plain.model.discount and other.model.discount


def test_planet_has_its_own_sizes():
  parts = build(['walker', 'ablation/planet'])
  model = parts.agent.model
  assert model.latent_size == 200 + 30
  assert model.hidden_size == 200


def test_the_defaults_are_the_paper_s():
  """Of method.md, sections 2, 4, 6 and 7."""
  config.load([str(FOLDER / 'walker.gin')], ['Experiment.seed = 0'])
  expected = {
    'SlacAgent.sequence_length': 8,
    'LatentModel.latent1_size': 32,
    'LatentModel.latent2_size': 256,
    'LatentModel.hidden_size': 256,
    'LatentModel.base_depth': 32,
    'LatentModel.feature_size': 256,
    'SlacAgent.model_batch_size': 32,
    'SlacAgent.model_learning_rate': 1e-4,
    'SoftActorCritic.hidden_size': 256,
    'SoftActorCritic.stddev_scale': 2.0,
    'SoftActorCritic.learning_rate': 3e-4,
    'SoftActorCritic.gamma': 0.99,
    'SoftActorCritic.target_update_rate': 0.005,
    'SoftActorCritic.reward_scale': 1.0,
    'Replay.capacity': 100000,
    'Schedule.random_episodes': 10,
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
    'Schedule.random_episodes': 0,
    'Schedule.random_agent_steps': 10000,
    'Schedule.model_updates': 100000,
    'Schedule.gradient_steps': 3,
    'SoftActorCritic.stddev_scale': 1.0,
  }
  for task in GYM:
    config.load([str(FOLDER / f'{task}.gin')], ['Experiment.seed = 0'])
    assert {name: gin.query_parameter(name) for name in expected} == expected
    policy = gin.query_parameter('Experiment.random_policy')
    assert policy.configurable.name == 'UniformPolicy'
