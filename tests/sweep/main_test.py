"""Tests of the command line, python -m slac.sweep."""

import json
import signal
import subprocess
import sys
import time

import pytest

from slac.config import bindings
from slac.sweep import __main__, hours, plan
from tests import command_line

ROOT = bindings.ROOT
TINY = 'tests/tiny.gin'
WITHOUT_MEASURING = """
from slac.sweep import __main__, hours
hours._measure = lambda _: (None, 'not measured')
__main__.main()
"""


@pytest.fixture
def call(monkeypatch, capsys):
  """Runs the command line without measuring; returns code, output, error."""
  monkeypatch.setattr(hours, 'lines', lambda *_: iter(['Some hours.']))
  return command_line.of(__main__.main, monkeypatch, capsys)


def test_the_commands_are_printed_with_the_hours(call):
  code, output, error = call(
    *('--vary', 'SlacAgent.model_learning_rate = [1e-4, 3e-4]'),
    *('--vary', "LatentModel.compute_dtype=['float32', 'bfloat16']"),
    *('--seeds', 3, '--overlay', 'gin/quick.gin', '--overlay', TINY),
    *('--tasks', 'walker', 'cheetah', '--root_dir', 'there'),
  )
  assert (code, error) == (0, '')
  title, first, *lines, last = output.splitlines()
  assert (title, last) == ('# Sweep: 24 runs', '# Some hours.')
  assert first == (
    'python train_eval.py --gin_file=gin/walker.gin --gin_file=gin/quick.gin '
    "--gin_file=tests/tiny.gin '--gin_param=SlacAgent.model_learning_rate = "
    "1e-4' '--gin_param=LatentModel.compute_dtype = '\"'\"'float32'\"'\"'' "
    '--seed=0 --root_dir=there'
  )
  assert len({first, *lines}) == 24


def test_one_seed_and_nothing_varied(call):
  code, output, _ = call('--tasks', 'finger')
  assert code == 0
  assert output.splitlines()[:-1] == [
    '# Sweep: 1 run',
    'python train_eval.py --gin_file=gin/finger.gin --seed=0 --root_dir=runs',
  ]


def test_a_script_is_written(call, tmp_path):
  script = tmp_path / 'array.sh'
  arguments = ('--tasks', 'finger', 'walker', '--slurm')
  code, output, _ = call(*arguments, script)
  assert code == 0
  assert output == f'Wrote {script}: an array of 2 jobs.\n# Some hours.\n'
  assert '--job-name=slac-sweep\n#SBATCH --array=0-1' in script.read_text()
  assert call(*arguments, script, '--jobs', 1)[0] == 0
  assert '#SBATCH --array=0-1%1\n' in script.read_text()
  assert call(*arguments, tmp_path)[0] == 73


@pytest.mark.parametrize(
  ('arguments', 'code', 'text'),
  [
    ((), 64, '--tasks'),
    (('--tasks', 'wlaker'), 66, 'no task wlaker (did you mean walker?)'),
    (('--tasks', 'walker', 'walker'), 64, '--tasks has walker twice'),
    (('--tasks', 'walker', '--vary', 'A.x'), 64, "'A.x' is no 'NAME = [VALUE"),
    (
      ('--tasks', 'walker', *(2 * ['--vary', 'ACTION_REPEAT = [2]'])),
      64,
      '--vary has ACTION_REPEAT twice',
    ),
    (
      ('--tasks', 'walker', *(2 * ['--overlay', TINY])),
      64,
      f'--overlay has {TINY} twice',
    ),
    (
      ('--tasks', 'walker', '--vary', 'SlacAgent.modle = [1]'),
      78,
      '(did you mean model?)',
    ),
    (('--tasks', 'walker', '--seeds', '0'), 64, "--seeds: '0' is no whole"),
    (('--tasks', 'walker', '--run', '--slurm', 'x'), 64, 'not allowed with'),
    (('--tasks', 'walker', '--run', '--ray', 'local'), 64, 'not allowed with'),
    (('--tasks', 'walker', '--ray', 'there'), 64, "'there' is neither local"),
    (('--tasks', 'walker', '--cpus', '-1'), 64, "'-1' is no amount"),
    (('--tasks', 'walker', '--tune', 'best'), 64, 'neither asha nor random=N'),
    (('--tasks', 'walker', '--tune', 'random=0'), 64, "'0' is no whole"),
    (('--tasks', 'walker', '--tune', 'random=2'), 64, 'draws from --vary'),
    (('--tasks', 'walker', '--tune', 'asha'), 64, 'is of --ray'),
    (
      ('--tasks', 'walker', 'finger', '--tune', 'asha', '--ray', 'local'),
      64,
      'of one task',
    ),
    (
      ('--tasks', 'walker', '--vary', 'ACTION_REPEAT = uniform(1, 2)'),
      64,
      'ACTION_REPEAT has a range: add --tune random=N',
    ),
    (
      ('--tasks', 'walker', '--vary', 'ACTION_REPEAT = uniform(2, 1)'),
      64,
      "'uniform(2, 1)' has no two numbers",
    ),
    (
      (
        *('--tasks', 'walker', '--tune', 'random=9', '--vary'),
        'SoftActorCritic.gamma = uniform(1, 1.0000000000000002)',
      ),
      64,
      '--tune random=9 finds',
    ),
  ],
)
def test_a_fault_is_one_sentence_and_a_code(call, arguments, code, text):
  found, output, error = call(*arguments)
  assert (found, output, error.count('\n')) == (code, '', 1)
  assert text in error


