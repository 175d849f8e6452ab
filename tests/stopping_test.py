"""Signals, in a process of its own."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import sys, time
from slac import stopping
stop = stopping.StopRequest()
if 'defer' in sys.argv or 'release' in sys.argv:
  stop.defer()
if 'release' in sys.argv:
  stop.release()
print('ready', stop.requested, flush=True)
while not stop.requested:
  time.sleep(0.01)
print('requested', stop.exit_code, flush=True)
if 'wait' in sys.argv:
  time.sleep(60)
sys.exit(stop.exit_code)
"""
SIGNALS = pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])


@pytest.fixture
def start():
  processes = []

  def start(*arguments):
    process = subprocess.Popen(
      [sys.executable, '-c', SCRIPT, *arguments],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    processes.append(process)
    assert process.stdout.readline() == 'ready False\n'
    return process

  yield start
  for process in processes:
    process.kill()
    process.communicate()


@SIGNALS
def test_the_first_signal_is_remembered(start, number):
  process = start('defer')
  process.send_signal(number)
  out, err = process.communicate(timeout=30)
  assert (out, err) == (f'requested {128 + number}\n', '')
  assert process.returncode == 128 + number


@SIGNALS
def test_the_second_signal_ends_the_process_at_once(start, number):
  process = start('defer', 'wait')
  process.send_signal(signal.SIGTERM)
  assert process.stdout.readline() == f'requested {128 + signal.SIGTERM}\n'
  process.send_signal(number)
  assert process.wait(timeout=30) == 128 + number


@SIGNALS
@pytest.mark.parametrize('arguments', [[], ['release']])
def test_with_nothing_to_save_the_first_one_does(start, number, arguments):
  process = start(*arguments)
  process.send_signal(number)
  out, err = process.communicate(timeout=30)
  assert (out, err) == ('', '')
  assert process.returncode == 128 + number
