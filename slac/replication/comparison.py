"""Which trials are compared: same task, same action repeat, one variance."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from slac import errors
from slac.replication import ours as our_runs
from slac.replication import statistics, trials

# The authors show, for each task, the variance with the best mean return of
# all evaluations before this environment step.
SELECTION_STEPS = 500_000
# What may differ between runs that are trials of one experiment.
_NO_MATTER = (
  'Experiment.seed',
  'Schedule.checkpoint_seconds',
  'Schedule.env_steps',
  'Schedule.log_interval',
  'Schedule.picture_interval',
)


@dataclasses.dataclass(frozen=True)
class Selection:
  """The trials of one task with one decoder variance."""

  variance: float | None
  trials: Sequence[trials.Trial]
  curves: statistics.Curves

  def __str__(self) -> str:
    """Returns how many trials a mean is of, and which variance they have."""
    most = len(self.trials)
    fewest = self.curves.counts.min(initial=most)
    number = f'{most}' if fewest == most else f'{fewest}-{most}'
    text = f'{number} {"trial" if most == 1 else "trials"}'
    if self.variance is None:
      return text
    return f'{text}, variance {self.variance:g}'


@dataclasses.dataclass(frozen=True)
class Comparison:
  """Two selections of a task; either may be missing, not both."""

  task: str
  action_repeat: int
  published: Selection | None
  ours: Selection | None

  @property
  def sides(self) -> dict[str, Selection | None]:
    """Both selections by the names that a reader sees."""
    return {'published': self.published, 'ours': self.ours}


def compare(
  published: Sequence[trials.Trial],
  ours: Sequence[our_runs.Run],
  variance: float | None = None,
) -> list[Comparison]:
  """Returns the comparisons, by the names of their tasks.

  Args:
    published: trials of any tasks, action repeats and variances.
    ours: likewise.
    variance: to select on both sides; None selects by the authors' rule.

  Raises:
    UserError: (65) if action repeats differ, runs of ours are not trials of
      one experiment, or nothing has this variance.
  """
  tasks = sorted({trial.task for trial in [*published, *ours]})
  return [
    _compare(
      task,
      [trial for trial in published if trial.task == task],
      [run for run in ours if run.task == task],
      variance,
    )
    for task in tasks
  ]


def select(
  candidates: Sequence[trials.Trial], variance: float | None
) -> Selection:
  """Returns the trials with a variance, or with the best one; see `compare`."""
  found = {}
  for trial in candidates:
    found.setdefault(trial.variance, []).append(trial)
  if variance is None:
    variance = max(found, key=lambda name: _score(found[name]))
  elif variance not in found:
    there = ', '.join(sorted(_text(value) for value in found))
    raise errors.UserError(
      f'No {_kind(candidates)} of {candidates[0].task} has the decoder '
      f'variance {variance:g} (there is {there}); choose another --variance.',
      65,
    )
  chosen = found[variance]
  curves = statistics.align([trial.returns for trial in chosen])
  return Selection(variance, chosen, curves)


def _compare(task, published, ours, variance):
  repeats = {run.action_repeat for run in ours}
  if not ours:
    repeats = {trial.action_repeat for trial in published}
  if len(repeats) > 1:
    raise errors.UserError(
      f'There are several action repeats ({_list(repeats)}) of {task}, whose '
      'curves are of different tasks; name runs of one of them.',
      65,
    )
  (repeat,) = repeats
  same = [trial for trial in published if trial.action_repeat == repeat]
  if published and not same:
    theirs = _list({trial.action_repeat for trial in published})
    raise errors.UserError(
      f'The action repeat of {task} is {repeat} in {ours[0].folder} but '
      f'{theirs} in the published curves, so they are of different tasks; '
      'leave this run out.',
      65,
    )
  chosen = select(ours, variance) if ours else None
  if chosen:
    _check_trials_of_one_experiment(chosen.trials)
  return Comparison(
    task, repeat, select(same, variance) if same else None, chosen
  )


def _check_trials_of_one_experiment(found: Sequence[our_runs.Run]):
  """Raises a UserError if a mean of these runs would mean nothing."""
  first, seeds = found[0], {}
  for run in found:
    differing = [
      f'{name}: {first.config.get(name, "(not set)")} and '
      f'{run.config.get(name, "(not set)")}'
      for name in sorted({*first.config, *run.config})
      if first.config.get(name) != run.config.get(name)
      and name not in _NO_MATTER
    ]
    if differing:
      raise errors.UserError(
        f'{first.folder} and {run.folder} are no trials of one experiment '
        f'({"; ".join(differing)}); leave one of them out.',
        65,
      )
    if run.seed in seeds:
      raise errors.UserError(
        f'{seeds[run.seed]} and {run.folder} have the same seed, {run.seed}, '
        'so they are one trial; leave one of them out.',
        65,
      )
    seeds[run.seed] = run.folder


def _score(candidates: Sequence[trials.Trial]) -> float:
  """Returns the mean return of all evaluations that the rule looks at."""
  returns = [
    value
    for trial in candidates
    for step, value in trial.returns.items()
    if step < SELECTION_STEPS
  ]
  return float(np.mean(returns)) if returns else -np.inf


def _kind(candidates) -> str:
  is_ours = isinstance(candidates[0], our_runs.Run)
  return 'run' if is_ours else 'published trial'


def _list(numbers) -> str:
  return ', '.join(str(number) for number in sorted(numbers))


def _text(variance: float | None) -> str:
  return 'none' if variance is None else f'{variance:g}'
