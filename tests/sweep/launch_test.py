"""Tests of slac/sweep/launch.py with real processes."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from slac import errors
from slac.sweep import launch

FOREVER = 600  # Seconds; a signal comes before on the busiest machine.
# Says when it begins and ends, but does not end before the logs that it awaits
# say that others have begun; saves a while after the first signal, and is gone
# at the second.
RUN = """
import pathlib, signal, sys, time
name, seconds = sys.argv[1], float(sys.argv[2])
awaited = [pathlib.Path(path) for path in sys.argv[3:]]
def waits():
  now = time.monotonic()
  begun = all(path.exists() and path.read_text() for path in awaited)
  return now < end or (not begun and now < end + 600)
stopped = []
def stop(number, frame):
  if stopped:
    sys.exit('twice')
  stopped.append(number)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
  signal.signal(number, stop)
print(name, 'begin', time.monotonic(), flush=True)
end = time.monotonic() + seconds
while not stopped and waits():
  time.sleep(0.01)
if stopped:
  time.sleep(0.3)
  print(name, 'saved', stopped[0])
  sys.exit(128 + stopped[0])
print(name, 'end', time.monotonic())
"""


def command(name, seconds, *awaited):
  return [sys.executable, '-c', RUN, name, str(seconds), *map(str, awaited)]


def lines(folder, name):
  return [line.split() for line in (folder / f'{name}.log').open()]


@pytest.mark.slow
def test_no_more_than_jobs_at_a_time_and_all_of_them(tmp_path):
  logs = tmp_path / 'logs'
  launcher = launch.Launcher(2, logs, tmp_path)
  names = ['a', 'b', 'c', 'd']
  # Of the first two, which begin together, neither ends before the other began.
  others = {'a': [logs / 'b.log'], 'b': [logs / 'a.log']}
  commands = {name: command(name, 0.5, *others.get(name, [])) for name in names}
  assert launcher.run(commands) == 0
  events = []
  for name in names:
    begin, end = lines(logs, name)
    events += [(float(begin[2]), 1), (float(end[2]), -1)]
  running = [sum(n for _, n in sorted(events)[: i + 1]) for i in range(8)]
  assert max(running) == 2


@pytest.mark.slow
def test_a_failure_lets_the_others_run_and_is_named(tmp_path):
  launcher = launch.Launcher(1, tmp_path, tmp_path)
  bad = [sys.executable, '-c', 'import sys; sys.exit(66)']
  with pytest.raises(errors.UserError) as caught:
    launcher.run({'bad': bad, 'good': command('good', 0)})
  assert caught.value.exit_code == 66
  assert '1 of 2 runs failed' in str(caught.value)
  assert 'bad.log' in str(caught.value)
  assert lines(tmp_path, 'good')[1][1] == 'end'


@pytest.mark.slow
def test_the_output_is_appended(tmp_path):
  for _ in range(2):
    launch.Launcher(1, tmp_path, tmp_path).run({'a': command('a', 0)})
  assert len(lines(tmp_path, 'a')) == 4


@pytest.mark.slow
@pytest.mark.parametrize(
  'number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
)
def test_a_signal_is_passed_on_once_and_waited_for(tmp_path, number):
  def interrupt():
    for name in ('a', 'b'):
      path = tmp_path / f'{name}.log'
      while not path.exists() or not path.read_text():
        time.sleep(0.02)
    os.kill(os.getpid(), number)

  def before(number, frame):
    pytest.fail('It does not come to the launcher.')

  own = signal.signal(number, before)  # Else nohup has SIGHUP ignored.
  thread = threading.Thread(target=interrupt)
  thread.start()
  names = ['a', 'b', 'c']
  code = launch.Launcher(2, tmp_path, tmp_path).run(
    {name: command(name, FOREVER) for name in names}
  )
  thread.join()
  assert code == 128 + number
  for name in ('a', 'b'):
    assert lines(tmp_path, name)[1][1:] == ['saved', str(int(number))]
  assert not (tmp_path / 'c.log').exists()
  # From here on the signals do what they did before.
  assert signal.signal(number, own) is before


@pytest.mark.slow
def test_under_nohup_a_closed_terminal_stops_nothing(tmp_path):
  own = signal.signal(signal.SIGHUP, signal.SIG_IGN)
  closes = 'import os, signal; os.kill(os.getppid(), signal.SIGHUP)'
  launcher = launch.Launcher(1, tmp_path, tmp_path)
  code = launcher.run(
    {'a': [sys.executable, '-c', closes], 'b': command('b', 0)}
  )
  signal.signal(signal.SIGHUP, own)
  assert code == 0 and lines(tmp_path, 'b')[1][1] == 'end'


@pytest.mark.slow
def test_a_terminals_ctrl_c_does_not_reach_the_runs_as_well(tmp_path):
  script = (
    'import pathlib, sys\nfrom slac.sweep import launch\n'
    'folder = pathlib.Path(sys.argv[1])\n'
    'launcher = launch.Launcher(1, folder, folder)\n'
    'sys.exit(launcher.run({"a": sys.argv[2:]}))\n'
  )
  process = subprocess.Popen(
    [sys.executable, '-c', script, tmp_path, *command('a', FOREVER)],
    start_new_session=True,
  )
  path = tmp_path / 'a.log'
  while not path.exists() or not path.read_text():
    time.sleep(0.02)
  os.killpg(process.pid, signal.SIGINT)  # As a terminal does.
  assert process.wait() == 130
  assert lines(tmp_path, 'a')[1][1] == 'saved'


def test_a_folder_that_cannot_be_written(tmp_path):
  (tmp_path / 'file').write_text('')
  launcher = launch.Launcher(1, tmp_path / 'file', tmp_path)
  with pytest.raises(errors.UserError, match='--root_dir') as caught:
    launcher.run({'a': command('a', 0)})
  assert caught.value.exit_code == 73
