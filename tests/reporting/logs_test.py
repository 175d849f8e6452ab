"""Tests of slac/reporting/logs.py: TensorBoard, CSV files and their rewind."""

import csv
import io
import os
import shutil
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageSequence
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import metadata as hparams

from slac import errors
from slac.reporting import encoding, events, logs
from tests import event_files

COLUMNS = {'eval': ('env_steps', 'average_return'), 'train': ('env_steps',)}


def opened(folder, state=None, columns=COLUMNS):
  log = logs.Logs(folder, columns, {'eval': 'evaluation/', 'train': ''})
  log.open(state)
  return log


def read_scalars(folder):
  """Returns {tag: [(step, value), ...]} of every event, as written."""
  scalars = {}
  for step, value in event_files.values(folder):
    number = tf.make_ndarray(value.tensor)
    if number.dtype == np.float32:
      scalars.setdefault(value.tag, []).append((step, float(number)))
  return scalars


def read_csv(path):
  with open(path, newline='') as file:
    return list(csv.DictReader(file))


def moving_square(n=4, size=64):
  """Returns n frames with a white square that moves by 8 pixels."""
  frames = np.zeros((n, size, size, 3), np.uint8)
  frames[..., 2] = 100
  for i in range(n):
    frames[i, 8 * i : 8 * i + 8, 16:24] = 255
  return frames


def film_of(frames):
  return encoding.encode({'video': frames})['video']


def test_scalars_and_texts_are_seen_by_tensorboard(tmp_path):
  log = opened(tmp_path)
  log.scalars(4, {'loss': 0.5, 'train/alpha': tf.constant(2.0)})
  log.text('settings', '**bold**')
  log.close()
  events = event_accumulator.EventAccumulator(str(tmp_path))
  events.Reload()
  assert set(events.Tags()['tensors']) == {'loss', 'train/alpha', 'settings'}
  assert read_scalars(tmp_path) == {'loss': [(4, 0.5)], 'train/alpha': [(4, 2)]}


def test_a_curve_is_described_where_it_begins(tmp_path):
  log = opened(tmp_path)
  for step in (1, 2):
    log.scalars(step, {'model/kl': 0.5, 'pretraining/model/kl': 1, 'mine': 2})
    log.scalars(step, {'evaluation/model/kl': 3, 'reward/gradient_norm': 4})
  found = {}
  for _, value in event_files.values(tmp_path):
    text = value.metadata.summary_description
    found.setdefault(value.tag, []).append(text)
  first, second = found['model/kl']
  assert first.startswith('KL divergence of the posterior') and not second
  assert found['pretraining/model/kl'] == [first, '']
  assert found['mine'] == ['', '']
  held_out, _ = found['evaluation/model/kl']
  assert held_out.startswith('Of evaluation episodes') and first in held_out
  assert found['reward/gradient_norm'][0].startswith('Global norm')


def test_runs_are_compared_by_settings_and_returns(tmp_path):
  log = opened(tmp_path / 'walker-seed0')
  settings = {'A.rate': 1e-4, 'A.model': 'PlanetModel', 'A.crop': True}
  metrics = {'evaluation/average_return': 'final return'}
  log.hyperparameters(settings, ['A.model'], metrics)
  contents = {
    value.tag: value.metadata.plugin_data.content
    for _, value in event_files.values(tmp_path / 'walker-seed0')
  }
  experiment = hparams.parse_experiment_plugin_data(
    contents[hparams.EXPERIMENT_TAG]
  )
  found = {info.name: info.differs for info in experiment.hparam_infos}
  assert found == {'A.rate': False, 'A.model': True, 'A.crop': False}
  (metric,) = experiment.metric_infos
  assert (metric.name.tag, metric.display_name) == (
    'evaluation/average_return',
    'final return',
  )
  session = hparams.parse_session_start_info_plugin_data(
    contents[hparams.SESSION_START_INFO_TAG]
  )
  assert session.group_name == 'walker-seed0'
  assert session.hparams['A.rate'].number_value == 1e-4
  assert session.hparams['A.model'].string_value == 'PlanetModel'
  assert session.hparams['A.crop'].bool_value


