"""Tests of slac/storage/run_folder.py: the folders of runs."""

import json
import os
import pathlib
import shutil

import pytest

from slac import errors
from slac.storage import run_folder

CONFIG = {'A.x': '1', 'A.y': "'two'"}
VERSION = {'commit': 'abc'}


def open_run(root, name='walker', fresh=False, resolved=None, version=None):
  return run_folder.open_run(
    root / name, fresh, resolved or CONFIG, version or VERSION
  )


def fault(code, *arguments, **keywords):
  with pytest.raises(errors.UserError) as caught:
    open_run(*arguments, **keywords)
  assert caught.value.exit_code == code
  return str(caught.value)


def test_a_new_run_records_its_configuration_and_version(tmp_path):
  folder = open_run(tmp_path / 'deep' / 'runs')
  assert folder == tmp_path / 'deep' / 'runs' / 'walker'
  assert json.loads((folder / 'config.json').read_text()) == CONFIG
  assert json.loads((folder / 'version.json').read_text()) == [VERSION]
  assert sorted(os.listdir(folder)) == ['.lock', 'config.json', 'version.json']


def test_the_same_configuration_continues(tmp_path):
  open_run(tmp_path)
  again = open_run(tmp_path, version={'commit': 'def'})
  assert again == tmp_path / 'walker'
  versions = json.loads((again / 'version.json').read_text())
  assert versions == [VERSION, {'commit': 'def'}]


def test_a_lost_record_of_starts_is_said(tmp_path, capsys):
  folder = open_run(tmp_path)
  (folder / 'version.json').unlink()
  open_run(tmp_path)  # As after a kill before the first record.
  assert capsys.readouterr().err == ''
  (folder / 'checkpoints').mkdir()
  (folder / 'version.json').unlink()
  open_run(tmp_path)
  assert capsys.readouterr().err == (
    f'{folder}/version.json is gone, and with it the record of earlier starts; '
    'a new one begins.\n'
  )
  assert json.loads((folder / 'version.json').read_text()) == [VERSION]


def test_another_configuration_is_refused_with_the_difference(tmp_path):
  open_run(tmp_path)
  message = fault(78, tmp_path, resolved={'A.x': '2', 'A.z': '3'})
  assert '--fresh' in message and '--name' in message and 'walker' in message
  assert message.endswith(
    "(run -> now): A.x: 1 -> 2; A.y: 'two' -> (not set); A.z: (not set) -> 3."
  )
  versions = json.loads((tmp_path / 'walker' / 'version.json').read_text())
  assert len(versions) == 1


SCHEDULE = {'Schedule.env_steps': '1000', 'Schedule.eval_interval': '100'}


def test_a_run_may_be_extended_and_observed_otherwise(tmp_path, capsys):
  open_run(tmp_path, resolved={**CONFIG, **SCHEDULE})
  longer = {
    **CONFIG,
    'Schedule.env_steps': '20000',
    'Schedule.eval_interval': '50',
  }
  folder = open_run(tmp_path, resolved=longer)
  assert capsys.readouterr().out == (
    'The run goes on with other settings: Schedule.env_steps: 1000 -> 20000; '
    'Schedule.eval_interval: 100 -> 50.\n'
  )
  assert json.loads((folder / 'config.json').read_text()) == longer
  changes = {
    'Schedule.env_steps': '1000 -> 20000',
    'Schedule.eval_interval': '100 -> 50',
  }
  starts = [VERSION, {**VERSION, 'changes': changes}]
  assert json.loads((folder / 'version.json').read_text()) == starts
  open_run(tmp_path, resolved=longer)  # Now these are its settings.
  starts.append(VERSION)
  assert json.loads((folder / 'version.json').read_text()) == starts
  assert capsys.readouterr().out == ''


def test_a_run_from_before_a_setting_came_goes_on_with_what_it_did(tmp_path):
  open_run(tmp_path)
  now = {
    'Collection.environments': '1',
    'Collection.step_seconds': '600.0',
    'Evaluation.worker': 'False',
    'Schedule.pretraining_patience': 'None',
  }
  folder = open_run(tmp_path, resolved={**CONFIG, **now})
  versions = json.loads((folder / 'version.json').read_text())
  assert versions == [VERSION, VERSION]  # Nothing has changed.
  now['Collection.environments'] = '2'
  message = fault(78, tmp_path, resolved={**CONFIG, **now})
  assert message.endswith('(run -> now): Collection.environments: 1 -> 2.')


