"""Runs a sweep through Ray Tune, whose trials are folders of runs."""

import argparse
import collections
import hashlib
import logging
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from slac import errors
from slac.cluster import joining
from slac.environments import signals
from slac.storage import files, locks, snapshots
from slac.sweep import checking, place, plan, progress, stored

_SETTINGS = {
  'TUNE_DISABLE_SIGINT_HANDLER': '1',  # The board has one.
  'TUNE_DISABLE_AUTO_CALLBACK_LOGGERS': '1',  # A run has its own logs.
  'TUNE_DISABLE_STRICT_METRIC_CHECKING': '1',  # The first return comes late.
  'TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S': '0',
  'RAY_AIR_NEW_OUTPUT': '0',
}
_STORED = 2  # Checkpoints of each trial.
_REDUCTION = 3  # At 1/9 and 1/3 of the steps, the best third goes on.


def run(
  sweep: plan.Sweep,
  commands: Sequence[plan.Command],
  experiments: Sequence[checking.Planned],
  arguments: argparse.Namespace,
) -> int:
  """Runs all commands, or continues them; returns the exit code.

  Args:
    sweep: what they are.
    commands: the runs.
    experiments: what each of them trains.
    arguments: the flags of `flags.add`.

  Raises:
    UserError: what `joining.joined` raises; 73 if runs of these names are in
      the folder of runs; 78 if the sweep was begun with other settings; the
      exit code of the first run that has failed, when the others have ended.
  """
  root = plan.FOLDER / arguments.root_dir
  there = place.of(arguments)
  os.environ.update(_SETTINGS)
  # The board says what becomes of each run, without Tune's stack traces.
  logging.getLogger('ray.tune').setLevel(logging.CRITICAL)
  with joining.joined(there):
    from ray import tune

    from slac.sweep import board, trial

    told = [
      trial_of(command, experiment, arguments.cpus)
      for command, experiment in zip(commands, experiments, strict=True)
    ]
    name = _name(sweep, told)
    is_new = not stored.is_there(there.storage, name)
    settings = stored.settings_of(commands, experiments)
    if is_new:
      _refuse_what_is_there(root, commands)
      stored.keep(settings, there.storage, name)
    else:
      stored.refuse_others(settings, there.storage, name)
    scheduler = _scheduler(arguments.tune, experiments)
    shown = board.Board(scheduler._brackets[0]._rungs if scheduler else ())
    with signals.handled(shown.heed):
      analysis = tune.run(
        trial.Trial,
        name=name,
        config={'run': tune.grid_search(told)},
        resources_per_trial=there.needs,
        storage_path=there.storage,
        scheduler=scheduler,
        checkpoint_config=tune.CheckpointConfig(
          num_to_keep=_STORED, checkpoint_at_end=True
        ),
        max_failures=1,  # The board replaces it.
        max_concurrent_trials=arguments.jobs,
        trial_dirname_creator=lambda made: made.config['run']['name'],
        resume=None if is_new else 'AUTO+ERRORED',
        raise_on_failed_trial=False,
        callbacks=[shown],
        verbose=0,
      )
    shown.show(analysis.trials)
    if shown.signal:
      print('Stopped; the same command continues.')
      return 128 + shown.signal
    _fetch(analysis.trials, root)
  print(*best(analysis.trials), sep='\n', flush=True)
  if any((root / command.name).is_dir() for command in commands):
    _draw(root)
  _refuse_failed(analysis.trials)
  return 0


def trial_of(
  command: plan.Command, experiment: checking.Planned, cpus: float
) -> dict[str, Any]:
  """Returns what a node is told of a run: JSON values."""
  task, *overlays = (pathlib.Path(path).stem for path in command.gin_files)
  return {
    'name': command.name,
    'arguments': command.arguments,
    'cwd': str(plan.FOLDER),
    'cpus': cpus,
    'env_steps': experiment.schedule.env_steps,
    'task': task,
    'variant': ', '.join([*overlays, *command.gin_params]) or '-',
    'params': list(command.gin_params),
    'seed': command.seed,
  }


