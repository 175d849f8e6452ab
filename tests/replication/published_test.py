"""Tests of slac/replication/published.py, trials.py and storage/tables.py."""

import pytest

from slac import errors
from slac.replication import published
from tests.replication import made_up


def fault(folder, code=65):
  with pytest.raises(errors.UserError) as caught:
    published.read(folder)
  assert caught.value.exit_code == code
  return str(caught.value)


def test_rows_become_trials(tmp_path):
  made_up.write_published(
    tmp_path,
    [
      ('finger', 'spin', '1.0', 0.1, 0, 5.5, 0),
      ('finger', 'spin', '1.0', 0.1, 0, 7.5, 10_000),
      ('finger', 'spin', '1.0', 0.1, 1, 6.5, 10_000),
      ('finger', 'spin', '1.0', 0.4, 0, 8.5, 10_000),
      ('finger', 'spin', '2.0', 0.1, 0, 9.5, 20_000),
    ],
  )
  found = published.read(tmp_path)
  assert {trial.task for trial in found} == {'finger spin'}
  assert [
    (trial.action_repeat, trial.variance, trial.name, trial.returns)
    for trial in found
  ] == [
    (1, 0.1, '0', {0: 5.5, 10_000: 7.5}),
    (1, 0.1, '1', {10_000: 6.5}),
    (1, 0.4, '0', {10_000: 8.5}),
    (2, 0.1, '0', {20_000: 9.5}),
  ]


def test_other_units_are_refused(tmp_path):
  columns = [
    name.replace('OriginalEnvironmentSteps', 'EnvironmentSteps')
    for name in published.COLUMNS
  ]
  made_up.write_published(tmp_path, columns=columns)
  message = fault(tmp_path)
  assert 'no column OriginalEnvironmentSteps' in message
  assert 'units' in message


@pytest.mark.parametrize(
  ('column', 'value', 'text'),
  [
    (5, 'nan', "line 2: AverageReturnEvalPolicy is 'nan'"),
    (5, '', "AverageReturnEvalPolicy is ''"),
    (6, '12.5', "OriginalEnvironmentSteps is '12.5', not a whole number"),
    (6, '-10', "'-10', not a whole number"),
    (2, 'four', "action_repeat is 'four'"),
    (0, '../../etc', "task '../../etc'"),
  ],
)
def test_a_damaged_cell_is_named(tmp_path, column, value, text):
  row = list(made_up.ROW)
  row[column] = value
  made_up.write_published(tmp_path, [row])
  assert text in fault(tmp_path)


def test_a_trial_has_one_return_at_a_step(tmp_path):
  made_up.write_published(tmp_path, [made_up.ROW, made_up.ROW])
  message = fault(tmp_path)
  assert 'line 3: trial 0 has a second row at step 30,000' in message


def test_damaged_files(tmp_path):
  path = made_up.write_published(tmp_path, [made_up.ROW] * 2)
  whole = path.read_bytes()
  path.write_bytes(whole[:-12])  # Broken off in the last row.
  assert 'line 3: it has not as many cells' in fault(tmp_path)
  path.write_bytes(whole.replace(b'swingup', b'\xff\xfe'))
  assert 'curves.csv is damaged' in fault(tmp_path)
  path.write_bytes(b'')
  assert 'no column domain_name' in fault(tmp_path)


def test_a_folder_without_curves(tmp_path):
  assert '--published' in fault(tmp_path, 66)
  assert 'no CSV files' in fault(tmp_path / 'missing', 66)