@pytest.mark.parametrize(
  ('changes', 'refused'),
  [
    ({'Schedule.env_steps': '999'}, 'Schedule.env_steps: 1000 -> 999.'),
    ({'Schedule.env_steps': '1e4'}, 'Schedule.env_steps: 1000 -> 1e4.'),
    # Of several the one is named that would change what was computed.
    ({'Schedule.env_steps': '2000', 'A.x': '7'}, '(run -> now): A.x: 1 -> 7.'),
  ],
)
def test_what_would_change_the_past_is_refused(tmp_path, changes, refused):
  open_run(tmp_path, resolved={**CONFIG, **SCHEDULE})
  config = (tmp_path / 'walker' / 'config.json').read_bytes()
  message = fault(78, tmp_path, resolved={**CONFIG, **SCHEDULE, **changes})
  assert message.endswith(refused)
  assert (tmp_path / 'walker' / 'config.json').read_bytes() == config
  starts = json.loads((tmp_path / 'walker' / 'version.json').read_text())
  assert starts == [VERSION]


def test_fresh_takes_the_first_free_name_and_deletes_nothing(tmp_path):
  assert open_run(tmp_path, fresh=True).name == 'walker'
  (tmp_path / 'walker' / 'log').write_text('kept')
  assert open_run(tmp_path, fresh=True).name == 'walker-2'
  assert open_run(tmp_path, fresh=True, resolved={'B': '1'}).name == 'walker-3'
  assert (tmp_path / 'walker' / 'log').read_text() == 'kept'


def test_a_folder_that_is_no_run_is_refused(tmp_path):
  (tmp_path / 'walker').mkdir()
  assert open_run(tmp_path).name == 'walker'  # Empty: nothing to lose.
  (tmp_path / 'other').mkdir()
  (tmp_path / 'other' / 'thesis.tex').write_text('precious')
  assert 'no config.json' in fault(78, tmp_path, name='other')
  assert open_run(tmp_path, name='other', fresh=True).name == 'other-2'


def test_what_a_killed_start_left_behind_does_not_matter(tmp_path):
  (tmp_path / 'walker').mkdir()
  (tmp_path / 'walker' / '.config.json.tmp').write_text('{"A')
  (tmp_path / 'walker' / '.lock').write_text('process 1 on elsewhere')
  folder = open_run(tmp_path)
  assert sorted(os.listdir(folder)) == ['.lock', 'config.json', 'version.json']


def test_a_damaged_configuration_is_not_overwritten(tmp_path):
  folder = open_run(tmp_path)
  (folder / 'config.json').write_text('{"A')
  assert 'config.json is damaged' in fault(74, tmp_path)
  assert (folder / 'config.json').read_text() == '{"A'


@pytest.mark.parametrize('text', ['[]', '{"A.x": 1}', 'null', '[' * 100_000])
def test_json_that_is_no_configuration(tmp_path, text):
  folder = open_run(tmp_path)
  (folder / 'config.json').write_text(text)
  assert 'config.json is damaged' in fault(74, tmp_path)


def test_long_settings_are_neither_written_nor_read(tmp_path):
  text = repr('a' * 100_000)
  assert fault(78, tmp_path, resolved={'A.x': '1', 'A.text': text}) == (
    'A.text has 100,002 characters, but all settings of a run may have '
    '100,000: have your code read what is long from a file.'
  )
  assert not (tmp_path / 'walker').exists()
  almost = {'A.text': text[:99_000]}
  assert open_run(tmp_path, resolved=almost) == open_run(
    tmp_path, resolved=almost
  )
  (tmp_path / 'walker' / 'config.json').write_text(json.dumps({'A': text}))
  assert fault(74, tmp_path) == (
    f'{tmp_path / "walker" / "config.json"} is damaged (it has more than '
    '100,000 characters); restore it, or start anew with --fresh.'
  )


def test_of_long_differences_the_first_are_shown_and_of_long_texts_both_ends(
  tmp_path,
):
  open_run(tmp_path, resolved={f'A.x{n:02}': '1' for n in range(90)})
  other = {f'A.x{n:02}': 'a' * 200 for n in range(90)}
  message = fault(78, tmp_path, resolved=other)
  shown = f'1 -> {"a" * 48}...{"a" * 48}'
  assert message.endswith(
    ''.join(f'A.x0{n}: {shown}; ' for n in range(10)) + 'and 80 more.'
  )