def best(trials: Sequence[Any]) -> Iterator[str]:
  """Yields the settings with the highest mean of last returns, by tasks.

  Only runs that have finished are compared: what was stopped early has learned
  less.
  """
  scores: dict[str, dict[tuple[str, ...], list[float]]] = {}
  tried = collections.Counter()
  for trial in trials:
    run, last = trial.config['run'], trial.last_result or {}
    if run['params']:
      tried[run['task']] += 1
      of_task = scores.setdefault(run['task'], {})
      own = of_task.setdefault(tuple(run['params']), [])
      if last.get('phase') == 'finished' and 'average_return' in last:
        own.append(last['average_return'])
  for task, of_task in scores.items():
    finished = {params: own for params, own in of_task.items() if own}
    if len(of_task) > 1 and finished:
      params, returns = max(finished.items(), key=lambda item: np.mean(item[1]))
      number = f', the mean of {len(returns)}' * (len(returns) > 1)
      yield f'# The best of {len(of_task)} settings of {task}: a last return of'
      yield f'# {np.mean(returns):.1f}{number}.'
      if (compared := sum(map(len, finished.values()))) < tried[task]:
        yield f'# Of {tried[task]} runs {compared} finished, and are compared.'
      yield from params


def _name(sweep, told) -> str:
  """Returns the name of the sweep in the storage, which its runs decide."""
  text = repr([(run['name'], run['arguments']) for run in told])
  return f'{sweep.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}'


def _refuse_what_is_there(root, commands) -> None:
  there = [c.name for c in commands if (root / c.name).exists()]
  if there:
    raise errors.UserError(
      f'{root} has runs of these names from another command '
      f'({errors.listed(there)}): choose another --root_dir, or continue them '
      'by --run in place of --ray.',
      os.EX_CANTCREAT,
    )


def _scheduler(tuned, experiments):
  if 'asha' not in tuned:
    return None
  from ray.tune import schedulers

  steps = max(item.schedule.env_steps for item in experiments)
  first = max(1, steps // _REDUCTION**2)
  return schedulers.ASHAScheduler(
    time_attr='env_steps',
    metric=progress.TRAINED_RETURN,  # It goes on where there is none yet.
    mode='max',
    grace_period=first,
    max_t=_REDUCTION * first,
    reduction_factor=_REDUCTION,
    stop_last_trials=False,  # What goes on from there stops by itself.
  )


def _fetch(trials, root) -> None:
  """Brings the folders of the runs to the others'.

  A run that is there, and has gone on by itself, is left alone.
  """
  root.mkdir(parents=True, exist_ok=True)
  for trial in trials:
    folder = root / trial.config['run']['name']
    if not trial.checkpoint or progress.is_finished(folder):
      continue
    try:
      if folder.exists():
        locks.hold(folder)
        _refuse_older(folder, trial.checkpoint)
    except errors.UserError as error:
      print(f'Left alone: {error}', flush=True)
      continue
    with files.new_folder(folder) as made:
      trial.checkpoint.to_directory(str(made))


def _refuse_older(folder, checkpoint) -> None:
  """Raises a UserError if a run's folder has a later checkpoint of its own."""
  from pyarrow import fs

  path = f'{checkpoint.path}/checkpoints'
  there = checkpoint.filesystem.get_file_info(
    fs.FileSelector(path, allow_not_found=True)
  )
  names = [item.base_name for item in there]
  kept = [name for name in names if name.startswith('checkpoint-')]
  if max(snapshots.names(folder), default='') > max(kept, default=''):
    raise errors.UserError(
      f'{folder} is further than what is stored of it; train_eval.py, or --run '
      'in place of --ray, continues it.'
    )


def _draw(root) -> None:
  arguments = '--runs', str(root), '--out', str(root / 'report')
  command = [sys.executable, '-m', 'slac.replication', 'curves', *arguments]
  subprocess.run(command, cwd=plan.FOLDER, check=False)


def _refuse_failed(trials) -> None:
  failed = [trial for trial in trials if trial.status == 'ERROR']
  if failed:
    last = failed[0].last_result or {}
    raise errors.UserError(
      f'{len(failed)} of {len(trials)} runs failed, the first of which is '
      f'{failed[0].config["run"]["name"]}: {last.get("fault", "no reason")} '
      'Mend the fault, and repeat this command, which continues the others.',
      last.get('exit_code', os.EX_UNAVAILABLE),
    )
