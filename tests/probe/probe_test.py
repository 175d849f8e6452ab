"""The command, on a small run that is saved here."""

import argparse
import contextlib
import io
import json
import re

import gin
import numpy as np
import pytest
import tensorflow as tf
import tree

from slac import errors
from slac.config import bindings
from slac.probe import __main__ as command
from slac.storage import checkpoints
from slac.training import (
  collecting,
  compiled,
  experiment,
  metrics,
  schedule,
  trained,
)

STEPS = 120  # Agent steps of 10 environment steps; an episode has 100.
FILES = ['gin/cartpole.gin', 'tests/tiny.gin']
SETTINGS = ['ACTION_REPEAT = 10', 'Experiment.seed = 3']

pytestmark = pytest.mark.slow


def save(folder, files, settings):
  """Saves a run of random steps; returns its replay."""
  bindings.load(files, settings)
  parts = experiment.Experiment()
  ring = parts.make_replay()
  collector = collecting.Collector(
    parts.environments,
    ring,
    parts.agent.training_data_spec,
    metrics.Stopwatch(),
  )
  policy = compiled.CompiledPolicy(parts.random_policy)
  for _ in range(STEPS):
    collector.step(policy)
  saver = checkpoints.Checkpoints(
    folder / 'checkpoints', tf.train.Checkpoint(agent=parts.agent), ring
  )
  counters = schedule.Counters(action_repeat=10, agent_steps=STEPS)
  saver.save(STEPS, {'counters': counters.get_state()})
  (folder / 'config.json').write_text(json.dumps(bindings.resolved()))
  return ring


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  """A run's folder, and the replay that was saved with it."""
  folder = tmp_path_factory.mktemp('runs') / 'cartpole-tiny-seed0'
  yield folder, save(folder, FILES, SETTINGS)
  gin.clear_config()


def probe(folder, *, updates=0, gin_file=(), gin_param=()):
  command.probe(
    argparse.Namespace(
      run_dir=folder,
      updates=updates,
      gin_file=list(gin_file),
      gin_param=list(gin_param),
      episodes=2,
      seed=1,
      allow_gin_imports=False,
    )
  )


@pytest.fixture(scope='module')
def own(saved):
  """What is said of the run's own model; no file may be changed by it."""
  folder, _ = saved
  before = {path: path.stat().st_mtime_ns for path in folder.rglob('*')}
  with contextlib.redirect_stdout(io.StringIO()) as out:
    probe(folder)
  assert {p: p.stat().st_mtime_ns for p in folder.rglob('*')} == before
  return out.getvalue()


def numbers(text, pattern):
  (found,) = re.findall(pattern, text)
  return found


def test_the_runs_own_model_is_probed(own):
  assert own.startswith('cartpole swingup, after 1,200 environment steps\n')
  assert '2 episodes return' in own and 'in training' not in own
  share = numbers(own, r'in the foreground, (\S+)% of the pixels')
  assert 0 < float(share) < 20  # The cart and its pole.
  # Its position, of three numbers, and its two velocities.
  probed = numbers(own, r'(?s)each of its\s+numbers:(.*)').split()
  assert len(probed) == 5 and all(float(x) <= 1 for x in probed)


@pytest.mark.long
def test_a_new_model_learns_from_the_runs_steps(saved, own, capsys):
  folder, _ = saved
  rate = 'SlacAgent.pretraining_learning_rate = 0.02'

  def errors_of(updates, *params):
    params = ['ACTION_REPEAT = 10', 'LatentModel.base_depth = 4', *params]
    probe(folder, updates=updates, gin_file=FILES, gin_param=params)
    said = capsys.readouterr().out
    training = numbers(said, rf'{updates} updates: .* (\S+) in training')
    parameters = numbers(said, r'(\S+) parameters of the model')
    held_out = numbers(said, r'error per pixel (\S+); in the foreground')
    return parameters, float(training), float(held_out)

  parameters, first, first_held_out = errors_of(1)
  assert f'{parameters} parameters' not in own
  _, mean, held_out = errors_of(60, rate)
  # What it has learned holds for other episodes.
  assert mean < first and held_out < first_held_out / 2


@gin.configurable
def shift(
  pixels: tf.Tensor, seed: tf.Tensor, most: int = gin.REQUIRED
) -> tf.Tensor:
  del seed
  return tf.roll(pixels, most, axis=2)


@pytest.mark.long
def test_what_is_read_where_updates_are_traced_has_an_effect(saved):
  folder, _ = saved
  augmented = [SETTINGS[0], 'SlacAgent.augmentation = @shift', 'shift.most = 2']
  probe(folder, updates=1, gin_file=FILES, gin_param=augmented)
  misspelt = [*augmented, 'other/shift.most = 3']
  with pytest.raises(errors.UserError, match='run reads other/shift'):
    probe(folder, updates=1, gin_file=FILES, gin_param=misspelt)


