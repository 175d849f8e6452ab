"""Bad input, tried as processes: an exit code and one line on stderr.

Here TensorFlow is imported once, in a process that is forked for each fault and
then runs the program as `python train_eval.py` or `python -m` would.
`python -m tests.bad_input_test` starts all of them from nothing, prints a table
of what they say and of the time they take, and fails if one takes ten seconds.
"""

import dataclasses
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
# After the first a process hangs, on a busy machine too; the second is what one
# may take on an idle machine.
SECONDS, SECONDS_WHEN_IDLE = 600, 10

# Imports what the programs do, chooses a GL library unless a call brings
# variables of its own, and runs a program for each line that it reads.
SERVER = """
import gc, json, os, runpy, sys
import train_eval
from slac.environments import rendering
from slac.replication import comparison, figures, ours, report
from slac.sweep import command
rendering.choose_backend()
from dm_control import suite
gc.freeze()
for line in sys.stdin:
  call = json.loads(line)
  pid = os.fork()
  if not pid:
    break
  _, status = os.waitpid(pid, 0)
  print(os.waitstatus_to_exitcode(status), flush=True)
else:
  sys.exit()
for name, number in ('stdout', 1), ('stderr', 2):
  os.dup2(os.open(call[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
os.chdir(call['cwd'])
if call['environment']:
  os.environ.update(call['environment'])
  rendering.find_backend.cache_clear()
program, *sys.argv[1:] = call['words']
sys.argv[0] = program
try:
  if program.endswith('.py'):
    runpy.run_path(program, run_name='__main__')
  else:
    runpy.run_module(program, run_name='__main__', alter_sys=True)
except SystemExit as end:
  sys.stdout.flush()
  os._exit(end.code or 0)  # To tear TensorFlow down takes a second.
"""


BROKEN = """
import gin
import numpy as np
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec

@gin.configurable
def raising():
  raise LookupError('no robot')


@gin.configurable
def leaving():
  raise SystemExit(3)


@gin.configurable
def interrupting():
  raise KeyboardInterrupt


@gin.configurable
class Motionless(py_environment.PyEnvironment):
  def action_spec(self):
    return array_spec.BoundedArraySpec([0], np.float32, -1.0, 1.0)

  def observation_spec(self):
    return {'pixels': array_spec.ArraySpec([64, 64, 3], np.uint8)}

  _reset = _step = None


@gin.configurable
class Stateless(Motionless):
  def action_spec(self):
    return array_spec.BoundedArraySpec([1], np.float32, -1.0, 1.0)
"""


@dataclasses.dataclass(frozen=True)
class Fault:
  """A command line, its exit code, and what its line on stderr says."""

  name: str
  code: int
  says: tuple[str, ...]
  arguments: tuple[str, ...]
  program: str = 'train_eval.py'
  environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


def train(name, code, says, *arguments, environment=None):
  says = says if isinstance(says, tuple) else (says,)
  return Fault(name, code, says, arguments, environment=environment or {})


def tiny(name, code, says, *arguments, environment=None):
  """A run that has the one fault only."""
  files = ('--gin_file=gin/cartpole.gin', '--gin_file=tests/tiny.gin')
  return train(name, code, says, *files, *arguments, environment=environment)


def own(name, code, says, environment):
  """A run in an environment of one's own, from broken.py."""
  return train(
    name,
    code,
    says,
    '--gin_file=broken.gin',
    '--allow_gin_imports',
    f'--gin_param=Experiment.environment = @{environment}',
  )


def module(program, name, code, says, *arguments):
  return Fault(name, code, (says,), arguments, program)