def test_events_of_an_older_version_are_taken_along(tmp_path, capsys):
  log = opened(tmp_path)
  write_evaluations(log)
  state = {
    f'tensorboard/{name}' if name.startswith('events') else name: mark
    for name, mark in log.get_state().items()
  }
  former = tmp_path / 'tensorboard'
  former.mkdir()
  (path,) = event_files.paths(tmp_path)
  path.rename(former / path.name)
  for _ in range(2):  # The second as after a kill before the next checkpoint.
    again = opened(tmp_path, state)
    again.scalars(4, {'evaluation/average_return': 9.0})
    assert not former.exists()
  assert capsys.readouterr().err == ''
  assert [step for step, _ in event_files.values(tmp_path)] == [1, 2, 3, 4]
  assert path in event_files.paths(tmp_path)


def test_csv_rows(tmp_path):
  log = opened(tmp_path)
  log.row('eval', {'average_return': 0.1, 'env_steps': 7})
  log.row('eval', {'env_steps': np.int64(8)})
  text = (tmp_path / 'eval.csv').read_text()  # Before any flush or close.
  assert text == 'env_steps,average_return\n7,0.1\n8,\n'
  assert (tmp_path / 'train.csv').read_text() == 'env_steps\n'
  with pytest.raises(KeyError, match='reward'):
    log.row('eval', {'reward': 1})
  assert (tmp_path / 'eval.csv').read_text() == text


def test_csv_files_with_other_columns_are_not_continued(tmp_path):
  log = opened(tmp_path, columns={'eval': ('a', 'b')})
  state = log.get_state()
  log.close()
  with pytest.raises(errors.UserError, match='has other columns'):
    opened(tmp_path, state, columns={'eval': ('a',)})


def test_a_table_of_an_older_version_goes_on_with_its_columns(tmp_path, capsys):
  columns = {'eval': ('env_steps', 'average_return', 'model/kl')}
  log = opened(tmp_path)
  log.row('eval', {'env_steps': 1, 'average_return': 0.5})
  state = log.get_state()
  again = opened(tmp_path, state, columns)
  values = {'env_steps': 2, 'average_return': 1.5, 'model/kl': 9.0}
  again.row('eval', values)
  path = tmp_path / 'eval.csv'
  assert path.read_bytes() == HEADER + b'1,0.5\n2,1.5\n'
  with pytest.raises(KeyError, match='reward'):
    again.row('eval', {'reward': 1})
  # It is mended with the columns that it has; one that is gone has all.
  again.scalars(2, {f'evaluation/{name}': v for name, v in values.items()})
  state = again.get_state()
  path.write_bytes(HEADER + b'1,0.5\n2,')
  state = opened(tmp_path, state, columns).get_state()
  assert path.read_bytes() == HEADER + b'1,0.5\n2,1.5\n'
  path.unlink()
  opened(tmp_path, state, columns)
  assert path.read_bytes() == b'env_steps,average_return,model/kl\n2,1.5,9.0\n'
  assert capsys.readouterr().err.count('Logs are not') == 2


def test_a_gif_is_animated_in_tensorboard_and_in_the_folder(tmp_path):
  log = opened(tmp_path)
  frames = moving_square()
  log.picture(12, 'eval/rollout', film_of(frames))
  log.close()
  events = event_accumulator.EventAccumulator(str(tmp_path))
  events.Reload()
  metadata = events.SummaryMetadata('eval/rollout')
  assert metadata.plugin_data.plugin_name == 'images'
  (event,) = events.Tensors('eval/rollout')
  width, height, data = tf.make_ndarray(event.tensor_proto)
  assert (event.step, width, height) == (12, b'64', b'64')
  file = tmp_path / 'videos' / 'eval-rollout-000000012.gif'
  assert file.read_bytes() == data

  image = Image.open(io.BytesIO(data))
  assert (image.format, image.size, image.n_frames) == ('GIF', (64, 64), 4)
  assert image.info['loop'] == 0
  for frame, expected in zip(
    ImageSequence.Iterator(image), frames, strict=True
  ):
    pixels = np.asarray(frame.convert('RGB')).astype(int)
    np.testing.assert_allclose(pixels, expected, atol=4)


def write(log, steps, offset):
  for step in steps:
    log.scalars(step, {'value': step + offset})
    log.row('eval', {'env_steps': step, 'average_return': step + offset})
    log.picture(step, 'evaluation/video', film_of(moving_square(2, 8)))


