"""Whether a run's memory and open files stay flat: `python -m tests.soak`.

Trains small networks for as many turns of the loop as it is told to, and reads
resident memory and open files from the run's own train.csv; with `--run FOLDER`
it trains none, and reads what that run has logged. The images in the replay,
which fills as it should, do not count.

Memory rises by up to 400 MB with an evaluation, and falls when a checkpoint is
written. So what is compared are crests, the highest reading of some turns and
of as many at the end. Exits with 1 if the later is too much higher.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
from typing import NamedTuple

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
ACTION_REPEAT = 4  # Of gin/cartpole.gin.
# Not those of tests/tiny.gin: of networks so small, what a turn leaks would be
# lost in the noise, and most turns are to be in the third phase, long after a
# replay of thousands of images is full.
SETTINGS = (
  'LatentModel.base_depth = 4',
  'LatentModel.feature_size = 32',
  'LatentModel.hidden_size = 32',
  'SoftActorCritic.hidden_size = 32',
  'SlacAgent.model_batch_size = 4',
  'Schedule.batch_size = 8',
  'Schedule.model_updates = 500',
  'Schedule.eval_episodes = 1',
  'Schedule.checkpoint_seconds = 30.0',
  'Replay.capacity = 2500',
  'Schedule.log_interval = 250',
)
# After these turns everything has happened once: all three phases, evaluations,
# checkpoints, a replay that is full.
WARM_UP = 5000
# In these many there is an evaluation, and a few checkpoints.
CREST = 2500
IMAGE_BYTES = 64 * 64 * 3


class Reading(NamedTuple):
  """Of a row of train.csv, after so many turns and minutes."""

  turns: int  # Those of pretraining do not count.
  minutes: float
  megabytes: float
  files: int


def main():
  """Runs the command line."""
  parser = argparse.ArgumentParser(
    prog='python -m tests.soak', description=__doc__
  )
  parser.add_argument(
    '--turns', type=int, default=20_000, help='of the loop, in between'
  )
  parser.add_argument('--megabytes', type=float, default=20.0, help='allowed')
  parser.add_argument(
    '--run', type=pathlib.Path, help='the folder of a run that is there'
  )
  arguments = parser.parse_args()
  if arguments.run:
    readings = read(arguments.run)
  else:
    with tempfile.TemporaryDirectory() as root:
      readings = read(train(root, arguments.turns))
  last = readings[-1]
  later = last.turns - WARM_UP - CREST
  if later < CREST:
    sys.exit(f'{last.turns:,} turns are too few for this.')
  first, crest = (
    [r for r in readings if begin < r.turns <= begin + CREST]
    for begin in (WARM_UP, last.turns - CREST)
  )
  megabytes = max(r.megabytes for r in first)
  files = max(r.files for r in first)
  memory = max(r.megabytes for r in crest) - megabytes
  more_files = max(r.files for r in crest) - files
  print(
    f'At most, in the {CREST:,} turns after {WARM_UP:,}: {megabytes:.1f} MB '
    f'resident beside the images, {files} open files. {later:,} turns and '
    f'{last.minutes - first[-1].minutes:.0f} minutes later: {memory:+.1f} MB, '
    f'{more_files:+} files.'
  )
  sys.exit(memory > arguments.megabytes or more_files > 0)


def train(root: str, turns: int) -> pathlib.Path:
  """Trains small networks, and returns the run's folder."""
  env_steps = (WARM_UP + turns + CREST) * ACTION_REPEAT
  settings = [*SETTINGS, f'Schedule.env_steps = {env_steps}']
  subprocess.run(
    [
      sys.executable,
      str(REPOSITORY / 'train_eval.py'),
      '--gin_file=gin/cartpole.gin',
      f'--root_dir={root}',
      '--name=soak',
      *(f'--gin_param={setting}' for setting in settings),
    ],
    check=True,
  )
  return pathlib.Path(root, 'soak')


def read(folder: pathlib.Path) -> list[Reading]:
  """Returns what a run has logged, in the order of its turns."""
  settings = json.loads((folder / 'config.json').read_text())
  capacity = int(settings['Replay.capacity'])
  readings = []
  with open(folder / 'train.csv') as file:
    for row in csv.DictReader(file):
      turns = int(row['agent_steps'])
      resident = float(row['speed/resident_gigabytes']) * 1e9
      images = min(turns, capacity) * IMAGE_BYTES
      readings.append(
        Reading(
          turns,
          float(row['wall_seconds']) / 60,
          (resident - images) / 1e6,
          int(row['speed/open_files']),
        )
      )
  return readings


if __name__ == '__main__':
  main()