WALKER = '--gin_file=gin/walker.gin'
FAULTS = [
  train('no gin file given', 64, '--gin_file'),
  train('unknown flag', 64, '--sed', WALKER, '--sed=1'),
  train('flag of a wrong type', 64, "'one'", WALKER, '--seed=one'),
  train(
    'seed of 33 bits', 64, "'4294967296' is no", WALKER, '--seed=4294967296'
  ),
  train(
    'empty --gin_param', 64, '--gin_param is empty', WALKER, '--gin_param='
  ),
  train('name of several folders', 64, '--name=a/b', WALKER, '--name=a/b'),
  train(
    'an overlay alone',
    78,
    'name a task first, such as --gin_file=gin/walker.gin',
    '--gin_file=gin/quick.gin',
  ),
  train(
    'missing gin file',
    66,
    '(did you mean walker.gin?)',
    '--gin_file=gin/wlaker.gin',
  ),
  train(
    'missing include',
    66,
    '(included by includes.gin)',
    '--gin_file=includes.gin',
  ),
  train(
    'gin file that resembles none',
    66,
    'nothere.gin (there are binary.gin, ',
    '--gin_file=nothere.gin',
  ),
  train('folder as gin file', 66, "'folder' is a folder", '--gin_file=folder'),
  train('binary gin file', 66, 'no text in UTF-8', '--gin_file=binary.gin'),
  train('gin file of zeros', 78, 'zeros.gin, line 1', '--gin_file=zeros.gin'),
  train(
    'gin syntax',
    78,
    "syntax.gin, line 2: Couldn't parse",
    '--gin_file=syntax.gin',
  ),
  train(
    'gin import',
    78,
    ('imports.gin, line 1', '--allow_gin_imports'),
    '--gin_file=imports.gin',
  ),
  tiny(
    'no environment at all',
    78,
    'Collection.environments = 0: must be a whole number of at least 1',
    '--gin_param=Collection.environments = 0',
  ),
  tiny(
    'more environments than are meant',
    78,
    'Collection.environments = 1000: must be at most 256',
    '--gin_param=Collection.environments = 1000',
  ),
  tiny(
    'no time for a step',
    78,
    'Collection.step_seconds = 0: must be a finite number above 0',
    '--gin_param=Collection.step_seconds = 0',
  ),
  tiny(
    'workers beside environments',
    78,
    'Collection.workers = 2 collect instead of Collection.environments = 3',
    '--gin_param=Collection.workers = 2',
    '--gin_param=Collection.environments = 3',
  ),
  tiny(
    'a number of processes that evaluate',
    78,
    'Evaluation.worker = 2: must be True or False',
    '--gin_param=Evaluation.worker = 2',
  ),
  tiny(
    'more environments than the replay has room for',
    78,
    'Replay.capacity = 16 is too small to draw sequences of 4 steps of each of '
    '4 environments',
    '--gin_param=Collection.environments = 4',
    '--gin_param=Replay.capacity = 16',
  ),
  train(
    'bindings with faults of all kinds',
    78,
    (
      'faults.gin, line 2: nothing configurable is named SlacAgnet (did you '
      'mean SlacAgent',
      'faults.gin, line 3: Replay has no parameter capacty (did you mean '
      'capacity?)',
      'faults.gin, line 5: Replay.capacity is bound a second time, after '
      'faults.gin, line 4',
      "Schedule.env_steps = 'many': must be a whole number of at least 1",
      'SoftActorCritic.gamma = 1.5: must be at most 1;',
      "Experiment.agent = 'SlacAgent': must be a configurable",
      'nothing refers to the macro ACTION_REPEATS (did you mean '
      'ACTION_REPEAT?)',
    ),
    '--gin_file=faults.gin',
    '--gin_param=SoftActorCritic.gamma = 1.5',
  ),
  train(
    '20,000 faults',
    78,
    ('unknown.gin, line 10: nothing configurable', '; and 19,990 more.'),
    '--gin_file=unknown.gin',
  ),
  tiny(
    'number of 5,000 digits',
    78,
    f'"Replay.capacity = 1{"0" * 29}...{"0" * 48}": ',
    f'--gin_param=Replay.capacity = 1{"0" * 5000}',
  ),
  tiny(
    'more steps than there is time for',
    78,
    f'Schedule.env_steps = 1{"0" * 47}...{"0" * 48}: must be at most 10000000',
    f'--gin_param=Schedule.env_steps = 1{"0" * 400}',
  ),
  tiny(
    'sequences of one step',
    78,
    'SlacAgent.sequence_length = 1: must be a whole number of at least 2',
    '--gin_param=SlacAgent.sequence_length = 1',
  ),
  tiny(
    'sequences without end',
    78,
    'SlacAgent.sequence_length = 1000000000000: must be at most 1000.',
    '--gin_param=SlacAgent.sequence_length = 1000000000000',
  ),
  tiny(
    'batch beyond memory',
    78,
    'With Schedule.batch_size = 1000000000000 networks and batches take 9.83e+',
    '--gin_param=Schedule.batch_size = 1000000000000',
  ),
  tiny(
    'layers beyond memory',
    78,
    ('With LatentModel.hidden_size = 1000000000000 ', 'set it lower'),
    '--gin_param=LatentModel.hidden_size = 1000000000000',
  ),
  tiny(
    'shadows beyond any GPU',
    78,
    'SHADOW_MAP_SIZE (1000000000): must be at most 16384.',
    '--gin_param=SHADOW_MAP_SIZE = 1000000000',
  ),
  tiny(
    'images of a size that no network takes',
    78,
    'DmControlEnvironment.image_size = (64, 100): must be a list, each item a '
    'whole number of at least 32 and at most 128, a multiple of 16.',
    '--gin_param=DmControlEnvironment.image_size = (64, 100)',
  ),
  tiny(
    'classes of the wrong kind',
    78,
    (
      'Experiment.agent = @Schedule: must be a configurable that makes some '
      'Agent, written @NAME without ()',
      'Experiment.environment = @fastest_dtype: must be a configurable that '
      'makes some PyEnvironment or Env or Environment, ',
      'Experiment.random_policy = @SlacAgent: must be a configurable that '
      'makes some SeededPolicy, ',
      'SlacAgent.model = @LatentModel: must be a class that defines '
      'first_posterior, first_prior, kl, ',
      'SlacAgent.actor_input = @SlacModel: must be a configurable that makes '
      'some Input, ',
      'SlacAgent.augmentation = @LatentInput: must be a configurable that '
      'makes some Tensor, ',
    ),
    '--gin_param=Experiment.agent = @Schedule',
    '--gin_param=Experiment.environment = @fastest_dtype',
    '--gin_param=Experiment.random_policy = @SlacAgent',
    '--gin_param=SlacAgent.model = @LatentModel',
    '--gin_param=SlacAgent.actor_input = @SlacModel',
    '--gin_param=SlacAgent.augmentation = @LatentInput',
  ),
  tiny(
    'no random data',
    78,
    'Schedule.random_agent_steps = 0 leave no sequence of 4 steps',
    '--gin_param=Schedule.random_episodes = 0',
  ),
  tiny(
    'replay without a sequence',
    78,
    'Replay.capacity = 2 is too small to draw sequences of 4 steps from: set',
    '--gin_param=Replay.capacity = 2',
  ),
  own(
    'environment that raises',
    69,
    'the environment raised LookupError: no robot (broken.py:9): mend the ',
    'raising',
  ),
  own(
    'environment that exits',
    69,
    'the environment raised SystemExit: 3 (broken.py:14): mend the ',
    'leaving',
  ),
  own(
    'environment that interrupts',
    69,
    'the environment raised KeyboardInterrupt (broken.py:19): mend the ',
    'interrupting',
  ),
  own('environment without actions', 78, 'at least one.', 'Motionless'),
  train(
    'state vector that is modelled and not offered',
    78,
    "The environment offers pixels: give it an observation 'state', or choose ",
    *('--gin_file=broken.gin', '--gin_file=gin/proprioception.gin'),
    '--allow_gin_imports',
    '--gin_param=Experiment.environment = @Stateless',
  ),
  train(
    'module that exits',
    78,
    'exits.gin, line 1: the import failed: SystemExit in exits.py, line 2: 3 (',
    '--gin_file=exits.gin',
    '--allow_gin_imports',
  ),
  tiny(
    'bindings without effect',
    78,
    ('reads PlanetModel.hidden_size', 'reads GymEnvironment.task'),
    '--gin_param=PlanetModel.hidden_size = 3',
    "--gin_param=GymEnvironment.task = 'Hopper-v4'",
  ),
  train(
    'unknown suite',
    78,
    '(did you mean DmControlEnvironment?)',
    WALKER,
    '--gin_param=Experiment.environment = @DmControlEnviroment',
  ),
  tiny(
    'unknown domain',
    78,
    "no domain 'cartpol' (did you mean cartpole?)",
    "--gin_param=DmControlEnvironment.domain = 'cartpol'",
  ),
  tiny(
    'unknown task',
    78,
    "no cartpole task 'swing' (did you mean swingup",
    "--gin_param=DmControlEnvironment.task = 'swing'",
  ),
  train(
    'unknown Gym task',
    78,
    "no task 'Hopper-v9' (did you mean Hopper-v",
    '--gin_file=gin/hopper.gin',
    "--gin_param=GymEnvironment.task = 'Hopper-v9'",
  ),
  train(
    'unknown task of the Sawyer',
    78,
    "no task 'draw' of the Sawyer (did you mean drawer?)",
    '--gin_file=gin/sawyer_door.gin',
    "--gin_param=SawyerEnvironment.task = 'draw'",
  ),
  train(
    'unknown task of the claw',
    78,
    "The claw has no task 'unifrom' (did you mean uniform?)",
    '--gin_file=gin/claw_uniform.gin',
    "--gin_param=ClawEnvironment.task = 'unifrom'",
  ),
  train(
    'a place of two numbers',
    78,
    'SawyerEnvironment.hand_start',
    '--gin_file=gin/sawyer_door.gin',
    '--gin_param=SawyerEnvironment.hand_start = (0, 0.6)',
  ),
  train(
    'observation of too few numbers',
    78,
    'observes 27 numbers, fewer than GymEnvironment.observation_size = 28',
    '--gin_file=gin/truncated_ant.gin',
    '--gin_file=tests/tiny_alm.gin',
    '--gin_param=GymEnvironment.arguments = {}',
    '--gin_param=GymEnvironment.observation_size = 28',
  ),
  train(
    'pretraining without a model to pretrain',
    78,
    'AlmAgent has no model that Schedule.model_updates = 9 could pretrain',
    '--gin_file=gin/half_cheetah.gin',
    '--gin_file=tests/tiny_alm.gin',
    '--gin_param=Schedule.model_updates = 9',
  ),
  train(
    "values that ALM's settings cannot have",
    78,
    (
      'AlmAgent.horizon = 0: must be a whole number of at least 1',
      'AlmAgent.kl_weight = -1.0: must be a finite number of at least 0',
      'ActionNoise.final_stddev = 0.0: must be a finite number above 0',
    ),
    '--gin_file=gin/half_cheetah.gin',
    '--gin_file=gin/alm.gin',
    '--gin_param=AlmAgent.horizon = 0',
    '--gin_param=AlmAgent.kl_weight = -1.0',
    '--gin_param=ActionNoise.final_stddev = 0.0',
  ),
  tiny(
    'no GL library',
    69,
    ('egl (', 'or osmesa (', 'libegl1', 'unset PYOPENGL_PLATFORM'),
    environment={'MUJOCO_GL': '', 'PYOPENGL_PLATFORM': 'none'},
  ),
  tiny(
    'replay beyond memory',
    78,
    'GB of memory but',
    '--gin_param=Replay.capacity = 1000000000000',
  ),
  tiny(
    'root below a file', 73, 'choose another --root_dir', '--root_dir=file/runs'
  ),
  tiny(
    'run of another configuration',
    78,
    ('Experiment.seed: 7 -> 0', '--fresh'),
    '--name=other',
  ),
  tiny(
    'config.json of a megabyte', 74, 'more than 100,000 char', '--name=long'
  ),
  # The other faults of a run's files are in storage/run_folder_test.py.
  tiny('damaged config.json', 74, 'config.json is damaged', '--name=damaged'),
  tiny('folder that is no run', 78, 'no config.json', '--name=thesis'),
  tiny(
    'begun from a folder that is no run',
    66,
    'folder is not the folder of a run',
    '--init_from=folder',
  ),
  tiny(
    'begun from a run without a checkpoint',
    66,
    'There is no checkpoint in runs/other/checkpoints',
    '--init_from=runs/other',
  ),
  tiny(
    'begun from an unknown part',
    64,
    "SlacAgent has no part 'modle' (did you mean model?)",
    '--init_from=runs/other',
    '--init_parts=modle',
  ),
  train(
    'parts of no run', 64, 'name it with --init_from', WALKER, '--init_parts=a'
  ),
  module('slac.play', 'play: no folder given', 64, 'run_dir'),
  module(
    'slac.play',
    'play: a run and a pretrained policy',
    64,
    'and not both',
    *('runs/other', '--pretrained=walker'),
  ),
  module(
    'slac.play',
    'play: pretrained policy that is not there',
    66,
    "There is no policy 'wlaker' with a record.json in it",
    '--pretrained=wlaker',
  ),
  module(
    'slac.play',
    'play: fewer than no episodes',
    64,
    "'-1' is no whole number",
    'runs/other',
    '--episodes=-1',
  ),
  module(
    'slac.play',
    'play: negative seed',
    64,
    "'-1' is no whole number from 0",
    'runs/other',
    '--seed=-1',
  ),
  module(
    'slac.play',
    'play: config.json of a megabyte',
    74,
    'more than 100,000 char',
    'runs/long',
  ),
  module(
    'slac.play', 'play: missing folder', 66, 'holds no config.json', 'runs/none'
  ),
  module(
    'slac.play',
    'play: film below a file',
    73,
    'choose another --video',
    'runs/other',
    '--video=file/film.gif',
  ),
  module(
    'slac.play', 'play: damaged config.json', 74, 'is damaged', 'runs/damaged'
  ),
  module(
    'slac.play', 'play: a run with imports', 78, 'import trap', 'runs/imports'
  ),
  module(
    'slac.play',
    'play: a run of nothing',
    78,
    'must be given a value',
    'runs/other',
  ),
  module(
    'slac.probe',
    'probe: one episode',
    64,
    "'1' is no whole number of at least 2",
    *('runs/other', '--episodes=1'),
  ),
  module(
    'slac.probe',
    'probe: settings of no new model',
    64,
    '--gin_file is for a new model: say with --updates',
    *('runs/other', WALKER),
  ),
  module(
    'slac.probe',
    'probe: a binding over no task',
    64,
    '--gin_param is a binding over a task',
    *('runs/other', '--updates=1', '--gin_param=ACTION_REPEAT = 2'),
  ),
  module(
    'slac.probe',
    'probe: missing folder',
    66,
    'holds no config.json',
    'runs/none',
  ),
  module('slac.replication', 'replication: no command', 64, 'required'),
  module(
    'slac.replication',
    'replication: unknown figure',
    64,
    '--figure',
    'plan',
    '--figure=99',
  ),
  module(
    'slac.replication',
    'replication: corrupt CSV',
    65,
    'curves.csv, line 2',
    'curves',
    '--runs=run',
    '--published=published',
  ),
  module(
    'slac.replication',
    'replication: no CSV',
    66,
    'holds no CSV files',
    'curves',
    '--runs=run',
    '--published=folder',
  ),
  module(
    'slac.replication',
    'replication: no runs',
    66,
    'neither the folder of a run nor holds one',
    'curves',
    '--runs=folder',
  ),
  module('slac.sweep', 'sweep: no task', 64, '--tasks'),
  module(
    'slac.sweep',
    'sweep: unknown task',
    66,
    '(did you mean walker?)',
    '--tasks=wlaker',
  ),
  module(
    'slac.sweep',
    'sweep: no list of values',
    64,
    'does not give Replay.capacity a list of values',
    '--tasks=walker',
    '--vary=Replay.capacity = 3',
  ),
  module(
    'slac.sweep',
    'sweep: unknown setting',
    78,
    '(did you mean capacity?)',
    '--tasks=walker',
    '--vary=Replay.capacty = [3]',
  ),
  module(
    'slac.sweep',
    'sweep: no cluster at the address',
    69,
    '--ray',  # Where there is no Ray, that is said.
    '--tasks=walker',
    '--ray=127.0.0.1:1',
  ),
  module(
    'slac.sweep',
    'sweep: more processors than there are',
    69,
    'A run asks for 4096 CPU',
    '--tasks=walker',
    '--ray=local',
    '--cpus=4096',
  ),
  module(
    'slac.benchmark', 'benchmark: unknown flag', 64, '--steps', '--steps=1'
  ),
  module(
    'slac.benchmark',
    'benchmark: results below a file',
    73,
    'choose another --out',
    '--out=file/benchmark.json',
  ),
  module('slac.doctor', 'doctor: unknown flag', 64, '--root', '--roots=x'),
]


