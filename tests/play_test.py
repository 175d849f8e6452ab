"""The pictures that play writes; the command is in train_eval_test.py."""

import argparse
import io
import pathlib
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageSequence

from slac import errors, play
from slac.models import networks
from slac.reporting import pictures
from slac.training import evaluation
from tests.models import variants_test

VIDEO = pathlib.Path('folder', 'film.gif')


class Negative:
  """A model whose reconstruction is the negative of each image.

  From the first image it generates that image and no other; from nothing, grey
  of the seed's shade.
  """

  def __init__(self):
    self.seeds = []
    self.lengths = set()
    self.decoded = []

  def encode(self, observation):
    return networks.to_float(observation['pixels'])

  def infer(self, features, actions, step_type, seed):
    assert seed.shape == [2]
    assert features.shape[:2] == actions.shape[:2] == step_type.shape
    return features

  def latent(self, states):
    return states

  def decoder(self, z):
    self.decoded.append(len(z))
    return 1 - z

  def dream(self, observation, actions, seed):
    pixels = observation['pixels']
    assert pixels.shape[:2] == actions.shape[:2]
    assert len(pixels) == 1  # Of the others no figure is drawn.
    # The same actions in all rows: here an image's value is its action's.
    np.testing.assert_array_equal(pixels[..., 0, 0, 0], actions[..., 0])
    self.seeds.append(tuple(seed.numpy()))
    self.lengths.add(pixels.shape[1])
    first = np.broadcast_to(pixels[:, :1], pixels.shape)
    grey = np.full_like(pixels, int(seed[0]) % 256)
    return tf.constant(np.stack([pixels, 255 - pixels, first, grey]))


def make_episode(n):
  """An episode whose t-th image and action have the value 10 t everywhere."""
  values = 10 * np.arange(n)
  pixels = np.broadcast_to(values[:, None, None, None], [n, 64, 64, 3])
  actions = np.broadcast_to(values[:, None], [n, 2])
  return evaluation.Episode(
    0.0, pixels.astype(np.uint8), actions.astype(np.float32)
  )


def draw(n, length, seed=0):
  """The model, and what is drawn of an episode of n images, as arrays."""
  model = Negative()
  agent = types.SimpleNamespace(model=model, train_sequence_length=length)
  return model, decode(play.draw(agent, make_episode(n), seed, VIDEO))


def decode(files):
  """The frames of each picture by its name, `[n, H, W, 3]`."""
  shown = {}
  for path, content in files.items():
    assert path.parent == VIDEO.parent
    with Image.open(io.BytesIO(content)) as image:
      frames = [
        np.array(f.convert('RGB')) for f in ImageSequence.Iterator(image)
      ]
    # Colours in a GIF lose their lowest bits.
    shown[path.name] = np.stack(frames).astype(int)
  return shown


@pytest.fixture
def eagerly():
  # Tracing seven graphs takes much longer than running each model once.
  tf.config.run_functions_eagerly(True)
  yield
  tf.config.run_functions_eagerly(False)


def tile(figure, row, column):
  """One of the images of Fig. 14."""
  top, left = pictures.corner(128, 128, row, column)
  return figure[top : top + 128, left : left + 128]


def assert_shows(images, value):
  np.testing.assert_allclose(images, value, atol=6)