@pytest.mark.long
def test_the_runs_own_settings_make_a_new_model_too(saved, own, capsys):
  folder, _ = saved
  probe(folder, updates=1)
  lines = capsys.readouterr().out.splitlines()
  assert '1 updates' in lines[0]
  # The same policy, in the same episodes, and a model of the same size.
  assert lines[1:4] == own.splitlines()[:3]
  # But for the seed, which is the probe's own.
  assert gin.query_parameter('Experiment.seed') == 1


def test_the_replay_is_as_it_was_saved(saved):
  folder, ring = saved
  trained.load_settings(folder)
  parts, env_steps = trained.restore(folder)
  assert env_steps == 10 * STEPS
  found = trained.make_replay(parts, folder)
  assert found.num_added == ring.num_added == STEPS + 1  # And a last row.
  known = ring.rows(0, ring.num_added)
  for name, values in found.rows(0, found.num_added).items():
    np.testing.assert_array_equal(values, known[name])


@pytest.mark.parametrize('setting', ['environments', 'workers'])
def test_the_replay_of_several_streams_is_too(saved, tmp_path, setting):
  folder, ring = saved
  trained.load_settings(folder)
  parts, _ = trained.restore(folder)
  several = parts.make_replay(num_streams=2)
  for number in range(9):
    rows = ring.rows(number, number + 1).values()
    step = tree.unflatten_as(
      parts.agent.training_data_spec, [row[0] for row in rows]
    )
    several.add(step, stream=number % 2)
  saver = checkpoints.Checkpoints(
    tmp_path / 'checkpoints', tf.train.Checkpoint(agent=parts.agent), several
  )
  saver.save(9, {})
  config = bindings.resolved() | {f'Collection.{setting}': '2'}
  (tmp_path / 'config.json').write_text(json.dumps(config))
  found = trained.make_replay(parts, tmp_path).rows(0, 9)
  assert found['stream'].tolist() == [0, 1] * 4 + [0]


@pytest.mark.long
def test_a_model_is_trained_on_the_images_of_sac_from_the_state(
  tmp_path, capsys
):
  files = [FILES[0], 'gin/sac_state.gin']
  keeps = 'SacStateAgent.keeps_pixels = True'
  ring = save(
    tmp_path, files, [*SETTINGS, keeps, 'SoftActorCritic.hidden_size = 8']
  )
  probe(tmp_path, updates=1, gin_file=FILES, gin_param=SETTINGS[:1])
  said = capsys.readouterr().out
  assert 'after 1 updates: squared error per pixel' in said
  assert 'linear probe of the state' in said
  # The model's agent observes no state, and has the same steps without it.
  found = trained.make_replay(experiment.Experiment(), tmp_path)
  known = ring.rows(0, ring.num_added)
  rows = found.rows(0, found.num_added)
  assert known.keys() - rows.keys() == {'observation/state'}
  for name, values in rows.items():
    np.testing.assert_array_equal(values, known[name])


def test_steps_without_images_are_refused(tmp_path):
  settings = [*SETTINGS, 'SoftActorCritic.hidden_size = 8']
  save(tmp_path, [FILES[0], 'gin/sac_state.gin'], settings)
  with pytest.raises(errors.UserError, match=r'anew with SacStateAgent\.'):
    probe(tmp_path, updates=1, gin_file=FILES, gin_param=SETTINGS[:1])
  with pytest.raises(errors.UserError, match='observation/pixels is missing'):
    trained.make_replay(experiment.Experiment(), tmp_path)


@pytest.mark.parametrize(
  ('files', 'says'),
  [
    (
      ['gin/cartpole.gin', 'gin/sac_state.gin'],
      'SacStateAgent has no latent variable model',
    ),
    (
      ['gin/ball_in_cup.gin', 'tests/tiny.gin'],
      '--gin_file has ball_in_cup catch, and the run is of cartpole swingup',
    ),
    (
      ['gin/pendulum.gin', 'tests/tiny.gin'],
      '--gin_file has pendulum swingup, and the run is of cartpole swingup',
    ),
  ],
)
def test_settings_that_do_not_fit_the_run(saved, files, says, tmp_path):
  folder, _ = saved
  other = tmp_path / 'pendulum.gin'
  other.write_text(
    "include 'gin/cartpole.gin'\nDmControlEnvironment.domain = 'pendulum'\n"
  )
  files = [str(other) if 'pendulum' in file else file for file in files]
  with pytest.raises(errors.UserError, match=says):
    probe(folder, updates=1, gin_file=files)