def write_inputs(folder):
  """Writes the files that the faults name."""
  texts = {
    'file': '',
    'folder/walker.gin': '',
    'includes.gin': "include 'missing.gin'\n",
    'zeros.gin': '\0' * 64,
    'syntax.gin': "include 'gin/walker.gin'\nReplay.capacity 3\n",
    'imports.gin': 'import trap\n',
    'trap.py': 'raise SystemExit("sprung")\n',
    'broken.gin': (
      "import broken\ninclude 'gin/cartpole.gin'\ninclude 'tests/tiny.gin'\n"
    ),
    'broken.py': BROKEN,
    'exits.gin': 'import exits\n',
    'exits.py': 'import sys\nsys.exit(3)\n',
    'unknown.gin': ''.join(f'Unknown{n}.x = 1\n' for n in range(20_000)),
    'faults.gin': (
      "include 'gin/walker.gin'\n"
      'SlacAgnet.model_batch_size = 3\n'
      'Replay.capacty = 3\n'
      'Replay.capacity = 3\n'
      'Replay.capacity = 4\n'
      "Schedule.env_steps = 'many'\n"
      "Experiment.agent = 'SlacAgent'\n"
      'ACTION_REPEATS = 2\n'
    ),
    'runs/other/config.json': '{"Experiment.seed": "7"}',
    'runs/other/videos/play.gif': '',
    'runs/damaged/config.json': '{"Experiment.se',
    'runs/long/config.json': json.dumps({'A.x': repr([1] * 700_000)}),
    'runs/imports/config.json': '{"import": "import trap"}',
    'runs/thesis/thesis.tex': 'precious',
    'run/config.json': '{}',
    'published/curves.csv': (
      'domain_name,task_name,action_repeat,decoder_var,trial_id,'
      'AverageReturnEvalPolicy,OriginalEnvironmentSteps\n'
      'walker,walk,2,0.1,0,not a number,10000\n'
    ),
  }
  for name, text in texts.items():
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
  (folder / 'binary.gin').write_bytes(bytes(range(256)))


