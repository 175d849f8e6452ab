"""Whether a run survives its faults: `python -m tests.faults --kills 200`.

Trains tiny networks as a process that is killed (SIGKILL) at random times, at
least a quarter of them during a save, and started again each time. In the end
all that it has computed and logged must equal, byte for byte, what a run leaves
that nobody has disturbed. With `--signals 20` it is SIGTERM and SIGINT instead,
after which the very last turn must be in the checkpoint, within ten seconds.

The processes are forked from one that has imported TensorFlow but not yet begun
to use it, which saves the time of the import.
"""

import argparse
import csv
import hashlib
import itertools
import json
import multiprocessing
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time

import psutil
import tqdm

import train_eval
from slac import policies
from tests import event_files, run_folders

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
CHECKPOINT_SECONDS = 0.3
ACTION_REPEAT = 20  # Episodes of 50 agent steps.
MODEL_UPDATES = 50
SETTINGS = f"""
ACTION_REPEAT = {ACTION_REPEAT}
LatentModel.base_depth = 2
LatentModel.feature_size = 8
LatentModel.hidden_size = 8
LatentModel.latent1_size = 4
LatentModel.latent2_size = 8
LatentModel.compute_dtype = 'float32'
SoftActorCritic.hidden_size = 8
SlacAgent.sequence_length = 2
SlacAgent.model_batch_size = 2
Replay.capacity = 150
Schedule.batch_size = 2
Schedule.random_episodes = 1
Schedule.model_updates = {MODEL_UPDATES}
Schedule.eval_interval = 4000
Schedule.eval_episodes = 1
Schedule.log_interval = 1
Schedule.picture_interval = 1000
Schedule.checkpoint_seconds = {CHECKPOINT_SECONDS}
"""
SECONDS_TO_BEGIN = 120
SECONDS_TO_STOP = 10
# A fault comes at most so long after the loop's beginning, by the process's own
# clock, as a busy machine would not let it get anywhere. Of these 1.5 to 2 go
# into the first evaluation or update. None that could be among the last turns.
SECONDS_OF_LIFE = 4.0
TURNS_OF_LIFE = 150
SECONDS_OF_SAVE = 0.05