@pytest.mark.parametrize('closed', [True, False])
def test_a_resumed_run_logs_each_step_once(tmp_path, closed):
  log = opened(tmp_path)
  write(log, range(1, 6), offset=0.0)
  log.scalars(5, {'other': 1.0})  # Still in the writer's buffer.
  state = log.get_state()
  write(log, range(6, 11), offset=100.0)
  log.row('train', {'env_steps': 10})
  if closed:
    log.close()
  (tmp_path / 'mine.csv').write_text('not a log')

  again = opened(tmp_path, state)
  write(again, range(6, 13), offset=0.5)
  again.close()

  expected = [
    (step, step + (0.0 if step < 6 else 0.5)) for step in range(1, 13)
  ]
  assert read_scalars(tmp_path)['value'] == expected
  assert read_scalars(tmp_path)['other'] == [(5, 1.0)]
  rows = read_csv(tmp_path / 'eval.csv')
  assert [
    (int(row['env_steps']), float(row['average_return'])) for row in rows
  ] == expected
  assert read_csv(tmp_path / 'train.csv') == []
  assert (tmp_path / 'mine.csv').exists()
  events = event_accumulator.EventAccumulator(
    str(tmp_path), size_guidance={'tensors': 0}
  )
  events.Reload()
  assert [event.step for event in events.Tensors('value')] == list(range(1, 13))


def test_rewind_removes_pictures_made_since(tmp_path):
  log = opened(tmp_path)
  write(log, [1], offset=0)
  state = log.get_state()
  write(log, [2], offset=0)
  log.close()
  opened(tmp_path, state)
  assert os.listdir(tmp_path / 'videos') == ['evaluation-video-000000001.gif']


def test_rewind_leaves_alone_what_the_user_keeps_beside_films(tmp_path):
  log = opened(tmp_path)
  state = log.get_state()
  write(log, [1], offset=0)
  (film,) = (tmp_path / 'videos').iterdir()
  kept = {
    'evaluation-video-000000001.gif.bak',
    'evaluation-video-000000001 (best).gif',
    'evaluation-video-00000001.gif',
    'walker-000000001.gif',
    'my-evaluation-video-000000001.gif',
  }
  for name in kept:
    shutil.copy(film, film.with_name(name))
  opened(tmp_path, state)
  assert set(os.listdir(tmp_path / 'videos')) == kept


def test_rewind_leaves_alone_what_play_has_written(tmp_path):
  log = opened(tmp_path)
  write(log, [1], offset=0)
  played = tmp_path / 'videos' / 'play.gif'
  played.write_bytes(b'short')
  state = log.get_state()
  played.write_bytes(b'longer than before')
  (tmp_path / 'videos' / 'play_fig14.png').write_bytes(b'new')
  log.close()
  opened(tmp_path, state)
  assert sorted(os.listdir(tmp_path / 'videos')) == [
    'evaluation-video-000000001.gif',
    'play.gif',
    'play_fig14.png',
  ]
  assert played.read_bytes() == b'longer than before'


def test_rewind_without_a_checkpoint_forgets_everything(tmp_path):
  log = opened(tmp_path)
  write(log, [1], offset=0)
  log.close()
  (tmp_path / 'config.json').write_text('{}')
  opened(tmp_path, None)
  assert (tmp_path / 'config.json').exists()
  assert list((tmp_path / 'videos').iterdir()) == []
  assert len(event_files.paths(tmp_path)) == 1  # A new one.
  assert 'value' not in read_scalars(tmp_path)
  for name in COLUMNS:
    assert read_csv(tmp_path / f'{name}.csv') == []


def test_rewind_does_not_mind_what_the_user_deleted(tmp_path):
  opened(tmp_path / 'new', None)
  log = opened(tmp_path)
  write(log, [1], offset=0)
  state = log.get_state()
  log.close()
  (tmp_path / 'videos' / 'evaluation-video-000000001.gif').unlink()
  opened(tmp_path, state)
  assert os.listdir(tmp_path / 'videos') == []


def write_evaluations(log):
  """Three rows, with the events that belong to them."""
  for step, value in ((1, 0.5), (2, 2.5), (3, 1 / 3)):
    log.row('eval', {'env_steps': step, 'average_return': value})
    log.scalars(step, {'evaluation/average_return': value})
  log.row('train', {'env_steps': 3})


def flip(data, offset):
  return data[:offset] + bytes([data[offset] ^ 4]) + data[offset + 1 :]


HEADER = b'env_steps,average_return\n'
ROWS = b'1,0.5\n2,2.5\n3,0.3333333333333333\n'
THIRD = b'3,0.33333334\n'  # As events know it, in 32 bits.


