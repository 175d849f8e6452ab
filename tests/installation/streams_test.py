"""Tests of slac/installation/streams.py: streams that are closed or broken."""

import pathlib
import signal
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = """
import os, pathlib, sys
from slac.installation import streams

streams.guard()
streams.guard()  # The second one changes nothing.
print('before the file')
path = pathlib.Path(sys.argv[1])
streams.keep_in(path)
for number in range(2000):
  print(f'line {number}', flush=True)
print('said on stderr', file=sys.stderr)
# What is opened now must not be what libraries take for a standard stream.
print('descriptor', os.open(os.devnull, os.O_RDONLY) > 2)
"""


def said(tmp_path, redirections):
  """Runs the script in a shell; returns its exit code and its run.log."""
  script, log = tmp_path / 'script.py', tmp_path / 'run.log'
  script.write_text(SCRIPT)
  command = f'"{sys.executable}" "{script}" "{log}" {redirections}'
  process = subprocess.run(
    ['bash', '-o', 'pipefail', '-c', command],
    cwd=REPOSITORY,
    env={'PYTHONPATH': str(REPOSITORY), 'PATH': '/usr/bin:/bin'},
    capture_output=True,
    text=True,
  )
  return process, log.read_text().splitlines()


@pytest.mark.parametrize(
  ('redirections', 'shown'),
  [
    ('', 2002),
    ('>&-', 0),
    ('2>&-', 2002),
    ('<&- >&- 2>&-', 0),
    ('| head -1', 1),
    ('2>&1 | head -1', 1),
    ('>/dev/full', 0),
    ('2>/dev/full', 2002),
    ('>/dev/full 2>&1', 0),
  ],
)
def test_no_command_ends_of_its_streams_and_all_is_kept(
  tmp_path, redirections, shown
):
  process, log = said(tmp_path, redirections)
  assert process.returncode == 0
  assert process.stdout.count('\n') == shown
  heard = '2>' not in redirections
  assert process.stderr == ('said on stderr\n' if heard else '')
  assert log[0].startswith('--- 20') and log[0].endswith('run.log')
  assert log[1:] == [
    'before the file',
    *(f'line {number}' for number in range(2000)),
    'said on stderr',
    'descriptor True',
  ]


def test_each_start_is_kept_beneath_the_one_before(tmp_path):
  said(tmp_path, '')
  _, log = said(tmp_path, '')
  assert len(log) == 2 * 2004
  assert [line.startswith('--- ') for line in log].count(True) == 2


def test_of_a_bar_one_frame_in_half_a_minute_is_kept(tmp_path):
  script = f"""
import sys, time
sys.path.insert(0, {str(REPOSITORY)!r})
from slac.installation import streams
now = [100.0]
time.monotonic = lambda: now[0]
streams.guard()
import pathlib
streams.keep_in(pathlib.Path({str(tmp_path / 'run.log')!r}))
for number in range(100):
  sys.stderr.write(f'\\r{{number}}%')
  now[0] += 1
sys.stderr.write('\\r    \\r')
print('evaluated')
"""
  subprocess.run([sys.executable, '-c', script], check=True)
  lines = (tmp_path / 'run.log').read_text().splitlines()
  assert lines[1:] == ['0%', '30%', '60%', '90%', 'evaluated']


def test_what_a_file_does_not_take_comes_later(tmp_path):
  script = f"""
import pathlib, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from slac.installation import streams
streams.guard()
folder = pathlib.Path({str(tmp_path / 'run')!r})
streams.keep_in(folder / 'run.log')
print('said before')
folder.mkdir()
print('said after')
"""
  subprocess.run([sys.executable, '-c', script], check=True)
  text = (tmp_path / 'run' / 'run.log').read_text()
  assert text.splitlines()[1:] == ['said before', 'said after']


@pytest.mark.parametrize(
  ('raised', 'code', 'says'),
  [('KeyboardInterrupt', -signal.SIGINT, ''), ('ValueError', 1, 'Traceback')],
)
def test_ctrl_c_leaves_no_trace_and_faults_do(raised, code, says):
  process = subprocess.run(
    [
      *(sys.executable, '-c'),
      f'from slac.installation import streams\nstreams.guard()\nraise {raised}',
    ],
    stderr=subprocess.PIPE,
    text=True,
    cwd=REPOSITORY,
  )
  assert process.returncode == code
  assert process.stderr.startswith(says) and bool(process.stderr) == bool(says)