class Faults:
  """A run that is disturbed, and what has been found out about it."""

  def __init__(self, root: pathlib.Path, agent_steps: int, seed: int):
    self._root = root
    self._turns = agent_steps + MODEL_UPDATES
    self._random = random.Random(seed)
    (root / 'tiny.gin').write_text(
      f'{SETTINGS}Schedule.env_steps = {agent_steps * ACTION_REPEAT}\n'
    )
    self._context = multiprocessing.get_context('forkserver')
    self._context.set_forkserver_preload([__name__])
    self.folder = root / 'disturbed'
    self.disturbed = self.in_save = self.in_start = 0
    self.wrong_resumes = self.unsaved = 0
    self.turns_repeated = self.most_seconds_repeated = 0.0
    self.excess_repeats = 0
    self.slowest_stop = 0.0
    self._expected_start = None  # Environment steps.

  def start(self, name: str):
    """Returns a process that begins or continues a run."""
    log = self._root / f'{name}.log'
    log.write_bytes(b'')
    arguments = [
      *('--gin_file=gin/cartpole.gin', f'--gin_file={self._root}/tiny.gin'),
      *(f'--root_dir={self._root}', f'--name={name}'),
    ]
    process = self._context.Process(
      target=live, args=(arguments, str(log)), daemon=True
    )
    process.start()
    return process

  def finish(self, name: str):
    """Lets a run go to its end."""
    process = self.start(name)
    process.join()
    if process.exitcode != 0:
      sys.exit((self._root / f'{name}.log').read_text())

  def kill(self, want_save: bool):
    """Starts the run and kills it, in its loop, if wanted during a save."""
    process = self.start(self.folder.name)
    self._wait_for_moment(process)
    if want_save:
      self._wait_for(process, self._half_saved)
      time.sleep(self._random.uniform(0, SECONDS_OF_SAVE))
    self._end(process, signal.SIGKILL)
    self.in_save += bool(self._half_saved())
    self._check_start()
    self._check_repeats()

  def interrupt(self, number: signal.Signals, in_start: bool):
    """Starts the run and stops it by a signal, in its start if wanted."""
    process = self.start(self.folder.name)
    if in_start:
      time.sleep(self._random.uniform(0, SECONDS_OF_LIFE))
      # Where the loop has begun after all, it is to be saved as any other.
      in_start = not self._has_begun(process)
    else:
      self._wait_for_moment(process)
    began = time.monotonic()
    code = self._end(process, number)
    self.slowest_stop = max(self.slowest_stop, time.monotonic() - began)
    self.in_start += in_start
    last = self._rows()[-1:]
    saved = last and _turns(last[0]) == run_folders.newest(self.folder)[0]
    own_code = code in (128 + number, -number)  # -number before our handlers.
    self.unsaved += not own_code or not (saved or in_start)
    if not in_start:
      self._check_start()

  def _end(self, process, number):
    """Sends a signal and waits for the end; returns the exit code."""
    if process.exitcode is not None:
      sys.exit(
        f'The run ended by itself, with {process.exitcode}, after '
        f'{self.disturbed} faults:\n' + self._log()
      )
    os.kill(process.pid, number)
    process.join()
    self.disturbed += 1
    return process.exitcode

  def _check_start(self):
    """Whether the life that has ended had begun where it should have.

    It is to continue from the checkpoint that was there before it.
    """
    begins = [
      int(line.split()[2].replace(',', ''))
      for line in self._log().splitlines()
      if line.startswith('Continuing at')
    ]
    self.wrong_resumes += begins != [
      steps for steps in [self._expected_start] if steps is not None
    ]
    _, checkpoint = run_folders.newest(self.folder)
    if checkpoint:
      counters = run_folders.state_of(checkpoint)['state']['counters']
      self._expected_start = counters['agent_steps'] * ACTION_REPEAT

  def _check_repeats(self):
    """How much the next life has to do once more."""
    step, checkpoint = run_folders.newest(self.folder)
    rows = self._rows()
    if not checkpoint or not rows:
      return
    saved = run_folders.state_of(checkpoint)['state']['report']['wall_seconds']
    times = [
      saved,
      *(t for row in rows if (t := float(row['wall_seconds'])) > saved),
    ]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    seconds = times[-1] - saved
    self.most_seconds_repeated = max(self.most_seconds_repeated, seconds)
    self.turns_repeated = max(self.turns_repeated, _turns(rows[-1]) - step)
    # The save itself lies within a gap, and so does the last turn.
    allowed = CHECKPOINT_SECONDS + 2 * max(gaps, default=0.0)
    self.excess_repeats += seconds > allowed

  def _rows(self):
    """The whole rows of train.csv."""
    path = self.folder / 'train.csv'
    text = path.read_text() if path.exists() else ''
    return list(csv.DictReader(text[: text.rfind('\n') + 1].splitlines()))

  def _wait_for_moment(self, process):
    """Waits until some time after the loop has begun."""
    self._wait_for(process, lambda: self._has_begun(process))
    left = self._turns - run_folders.newest(self.folder)[0]
    if left < TURNS_OF_LIFE or process.exitcode is not None:
      return
    clock = psutil.Process(process.pid).cpu_times
    end = sum(clock()[:2]) + self._random.uniform(0, SECONDS_OF_LIFE)
    self._wait_for(process, lambda: sum(clock()[:2]) >= end)

  def _has_begun(self, process):
    events = self.folder / 'tensorboard'
    return list(events.glob(f'*.{process.pid}.*'))

  def _half_saved(self):
    return list((self.folder / 'checkpoints').glob('tmp-*'))

  def _wait_for(self, process, condition):
    deadline = time.monotonic() + SECONDS_TO_BEGIN
    while not condition() and process.exitcode is None:
      if time.monotonic() > deadline:
        sys.exit(f'Waited in vain:\n{self._log()}')
      time.sleep(0.002)

  def _log(self):
    return (self._root / f'{self.folder.name}.log').read_text()


def live(arguments, log):
  """What a process does in its life: train_eval.py, its output to a file."""
  descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
  for standard in (1, 2):
    os.dup2(descriptor, standard)
  os.chdir(REPOSITORY)
  sys.argv = ['train_eval.py', *arguments]
  # The SavedModel takes ten seconds and is not part of the state.
  policies.export = lambda *_: None
  # Lest multiprocessing should report tqdm's own lock as leaked by the killed.
  tqdm.tqdm.set_lock(threading.RLock())
  train_eval.main()


