"""A run that an older version began goes on in this one.

`tests/data/run-0.1.tar.xz` was made at commit e17eac6, on TensorFlow 2.15.1:
`run` by the command line in its version.json, with what is in its config.json,
stopped by SIGTERM after 265 turns of the loop;
`expected` are the logs that the same version wrote when it continued. No
pictures were drawn. What a checkpoint and config.json name, attributes of
objects and gin's short names, is thereby an interface: moving a class is free,
renaming these is not.
"""

import csv
import pathlib
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import tensorflow as tf

from slac.storage import run_folder
from tests import event_files, run_folders

pytestmark = [pytest.mark.slow, pytest.mark.long]

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
ARCHIVE = REPOSITORY / 'tests' / 'data' / 'run-0.1.tar.xz'
SAVED_STEPS, STEPS = 4900, 6000


def rows(path):
  """The rows of a CSV file as numbers, without what the clock measured."""
  with open(path) as file:
    return [
      {
        name: float(value or 'nan')
        for name, value in row.items()
        if not name.startswith(('wall_seconds', 'speed/', 'seconds/'))
      }
      for row in csv.DictReader(file)
    ]


@pytest.fixture(scope='module')
def continued(tmp_path_factory):
  """The folder with the archive's content, where the run came to its end."""
  root = tmp_path_factory.mktemp('older')
  with tarfile.open(ARCHIVE) as archive:
    archive.extractall(root, filter='data')
  config = run_folder.read_config(root / 'run' / 'config.json')
  seed = config.pop('Experiment.seed')
  bindings = '\n'.join(f'{name} = {text}' for name, text in config.items())
  (root / 'run.gin').write_text(bindings)
  process = subprocess.run(
    [
      *(sys.executable, 'train_eval.py', f'--gin_file={root}/run.gin'),
      *(f'--root_dir={root}', '--name=run', f'--seed={seed}'),
    ],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
  )
  assert process.returncode == 0, process.stderr
  assert f'Continuing at {SAVED_STEPS:,} environment steps' in process.stdout
  return root


def test_it_goes_on_as_the_version_that_began_it(continued):
  for name in ('train', 'eval'):
    found = rows(continued / 'run' / f'{name}.csv')
    expected = rows(continued / 'expected' / f'{name}.csv')
    assert found[-1]['env_steps'] == STEPS
    assert len(found) == len(expected)
    for row, expected_row in zip(found, expected, strict=True):
      # Columns may come, none may go.
      for column, value in expected_row.items():
        np.testing.assert_allclose(
          row[column], value, rtol=1e-3, atol=1e-3, err_msg=column
        )


def test_what_it_had_logged_stays_as_it_was(continued):
  with tarfile.open(ARCHIVE) as archive:
    for name in ('train.csv', 'eval.csv', 'config.json'):
      before = archive.extractfile(f'run/{name}').read()
      assert (continued / 'run' / name).read_bytes().startswith(before)


def test_its_events_lie_where_they_do_now(continued):
  with tarfile.open(ARCHIVE) as archive:
    before = {
      pathlib.PurePath(name).name
      for name in archive.getnames()
      if 'tfevents' in name
    }
  found = {path.name for path in event_files.paths(continued / 'run')}
  assert before and before < found
  assert not (continued / 'run' / 'tensorboard').exists()


def test_every_variable_is_saved_again_under_its_name(continued):
  with tarfile.open(ARCHIVE) as archive:
    archive.extractall(
      continued / 'before',
      filter='data',
      members=[member for member in archive if member.name.startswith('run/')],
    )
  names = []
  for folder in (continued / 'before' / 'run', continued / 'run'):
    _, checkpoint = run_folders.newest(folder)
    reader = tf.train.load_checkpoint(str(checkpoint / 'variables'))
    names.append(set(reader.get_variable_to_shape_map()))
  assert len(names[0]) > 100
  assert names[0] == names[1]
