"""Whether a run's memory stays flat: `python -m tests.soak`.

Trains small networks with a small replay, which fills before the first reading,
for as many turns of the loop as it is told to, and reads the resident memory
from the run's own train.csv. That falls by tens of megabytes when a checkpoint
is written, and rises again. So what is told is how far the crests rise, from
those of the first turns to the highest. Exits with 1 if that is too much.
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
)
# After these turns everything has happened once: all three phases, evaluations,
# checkpoints, a replay that is full.
WARM_UP = 5000
# By then there has been another evaluation, and a few checkpoints.
CREST = 7500


def main():
  """Runs the command line."""
  parser = argparse.ArgumentParser(
    prog='python -m tests.soak', description=__doc__
  )
  parser.add_argument(
    '--turns', type=int, default=20_000, help='of the loop, after the warm-up'
  )
  parser.add_argument('--megabytes', type=float, default=20.0, help='allowed')
  arguments = parser.parse_args()
  env_steps = (WARM_UP + arguments.turns) * ACTION_REPEAT
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
      resident = [
        (int(row['agent_steps']), float(row['speed/resident_gigabytes']) * 1e3)
        for row in csv.DictReader(file)
      ]
  first = max(size for turn, size in resident if WARM_UP <= turn < CREST)
  growth = max(size for turn, size in resident if turn >= WARM_UP) - first
  print(
    f'Resident memory from turn {WARM_UP:,} to {CREST:,}: at most {first:.1f} '
    f'MB; in the {arguments.turns:,} turns since {WARM_UP:,}: {growth:.1f} MB '
    'more.'
  )
  sys.exit(growth > arguments.megabytes)


if __name__ == '__main__':
  main()