@pytest.mark.parametrize('n', [1, 3, 4, 8, 9])
def test_every_image_stands_beside_its_own_reconstruction(n, monkeypatch):
  monkeypatch.setattr(pictures, '_PIECE', 2)
  model, shown = draw(n, length=4)
  film = shown['film.gif']
  assert film.shape == (n, 256, 512, 3)
  for t in range(n):
    assert_shows(film[t, :, :256], 10 * t)
    assert_shows(film[t, :, 256:], 255 - 10 * t)
  assert model.lengths == {min(n, 4)}
  # Each of the windows once, and two at most at once.
  assert model.decoded == ([2, 1] if n == 9 else [-(-n // 4)])


@pytest.mark.parametrize('n', [3, 9])
def test_fig_14_is_of_the_first_steps_of_the_episode(n):
  model, shown = draw(n, length=4)
  steps = min(n, 4)
  (strip,) = shown['film_fig14.png']
  film = shown['film_fig14.gif']
  assert len(film) == steps
  for t in range(steps):
    rows = [10 * t, 255 - 10 * t, 0, int(model.seeds[0][0]) % 256]
    for row, value in enumerate(rows):
      assert (tile(strip, row, t) == value).all()
      assert_shows(tile(film[t], row, 0), value)


def test_the_pictures_are_a_function_of_the_seed():
  seeds = [draw(5, 4, seed)[0].seeds for seed in (0, 1, 1, 2**40)]
  assert seeds[1] == seeds[2]
  assert len({tuple(s) for s in seeds}) == 3


@pytest.mark.parametrize('variant', variants_test.VARIANTS)
def test_every_latent_model_fills_the_rows(variant, eagerly):
  agent = types.SimpleNamespace(
    model=variants_test.make(variant), train_sequence_length=3
  )
  shown = decode(play.draw(agent, make_episode(5), 0, VIDEO))
  (figure,) = shown['film_fig14.png']
  truth, posterior, conditional, prior = (
    np.stack([tile(figure, row, t) for t in range(3)]) for row in range(4)
  )
  for t in range(3):
    assert (truth[t] == 10 * t).all()
  assert (posterior[0] == conditional[0]).all()
  for row in (conditional, prior):
    assert (row[1:] != posterior[1:]).any()
  assert (prior != conditional).any()


@pytest.fixture
def run_dir(tmp_path):
  """As much of a run's folder as is looked at before anything is loaded."""
  (tmp_path / 'config.json').write_text('{}')
  (tmp_path / 'videos').mkdir()
  return tmp_path


def refusal(run_dir, **flags):
  """The message and the exit code of what play is told."""
  plain = {
    'episodes': 1,
    'seed': 0,
    'sample': False,
    'carry_images': False,
    'video': None,
    'export': None,
    'allow_gin_imports': False,
    'half': False,
  }
  arguments = {'run_dir': run_dir, **plain, **flags}
  with pytest.raises(errors.UserError) as caught:
    play.play(argparse.Namespace(**arguments))
  message = str(caught.value)
  assert '\n' not in message and message.endswith('.')
  return message, caught.value.exit_code


@pytest.mark.parametrize('option', ['video', 'export'])
@pytest.mark.parametrize(
  ('name', 'reason'),
  [
    ('missing/x.gif', 'No such file'),
    ('config.json/x.gif', 'Not a directory'),
  ],
)
def test_a_target_that_cannot_be_written_is_refused_at_once(
  run_dir, option, name, reason
):
  message, code = refusal(run_dir, **{option: run_dir / name})
  assert code == 73
  assert f'{run_dir / name} cannot be written ({reason}' in message
  assert f'--{option}' in message
  assert sorted(path.name for path in run_dir.iterdir()) == [
    'config.json',
    'videos',
  ]


def test_an_export_alone_needs_no_place_for_a_film(chosen, run_dir):
  (run_dir / 'videos').rmdir()
  export = f'--export={run_dir / "policy"}'
  assert 'exported' in chosen(export, '--episodes=0')
  with pytest.raises(errors.UserError, match='choose another --video'):
    chosen(export)


def test_neither_a_film_nor_a_policy_takes_the_place_of_something_else(
  run_dir,
):
  (run_dir / 'folder.gif').mkdir()
  message, code = refusal(run_dir, video=run_dir / 'folder.gif')
  assert code == 73 and 'cannot be written (Is a directory)' in message
  message, code = refusal(run_dir, export=run_dir / 'config.json')
  assert code == 73 and 'cannot be replaced by a policy' in message
  message, code = refusal(run_dir, export=run_dir)
  assert code == 73 and 'holds config.json' in message


def test_a_failure_while_writing_is_a_sentence_too(tmp_path):
  with (
    pytest.raises(errors.UserError, match='--video') as caught,
    errors.written(tmp_path, '--video'),
  ):
    tmp_path.write_bytes(b'')
  assert caught.value.exit_code == 73
  assert '\n' not in str(caught.value)


class Played(Exception):
  """Ends a call where the first episode would begin."""


@pytest.fixture
def chosen(run_dir, monkeypatch):
  """What a command line exports and plays, of a run that is made up."""
  found = {}

  def call(*flags):
    found.clear()
    monkeypatch.setattr(sys, 'argv', ['play', str(run_dir), *flags])
    try:
      play.play(play.parse_arguments())
    except Played:
      return dict(found)
    assert 'played' not in found
    return dict(found)

  def export(parts, folder, env_steps, greedy, images, half):
    assert parts is experiment and not half
    found['exported'] = folder.name, env_steps, greedy, images

  def evaluator(environment, policy, seed):
    found['played'] = policy
    raise Played

  experiment = types.SimpleNamespace(
    agent=types.SimpleNamespace(policy='sampled', greedy_policy='greedy'),
    task='walk',
    eval_environment=None,
  )
  for module, name, value in (
    (play.trained, 'load_settings', lambda *_: None),
    (play.trained, 'restore', lambda _: (experiment, 400)),
    (play.exporting, 'export', export),
    (play.evaluation, 'Evaluator', evaluator),
  ):
    monkeypatch.setattr(module, name, value)
  return call


def test_the_greedy_policy_is_played_and_exported_unless_told(chosen, run_dir):
  export = f'--export={run_dir / "policy"}'
  assert chosen() == {'played': 'greedy'}
  assert chosen('--greedy') == {'played': 'greedy'}
  assert chosen('--sample') == {'played': 'sampled'}
  assert chosen(export) == {
    'exported': ('policy', 400, True, False),
    'played': 'greedy',
  }
  assert chosen(export, '--sample', '--carry_images') == {
    'exported': ('policy', 400, False, True),
    'played': 'sampled',
  }
  # No episodes: the policy and no more.
  assert chosen(export, '--episodes=0') == {
    'exported': ('policy', 400, True, False)
  }


@pytest.fixture
def refused(monkeypatch, capsys):
  """What a wrong command line is told."""

  def call(*flags):
    monkeypatch.setattr(sys, 'argv', ['play', *flags])
    with pytest.raises(SystemExit, match='64'):
      play.parse_arguments()
    return capsys.readouterr().err

  return call


@pytest.mark.parametrize(
  ('flags', 'says'),
  [
    (['run', '--greedy', '--sample'], 'not allowed with'),
    (['run', '--carry_images'], 'with --export'),
    (['run', '--episodes=0'], 'with --export'),
    (['run', '--half'], 'with --export'),
    (['run', '--half', '--export=x', '--episodes=0'], 'at least one episode'),
    (['run', '--video=x.mp4'], 'films are GIFs'),
    (['run', '--pretrained=x'], 'and not both'),
    ([], "name a run's folder"),
    (['--pretrained=x', '--sample'], 'leave out'),
  ],
)
def test_flags_that_do_not_go_together(refused, flags, says):
  assert says in refused(*flags)


@pytest.mark.parametrize(
  'flag', ['--export', '--carry_images', '--half', '--episodes=0']
)
def test_nothing_of_a_pretrained_policy_is_exported(refused, flag):
  value = ['x'] if flag == '--export' else []
  message = refused('--pretrained=x', flag, *value)
  _, remedy = message.split(': leave out ')
  assert flag in remedy


def test_a_gpu_is_prepared_before_a_policy_is_loaded(monkeypatch, tmp_path):
  called = []

  def load(_):
    called.append('loaded')
    raise Played

  for module, name, value in (
    (play.records, 'find', lambda _: tmp_path),
    (play.records, 'read', lambda _: {'evaluation': {}}),
    (play.devices, 'prepare', lambda: called.append('prepared')),
    (play.deployment, 'load', load),
  ):
    monkeypatch.setattr(module, name, value)
  with pytest.raises(Played):
    play.play_pretrained(types.SimpleNamespace(pretrained='x'))
  assert called == ['prepared', 'loaded']
