"""Whether a run's memory and open files stay flat: `python -m tests.soak`.

Trains small networks with a small replay, which fills before the first reading,
for as many turns of the loop as it is told to, and reads resident memory and
open files from the run's own train.csv. Memory falls by tens of megabytes when
a checkpoint is written, and rises again. So what is compared are crests, the
highest reading of some turns and of as many later ones. Exits with 1 if the
later is too much higher.
"""

import argparse
import csv
import pathlib
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
ACTION_REPEAT = 4  # Of gin/cartpole.gin.
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
LOG_INTERVAL = 250


def main():
  """Runs the command line."""
  parser = argparse.ArgumentParser(
    prog='python -m tests.soak', description=__doc__
  )
  parser.add_argument(
    '--turns', type=int, default=20_000, help='of the loop, in between'
  )
  parser.add_argument('--megabytes', type=float, default=20.0, help='allowed')
  arguments = parser.parse_args()
  env_steps = (WARM_UP + arguments.turns + CREST) * ACTION_REPEAT
  settings = [*SETTINGS, f'Schedule.env_steps = {env_steps}']
  with tempfile.TemporaryDirectory() as root:
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
    with open(pathlib.Path(root, 'soak', 'train.csv')) as file:
      rows = [
        row for row in csv.DictReader(file) if int(row['agent_steps']) > WARM_UP
      ]
  megabytes, memory = rise(
    [float(row['speed/resident_gigabytes']) * 1e3 for row in rows]
  )
  files, more_files = rise([int(row['speed/open_files']) for row in rows])
  print(
    f'At most, in the {CREST:,} turns after {WARM_UP:,}: {megabytes:.1f} MB '
    f'resident, {files} open files; {arguments.turns:,} turns later: '
    f'{memory:+.1f} MB, {more_files:+} files.'
  )
  sys.exit(memory > arguments.megabytes or more_files > 0)


def rise(readings):
  """Returns the first crest, and by how much the last is higher."""
  n = CREST // LOG_INTERVAL
  first = max(readings[:n])
  return first, max(readings[-n:]) - first


if __name__ == '__main__':
  main()