def checksum(folder: pathlib.Path) -> str:
  """One sha256 over all that a run has computed and logged."""
  content = {
    'state': run_folders.digests(folder),
    'tables': [run_folders.table(folder, name) for name in ('train', 'eval')],
    'points': event_files.points(folder),
    'pictures': {
      path.name: hashlib.sha256(path.read_bytes()).hexdigest()
      for path in sorted((folder / 'videos').iterdir())
    },
  }
  return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def contradictions(folder: pathlib.Path) -> int:
  """Counts the steps in the logs that do not come after the one before."""
  sequences = [
    [_turns(row) for row in run_folders.table(folder, name)]
    for name in ('train', 'eval')
  ]
  sequences += event_files.points(folder).values()
  return sum(
    b <= a for steps in sequences for a, b in itertools.pairwise(steps)
  )


def leftovers(folder: pathlib.Path) -> list[str]:
  """Files that no run leaves at its end, and that nothing refers to."""
  checkpoints = folder / 'checkpoints'
  needed = {
    segment['name']
    for manifest in checkpoints.glob('*/manifest.json')
    for segment in json.loads(manifest.read_text())['segments']
  }
  found = [p.name for p in folder.rglob('*') if 'tmp' in p.name]
  found += [p.name for p in checkpoints.glob('damaged-*')]
  return found + [
    p.name for p in (checkpoints / 'replay').iterdir() if p.name not in needed
  ]


def _turns(row):
  return int(row['agent_steps']) + int(row['model_updates'])


def main():
  """Runs the command line; exits with 1 if anything was lost."""
  parser = argparse.ArgumentParser(
    prog='python -m tests.faults', description=__doc__
  )
  parser.add_argument('--kills', type=int, default=0, help='SIGKILLs')
  parser.add_argument(
    '--signals', type=int, default=0, help='SIGTERMs and SIGINTs, by turns'
  )
  parser.add_argument('--seed', type=int, default=0, help='of the moments')
  arguments = parser.parse_args()
  with tempfile.TemporaryDirectory() as root:
    sys.exit(not survives(pathlib.Path(root), **vars(arguments)))


def survives(
  root: pathlib.Path, kills: int, signals: int = 0, seed: int = 0
) -> bool:
  """Disturbs a run under `root`; prints the outcome; returns if all is well."""
  faults = Faults(root, 200 + 25 * (kills + signals), seed)
  # Every second one is aimed at a save, as not all of these hit theirs.
  for number in range(kills):
    faults.kill(want_save=bool(number % 2))
  for number in range(signals):
    faults.interrupt(
      (signal.SIGTERM, signal.SIGINT)[number % 2], in_start=number % 5 == 4
    )
  faults.finish(faults.folder.name)
  faults.finish('straight')
  found, expected = checksum(faults.folder), checksum(root / 'straight')
  rest = leftovers(faults.folder)
  points = contradictions(faults.folder)
  table = {
    'kills, of them during a save': f'{kills}, {faults.in_save}',
    'signals, of them during the start': f'{signals}, {faults.in_start}',
    'seconds from a signal to the end, at most': f'{faults.slowest_stop:.1f}',
    'signals after which the last turn was not saved': faults.unsaved,
    'starts from another than the newest checkpoint': faults.wrong_resumes,
    'turns, seconds repeated after a kill, at most': (
      f'{faults.turns_repeated:.0f}, {faults.most_seconds_repeated:.1f}'
    ),
    'kills that cost more than a checkpoint interval': faults.excess_repeats,
    'contradicting points in the logs': points,
    'leftovers on the disk': ', '.join(rest) or 0,
    'sha256 of the end': found,
    'sha256 without faults': expected,
  }
  print('\n'.join(f'{name + ":":<50}{value}' for name, value in table.items()))
  return (
    found == expected
    and not rest
    and not points
    and not faults.unsaved
    and not faults.wrong_resumes
    and not faults.excess_repeats
    and faults.slowest_stop < SECONDS_TO_STOP
    and faults.in_save >= kills / 4
  )


if __name__ == '__main__':
  main()
