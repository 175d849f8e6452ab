"""Signals, in a process of its own."""

import functools
import re
import signal
import subprocess
import sys
import time

import pytest

from slac import errors
from slac.environments import signals
from slac.training import stopping

SECONDS, FOREVER = 600, 3600  # After the first a process hangs.
SCRIPT = f"""
import sys, time
from slac.training import stopping
stop = stopping.StopRequest()
if 'defer' in sys.argv or 'release' in sys.argv:
  stop.defer()
if 'release' in sys.argv:
  stop.release()
print('ready', stop.requested, flush=True)
while not stop.requested:
  time.sleep(0.01)
print('requested', stop.exit_code, flush=True)
if 'save' in sys.argv:
  time.sleep(0.5)
if 'wait' in sys.argv:
  time.sleep({FOREVER})
sys.exit(stop.exit_code)
"""
SIGNALS = pytest.mark.parametrize('number', signals.STOPPING)


@pytest.fixture
def start():
  processes = []

  def start(*arguments, hangup=signal.SIG_DFL):
    process = subprocess.Popen(
      [sys.executable, '-c', SCRIPT, *arguments],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
      # Whether or not these tests themselves run under nohup.
      preexec_fn=functools.partial(signal.signal, signal.SIGHUP, hangup),
    )
    processes.append(process)
    assert process.stdout.readline() == 'ready False\n'
    return process

  yield start
  for process in processes:
    process.kill()
    process.communicate()


@pytest.mark.slow
@SIGNALS
def test_the_first_signal_is_remembered(start, number):
  process = start('defer')
  process.send_signal(number)
  out, err = process.communicate(timeout=SECONDS)
  assert (out, err) == (f'requested {128 + number}\n', '')
  assert process.returncode == 128 + number


@pytest.mark.slow
@SIGNALS
def test_the_second_signal_ends_the_process_at_once(start, number):
  process = start('defer', 'wait')
  process.send_signal(signal.SIGTERM)
  assert process.stdout.readline() == f'requested {128 + signal.SIGTERM}\n'
  time.sleep(signals.SECONDS_AS_ONE)
  process.send_signal(number)
  assert process.wait(timeout=SECONDS) == 128 + number


@pytest.mark.slow
@pytest.mark.parametrize('gap', [0.0, 0.005, 0.05])
def test_signals_sent_together_are_one(start, gap):
  """As a terminal sends them, or coreutils' timeout."""
  process = start('defer', 'save')
  process.send_signal(signal.SIGTERM)
  time.sleep(gap)
  for number in signals.STOPPING:
    process.send_signal(number)
  out, _ = process.communicate(timeout=SECONDS)
  # Those that come before the handler runs are handled in another order.
  assert re.fullmatch(r'requested (\d+)\n', out)
  assert process.returncode == int(out.split()[1])


@pytest.mark.slow
def test_a_closed_terminal_is_nothing_under_nohup(start):
  process = start('defer', 'save', hangup=signal.SIG_IGN)
  process.send_signal(signal.SIGHUP)
  process.send_signal(signal.SIGTERM)
  out, _ = process.communicate(timeout=SECONDS)
  assert out == f'requested {128 + signal.SIGTERM}\n'


@pytest.mark.slow
@SIGNALS
@pytest.mark.parametrize('arguments', [[], ['release']])
def test_with_nothing_to_save_the_first_one_does(start, number, arguments):
  process = start(*arguments)
  process.send_signal(number)
  out, err = process.communicate(timeout=SECONDS)
  assert (out, err) == ('', '')
  assert process.returncode == 128 + number


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
  monkeypatch.setattr(stopping.time, 'monotonic', lambda: now[0])
  return now


def test_saves_when_it_is_time(clock):
  disk = Disk()
  save = stopping.Autosave(disk.save, 300.0)
  tried = []
  for clock[0] in (0, 299, 300, 301, 600, 601, 602):
    save.if_due()
    tried.append(disk.tried)
  assert tried == [0, 0, 0, 1, 1, 1, 2]


def test_only_the_third_failure_in_a_row_ends_the_run(clock, capsys):
  disk = Disk()
  save = stopping.Autosave(disk.save, 1.0)

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
  save = stopping.Autosave(disk.save, 1.0)
  clock[0] = 2
  with pytest.raises(errors.UserError):
    save.if_due()