@pytest.mark.parametrize('text', ['{}', '[1]', '3', '[{}, []]', '\x00'])
def test_a_damaged_list_of_starts(tmp_path, text):
  folder = open_run(tmp_path)
  (folder / 'version.json').write_text(text)
  assert 'version.json is damaged' in fault(74, tmp_path)
  assert (folder / 'version.json').read_text() == text


def test_a_root_that_cannot_be_written(tmp_path):
  (tmp_path / 'file').write_text('')
  for fresh in (False, True):
    message = fault(73, tmp_path / 'file' / 'runs', fresh=fresh)
    assert str(tmp_path / 'file' / 'runs' / 'walker') in message
  fault(73, tmp_path, name='file')


def test_two_fresh_starts_at_once_have_two_folders(tmp_path):
  """The second looks before the first has written anything."""
  (tmp_path / 'walker').mkdir()
  assert open_run(tmp_path, fresh=True).name == 'walker-2'


@pytest.mark.parametrize('root', ['a\udcff', 'b'])
def test_a_path_that_is_no_utf_8_is_refused_before_it_is_made(tmp_path, root):
  name = 'walker' if root != 'b' else 'walker\udcff'
  message = fault(64, tmp_path / root, name)
  assert 'no UTF-8' in message
  message.encode()
  assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_checkpoint_keeps_its_results(tmp_path):
  run_folder.refuse_to_forget(tmp_path)
  (tmp_path / 'train.csv').write_text('env_steps\n')
  run_folder.refuse_to_forget(tmp_path)
  (tmp_path / 'train.csv').write_text('env_steps\n1\n2\n')
  (tmp_path / 'policy').mkdir()
  with pytest.raises(errors.UserError) as caught:
    run_folder.refuse_to_forget(tmp_path)
  assert caught.value.exit_code == 74
  assert 'has 2 rows in train.csv, a policy, but no' in str(caught.value)


@pytest.mark.parametrize(
  ('make', 'name', 'says'),
  [
    (os.mkfifo, 'config.json', 'neither a file nor a folder'),
    (os.mkfifo, 'checkpoints/checkpoint-1/manifest.json', 'neither'),
    (os.mkdir, 'train.csv', 'a folder where a run keeps a file'),
    (os.mkdir, 'config.json', 'a folder where a run keeps a file'),
    (os.mkdir, 'version.json', 'a folder where a run keeps a file'),
    (os.mkdir, '.lock', 'a folder where a run keeps a file'),
    (os.mknod, 'videos', 'a file where a run keeps a folder'),
    (os.mknod, 'checkpoints', 'a file where a run keeps a folder'),
  ],
)
def test_what_no_run_makes_is_named(tmp_path, make, name, says):
  path = tmp_path / 'walker' / name
  path.parent.mkdir(parents=True)
  make(path)
  message = fault(74, tmp_path)
  assert str(path) in message and says in message


def test_what_a_run_removes_meanwhile_is_no_fault(tmp_path, monkeypatch):
  """As when a checkpoint is followed by the next while the folder is read."""
  old = tmp_path / 'checkpoints' / 'checkpoint-1'
  old.mkdir(parents=True)
  (old / 'arrays.npz').write_text('')
  is_symlink = pathlib.Path.is_symlink

  def remove_first(path):
    if path in (old, old / 'arrays.npz'):
      shutil.rmtree(old, ignore_errors=True)
    return is_symlink(path)

  monkeypatch.setattr(pathlib.Path, 'is_symlink', remove_first)
  run_folder.refuse_what_no_run_makes(tmp_path)
  assert not old.exists()
  old.mkdir()
  run_folder.refuse_what_no_run_makes(old)  # Here its file goes, not itself.


def test_trials_of_one_experiment_differ_in_their_seed_and_logs_only():
  of_a_trial = {
    **{'Experiment.seed': '3', 'Schedule.env_steps': '100'},
    **{'Schedule.checkpoint_seconds': '1.0', 'Schedule.log_interval': '2'},
    **{'Schedule.picture_interval': '5', 'Schedule.eval_interval': '9'},
  }
  shared = {'Schedule.batch_size': '8', 'Schedule.model_updates': '9'}
  assert run_folder.experiment({**of_a_trial, **shared}) == shared
  # Three of these decide when pretraining ends, if it has patience.
  patience = {'Schedule.pretraining_patience': '3'}
  deciding = {'Schedule.log_interval': '2', 'Schedule.picture_interval': '5'}
  settings = {**of_a_trial, **shared, **patience, 'Schedule.eval_episodes': '7'}
  assert run_folder.experiment(settings) == {
    **{**shared, **patience, **deciding},
    'Schedule.eval_episodes': '7',
  }
