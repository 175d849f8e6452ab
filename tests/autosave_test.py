"""Tests of slac/autosave.py: patience with a disk that is full."""

import pytest

from slac import autosave, errors


class Disk:
  """Counts the saves, and refuses them as long as it is full."""

  def __init__(self):
    self.code = None
    self.tried = 0

  def save(self):
    self.tried += 1
    if self.code:
      raise errors.UserError('Cannot save: full.', self.code)


@pytest.fixture
def clock(monkeypatch):
  """A list whose only item is the time in seconds."""
  now = [0.0]
  monkeypatch.setattr(autosave.time, 'monotonic', lambda: now[0])
  return now


def test_saves_when_it_is_time(clock):
  disk = Disk()
  save = autosave.Autosave(disk.save, 300.0)
  tried = []
  for clock[0] in (0, 299, 300, 301, 600, 601, 602):
    save.if_due()
    tried.append(disk.tried)
  assert tried == [0, 0, 0, 1, 1, 1, 2]


def test_only_the_third_failure_in_a_row_ends_the_run(clock, capsys):
  disk = Disk()
  save = autosave.Autosave(disk.save, 1.0)

  def again(code):
    disk.code = code
    clock[0] += 2
    save.if_due()
    # No sooner than the interval after the last attempt, failed or not.
    save.if_due()
    return capsys.readouterr().err

  for _ in range(2):
    assert again(74).endswith('this was 1.\n')
    message = again(74)
    assert message.startswith('Cannot save: full. Training goes on')
    assert message.endswith('this was 2.\n')
    assert again(None) == ''
  again(74)
  again(74)
  with pytest.raises(errors.UserError, match='Cannot save') as fault:
    again(74)
  assert fault.value.exit_code == 74
  assert capsys.readouterr().err == ''
  assert disk.tried == 9


def test_faults_that_are_not_the_disk_s_end_the_run_at_once(clock):
  disk = Disk()
  disk.code = 70
  save = autosave.Autosave(disk.save, 1.0)
  clock[0] = 2
  with pytest.raises(errors.UserError):
    save.if_due()
