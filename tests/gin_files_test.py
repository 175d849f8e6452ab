"""Every gin file that ships is built, and trained one step at tiny size."""

import pathlib

import gin
import numpy as np
import pytest
import tensorflow as tf

from slac import config, experiment, replay
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
}
OVERLAYS = ('quick',)
BASES = ('slac', 'dm_control')
TINY = [
  'SlacModel.base_depth = 1',
  'SlacModel.feature_size = 4',
  'SlacModel.hidden_size = 4',
  'SlacModel.latent1_size = 2',
  'SlacModel.latent2_size = 3',
  'SoftActorCritic.hidden_size = 4',
  'SlacAgent.sequence_length = 2',
  'SlacAgent.model_batch_size = 1',
  'Replay.capacity = 10',
]


@pytest.fixture(autouse=True)
def _eager_and_unbound():
  # Tracing a graph takes much longer than one eager step.
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)
  gin.clear_config()


def build(files, params=()):
  """Builds what train_eval.py would, from gin files by name."""
  paths = [str(FOLDER / f'{name}.gin') for name in files]
  config.load(paths, [*params, 'Experiment.seed = 0'])
  config.check()
  with config.translate_gin_errors():
    parts = experiment.Experiment()
    spec = parts.agent.training_data_spec
    replay.Replay(spec, parts.agent.train_sequence_length, 0)
  config.check_all_used()
  return parts


def test_every_gin_file_is_known_here():
  names = {path.stem for path in FOLDER.glob('**/*.gin')}
  assert names == {*TASKS, *OVERLAYS, *BASES}


@pytest.mark.parametrize(
  ('task', 'overlays'),
  [(task, ()) for task in TASKS]
  + [('ball_in_cup', (overlay,)) for overlay in OVERLAYS],
)
def test_builds_and_trains_one_step(task, overlays):
  parts = build([task, *overlays], TINY)
  name, action_repeat, variance = TASKS[task]
  assert parts.task == name
  assert parts.schedule.action_repeat == action_repeat
  assert parts.environment.action_repeat == action_repeat
  assert parts.agent.model.decoder_variance == variance

  agent = parts.agent
  before = [v.numpy() for v in agent.model.trainable_variables]
  action_size = parts.agent.action_spec.shape[0]
  experience = tiny.experience(2, length=3, action_size=action_size)
  assert np.isfinite(agent.train(experience).loss)
  after = [v.numpy() for v in agent.model.trainable_variables]
  assert all((a != b).any() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize('task', TASKS)
def test_a_task_is_at_most_six_lines(task):
  assert len((FOLDER / f'{task}.gin').read_text().splitlines()) <= 6


def test_the_defaults_are_the_paper_s():
  """Of method.md, sections 2, 4, 6 and 7."""
  config.load([str(FOLDER / 'walker.gin')], ['Experiment.seed = 0'])
  expected = {
    'SlacAgent.sequence_length': 8,
    'SlacModel.latent1_size': 32,
    'SlacModel.latent2_size': 256,
    'SlacModel.hidden_size': 256,
    'SlacModel.base_depth': 32,
    'SlacModel.feature_size': 256,
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