@pytest.mark.parametrize(
  ('found', 'mended', 'says'),
  [
    (HEADER + b'1,0.5\n2,2', HEADER + b'1,0.5\n2,2.5\n' + THIRD, '1 of 3'),
    (HEADER + b'2,2.5\n', HEADER + b'1,0.5\n2,2.5\n' + THIRD, '1 of 3'),
    (b'', HEADER + b'1,0.5\n2,2.5\n' + THIRD, '0 of 3'),
    (None, HEADER + b'1,0.5\n2,2.5\n' + THIRD, '0 of 3'),
    (flip(HEADER + ROWS, 3), HEADER + ROWS, '3 of 3'),
    # A digit that is still one: 2.5 has become 6.5.
    (HEADER + ROWS.replace(b'2.5', b'6.5'), HEADER + ROWS, '3 of 3'),
    (HEADER + ROWS.replace(b'0.5', b'0,5'), HEADER + ROWS, '2 of 3'),
    (HEADER + b'\xff\xfe\n' + ROWS, HEADER + b'1,0.5\n2,2.5\n' + THIRD, '2 of'),
  ],
)
def test_a_table_is_mended_from_its_rest_and_from_events(
  tmp_path, capsys, found, mended, says
):
  log = opened(tmp_path)
  write_evaluations(log)
  state = log.get_state()
  path = tmp_path / 'eval.csv'
  assert path.read_bytes() == HEADER + ROWS
  path.unlink()
  if found is not None:
    path.write_bytes(found)
  again = opened(tmp_path, state)
  assert path.read_bytes() == mended
  warning = capsys.readouterr().err
  assert warning.count('\n') == 1
  assert f'eval.csv ({says}' in warning
  aside = tmp_path / 'damaged-eval.csv'
  assert (aside.read_bytes() if aside.exists() else None) == found
  # It goes on, and the next start finds nothing amiss.
  again.row('eval', {'env_steps': 4, 'average_return': 1.0})
  opened(tmp_path, again.get_state())
  assert path.read_bytes() == mended + b'4,1.0\n'
  assert capsys.readouterr().err == ''


COUNTED = ('env_steps', 'model_updates', 'gradient_steps', 'loss')


def write_training(log):
  """Random data, pretraining and training, as `report.Report` logs them."""
  for step, updates, gradient_steps, loss in (
    (4, 0, 0, None),
    (8, 0, 0, 0.0),
    (8, 1, 0, 0.25),
    (8, 2, 0, 0.75),
    (12, 2, 1, 0.5),
  ):
    values = {} if loss is None else {'loss': loss}
    counts = (step, updates, gradient_steps)
    log.row('train', dict(zip(COUNTED[:3], counts, strict=True)) | values)
    if updates and not gradient_steps:
      log.scalars(updates, {f'pretraining/{k}': v for k, v in values.items()})
    else:
      log.scalars(step, values)


TRAINED = ['4,0,0,', '8,0,0,0.0', '8,1,0,0.25', '8,2,0,0.75', '12,2,1,0.5']


@pytest.mark.parametrize(
  ('found', 'mended'),
  [
    # The last random row is lost, at whose step pretraining has its rows.
    ([0, 2, 3, 4], ['4,0,0,', '8,,,0.0', *TRAINED[2:]]),
    ([0, 1, 3, 4], ['4,0,0,', '8,0,0,0.0', '8,2,0,0.75', '12,2,1,0.5']),
    ([], ['8,,,0.0', '12,,,0.5']),  # Those of pretraining are lost.
  ],
)
def test_rows_of_pretraining_are_kept_as_they_are(
  tmp_path, capsys, found, mended
):
  columns = {**COLUMNS, 'train': COUNTED}
  log = opened(tmp_path, columns=columns)
  write_training(log)
  state = log.get_state()
  path = tmp_path / 'train.csv'
  header, *rows = path.read_text().splitlines()
  assert rows == TRAINED
  path.write_text('\n'.join([header, *(rows[n] for n in found), '']))
  opened(tmp_path, state, columns)
  assert path.read_text().splitlines() == [header, *mended]
  assert 'train.csv' in capsys.readouterr().err


def events_of(folder):
  (path,) = event_files.paths(folder)
  return path