def words(fault):
  """The program as `python` is given it, or runpy, and its arguments."""
  is_file = fault.program.endswith('.py')
  program = str(REPOSITORY / fault.program) if is_file else fault.program
  return program, *fault.arguments


def assert_is_one_line(fault, code, stderr):
  assert code == fault.code, stderr
  (line,) = stderr.splitlines()
  assert line.startswith(fault.program + ': ') or code == 64
  assert [text for text in fault.says if text not in line] == [], line
  assert 'Traceback' not in line and len(line) < 5200


def names(folder):
  """The files and folders that a run would add to; Python keeps its own."""
  paths = [*folder.iterdir(), *folder.glob('runs/*')]
  return sorted(path.name for path in paths if path.name != '__pycache__')


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """A function that runs a fault's program; returns exit code and stderr."""
  folder = tmp_path_factory.mktemp('bad_input')
  outputs = tmp_path_factory.mktemp('outputs')
  write_inputs(folder)
  with subprocess.Popen(
    [sys.executable, '-c', SERVER],
    cwd=REPOSITORY,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  ) as server:

    def call(fault):
      before = names(folder)
      request = {
        'cwd': str(folder),
        'words': words(fault),
        'environment': dict(fault.environment),
        'stdout': str(outputs / 'stdout'),
        'stderr': str(outputs / 'stderr'),
      }
      server.stdin.write(json.dumps(request) + '\n')
      server.stdin.flush()
      code = int(server.stdout.readline())
      assert names(folder) == before
      return code, (outputs / 'stderr').read_text()

    yield call
    server.stdin.close()