def test_settings_are_drawn(call):
  code, output, _ = call(
    *('--vary', 'SlacAgent.model_learning_rate = loguniform(1e-5, 1e-3)'),
    *('--vary', 'Schedule.batch_size = [64, 128]', '--tune', 'random=3'),
    *('--seeds', 2, '--tasks', 'walker'),
  )
  assert code == 0
  title, *lines, _ = output.splitlines()
  assert title == '# Sweep: 6 runs' and len(set(lines)) == 6
  assert all('learning_rate = ' in line for line in lines)


def test_ctrl_c_while_measuring_begins_nothing(call, monkeypatch):
  def interrupted(*_):
    yield 'Measuring.'
    raise KeyboardInterrupt

  monkeypatch.setattr(hours, 'lines', interrupted)
  code, output, error = call('--tasks', 'walker', '--run')
  assert (code, output, error) == (130, '# Measuring.\n', '')


@pytest.mark.slow
def test_the_commands_are_run(call, tmp_path, monkeypatch):
  monkeypatch.setattr(plan, 'FOLDER', tmp_path)
  (tmp_path / 'train_eval.py').write_text('import sys\nprint(sys.argv)\n')
  code, output, _ = call(
    *('--tasks', 'walker', '--vary', 'ACTION_REPEAT = [1, 2]'),
    *('--run', '--jobs', 2),
  )
  assert code == 0
  assert output.startswith('# Some hours.\n') and output.count('begun') == 2
  for value in (1, 2):
    log = tmp_path / 'runs' / f'walker-ACTION_REPEAT={value}-seed0.log'
    words = ['train_eval.py', '--gin_file=gin/walker.gin']
    words += [f'--gin_param=ACTION_REPEAT = {value}', '--seed=0']
    assert log.read_text() == f'{[*words, "--root_dir=runs"]}\n'


@pytest.mark.slow
@pytest.mark.long
def test_a_reader_may_leave_early():
  process = subprocess.Popen(
    [sys.executable, '-m', 'slac.replication', 'plan', '--figure=4'],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
  )
  process.stdout.close()
  assert process.stderr.read() == b''
  assert process.wait() == 0


@pytest.fixture
def sweep(tmp_path):
  """The words of a sweep of a run without a model."""
  # What is included may bind what these runs have no use for.
  (tmp_path / 'small.gin').write_text(
    "include 'tests/tiny.gin'\ninclude 'gin/sac_state.gin'\n"
    'ACTION_REPEAT = 20\n'
    'Schedule.env_steps = 4000\nSchedule.log_interval = 5\n'
  )
  return [
    *(sys.executable, '-c', WITHOUT_MEASURING, '--tasks', 'cartpole'),
    *('--vary', 'SoftActorCritic.gamma = [0.9]'),
    *('--overlay', tmp_path / 'small.gin', '--root_dir', tmp_path / 'runs'),
  ]


@pytest.mark.slow
@pytest.mark.long
def test_a_sweep_is_stopped_continued_and_drawn(tmp_path, sweep):
  train = [*sweep, '--run']
  process = subprocess.Popen(train, cwd=ROOT, stdout=subprocess.PIPE, text=True)
  while not list(tmp_path.glob('runs/*/checkpoints/checkpoint-*')):
    assert process.poll() is None
    time.sleep(0.1)
  process.send_signal(signal.SIGINT)
  output, _ = process.communicate()
  assert process.returncode == 130
  assert output.endswith('Stopped; the same command continues.\n')
  subprocess.run(train, cwd=ROOT, capture_output=True, check=True)
  (folder,) = (path.parent for path in tmp_path.glob('runs/*/policy'))
  assert folder.name == 'cartpole-small-gamma=0.9-seed0'
  assert len(json.loads((folder / 'version.json').read_text())) == 2
  # Now the run tells the hours, and none is left.
  told = subprocess.run(sweep, cwd=ROOT, capture_output=True, text=True).stdout
  *_, total, basis = told.splitlines()
  assert total.endswith('one after another, of which 0.0 are left.')
  assert basis.startswith('# For 1 run this rests on the pace of runs in')
  curves = [sys.executable, '-m', 'slac.replication', 'curves']
  curves += ['--runs', tmp_path / 'runs', '--out', tmp_path / 'report']
  subprocess.run(curves, cwd=ROOT, capture_output=True, check=True)
  table = (tmp_path / 'report' / 'table.md').read_text()
  assert '| cartpole swingup | 4,000 |' in table