@pytest.mark.parametrize('damage', ['flip', 'cut', 'empty'])
def test_of_events_the_first_whole_ones_are_kept(tmp_path, capsys, damage):
  log = opened(tmp_path)
  log.scalars(1, {'a': 0.5})
  log.scalars(2, {'a': 1.5})
  whole = log.get_state()[events_of(tmp_path).name][0]
  log.scalars(3, {'a': 2.5})
  state = log.get_state()
  path = events_of(tmp_path)
  data = path.read_bytes()
  found = {
    'flip': flip(data, whole + 20),
    'cut': data[: whole + 20],
    'empty': b'',
  }[damage]
  kept = 0 if damage == 'empty' else whole
  path.write_bytes(found)
  again = opened(tmp_path, state)
  assert path.read_bytes() == data[:kept]
  (aside,) = tmp_path.glob('damaged-*')
  assert aside.read_bytes() == found
  assert 'tfevents' not in aside.name  # TensorBoard would read it.
  name = path.name
  clause = f'the first {kept:,} of {len(data):,} bytes are kept'
  assert f'{name} ({clause})' in capsys.readouterr().err
  again.scalars(3, {'a': 3.5})
  again.close()
  expected = [(1, 0.5), (2, 1.5)] if kept else []
  assert read_scalars(tmp_path) == {'a': [*expected, (3, 3.5)]}


def test_pictures_that_are_gone_or_others_are_named(tmp_path, capsys):
  log = opened(tmp_path)
  write(log, [1, 2], offset=0)
  state = log.get_state()
  first, second = sorted((tmp_path / 'videos').iterdir())
  first.unlink()
  second.write_bytes(b'GIF')
  opened(tmp_path, state)
  warning = capsys.readouterr().err
  assert f'videos/{first.name} (gone)' in warning
  assert f'videos/{second.name} (another one)' in warning
  assert (tmp_path / f'damaged-{second.name}').read_bytes() == b'GIF'


def test_each_damaged_copy_is_kept(tmp_path, capsys):
  log = opened(tmp_path)
  write_evaluations(log)
  for content in (b'first', b'second'):
    state = log.get_state()
    (tmp_path / 'eval.csv').write_bytes(content)
    log = opened(tmp_path, state)
  found = sorted(tmp_path.glob('damaged-*'))
  assert [path.read_bytes() for path in found] == [b'first', b'second']
  assert capsys.readouterr().err.count('Logs are not') == 2


def test_marks_of_other_files_are_left_alone(tmp_path):
  """A stranger's checkpoint may name any; each would be cut to its size."""
  others = {
    '../mine.txt': tmp_path / 'mine.txt',
    'config.json': tmp_path / 'run' / 'config.json',
    'videos/../config.json': tmp_path / 'run' / 'config.json',
    'other.csv': tmp_path / 'run' / 'other.csv',
    'videos/mine.gif': tmp_path / 'run' / 'videos' / 'mine.gif',
  }
  opened(tmp_path / 'run')
  for path in others.values():
    path.write_text('mine')
  opened(tmp_path / 'run', {key: [1, 0, 'no checksum'] for key in others})
  assert all(path.read_text() == 'mine' for path in others.values())


def test_sizes_alone_as_version_0_1_noted_them_are_enough(tmp_path, capsys):
  log = opened(tmp_path)
  write_evaluations(log)
  sizes = {name: mark[0] for name, mark in log.get_state().items()}
  log.row('eval', {'env_steps': 4, 'average_return': 1.0})
  opened(tmp_path, sizes)
  assert (tmp_path / 'eval.csv').read_bytes() == HEADER + ROWS
  assert capsys.readouterr().err == ''
  (tmp_path / 'eval.csv').write_bytes(HEADER + b'1,0.5\n2')
  opened(tmp_path, sizes)
  assert 'eval.csv (1 rows are kept, 2 are mended' in capsys.readouterr().err


@pytest.mark.parametrize(
  'mark', [(1, 2, 'x', 4), (1, 'x', 'x'), ('a', 1, 'x'), 'abc', None, -5]
)
def test_marks_of_another_kind_are_one_sentence(tmp_path, mark):
  state = opened(tmp_path).get_state()
  before = sorted(tmp_path.rglob('*'))
  with pytest.raises(errors.UserError, match='cannot be restored') as caught:
    opened(tmp_path, {**state, 'eval.csv': mark})
  assert caught.value.exit_code == 65
  assert sorted(tmp_path.rglob('*')) == before


def test_a_clock_that_was_set_back_leaves_files_in_their_order(
  tmp_path, monkeypatch
):
  log = opened(tmp_path)
  log.scalars(1, {'a': 0.5})
  state, now = log.get_state(), time.time()
  for days in (1, 2):
    monkeypatch.setattr(
      events.time, 'time', lambda days=days: now - 86400 * days
    )
    log = opened(tmp_path, state)
    log.scalars(1 + days, {'a': 0.5})
    state = log.get_state()
  assert read_scalars(tmp_path)['a'] == [(1, 0.5), (2, 0.5), (3, 0.5)]
  names = [path.name for path in event_files.paths(tmp_path)]
  assert len({name.split('.')[3] for name in names}) == 3