@pytest.mark.parametrize('fault', FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_one_line_and_a_code(run, fault):
  assert_is_one_line(fault, *run(fault))


def start(fault, folder):
  """Runs a fault's program as a process of its own."""
  program, *arguments = words(fault)
  module = [] if program.endswith('.py') else ['-m']
  return subprocess.run(
    [sys.executable, *module, program, *arguments],
    cwd=folder,
    env={**os.environ, 'PYTHONPATH': str(REPOSITORY), **fault.environment},
    capture_output=True,
    text=True,
    timeout=SECONDS,
  )


def test_a_process_of_its_own_says_the_same(run, tmp_path):
  (fault,) = [fault for fault in FAULTS if fault.name == 'gin syntax']
  write_inputs(tmp_path)
  process = start(fault, tmp_path)
  assert (process.returncode, process.stderr) == run(fault)


def main():
  """Prints a table of all faults, each a process of its own."""
  slowest = 0.0
  print('| fault | exit code | seconds | of the CPU | on stderr |')
  print('|---|---:|---:|---:|---|')
  with tempfile.TemporaryDirectory() as folder:
    write_inputs(pathlib.Path(folder))
    for fault in FAULTS:
      spent, began = cpu_seconds(), time.monotonic()
      process = start(fault, folder)
      seconds = time.monotonic() - began
      slowest = max(slowest, seconds)
      times = f'{seconds:.1f} | {cpu_seconds() - spent:.1f}'
      line = process.stderr.strip().replace('|', '\\|')
      print(f'| {fault.name} | {process.returncode} | {times} | {line} |')
      assert_is_one_line(fault, process.returncode, process.stderr)
  sys.exit(slowest >= SECONDS_WHEN_IDLE)


def cpu_seconds():
  """What the processes that have ended took."""
  usage = resource.getrusage(resource.RUSAGE_CHILDREN)
  return usage.ru_utime + usage.ru_stime


if __name__ == '__main__':
  main()
