"""Which trials are compared: same task, same action repeat, one variance."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from slac import errors
from slac.replication import ours as our_runs
from slac.replication import reported as reported_returns
from slac.replication import statistics, trials, variants

# The authors show, for each task, the variance with the best mean return of
# all evaluations before this environment step.
SELECTION_STEPS = 500_000
PUBLISHED, OURS = 'published', 'ours'


@dataclasses.dataclass(frozen=True)
class Selection:
  """The trials of one task and one variant, with one decoder variance."""

  variance: float | None
  trials: Sequence[trials.Trial]
  curves: statistics.Curves

  @property
  def number(self) -> str:
    """How many trials a mean is of."""
    most = len(self.trials)
    fewest = self.curves.counts.min(initial=most)
    number = f'{most}' if fewest == most else f'{fewest}-{most}'
    return f'{number} {"trial" if most == 1 else "trials"}'

  def __str__(self) -> str:
    """Returns how many trials a mean is of, and which variance they have."""
    if self.variance is None:
      return self.number
    return f'{self.number}, variance {self.variance:g}'


@dataclasses.dataclass(frozen=True)
class Comparison:
  """A task's published trials, if there are any, and our variants, if any."""

  task: str
  action_repeats: Sequence[int]  # More than one only if variants differ in it.
  published: Selection | None
  ours: Mapping[str, Selection]  # By the variants' names.
  # Of a method that one of ours is of.
  reported: Sequence[reported_returns.Reported] = ()

  @property
  def title(self) -> str:
    """The task, and which of its action repeats it is about."""
    return f'{self.task} (action repeat {_list(self.action_repeats)})'

  @property
  def is_like_the_papers(self) -> bool:
    """Whether one variant of ours, or none, is beside published trials.

    Else variants stand side by side.
    """
    return self.published is not None and len(self.ours) <= 1

  @property
  def sides(self) -> dict[str, Selection]:
    """All selections by the names that a reader sees."""
    published = {PUBLISHED: self.published} if self.published else {}
    named = {name or OURS: selection for name, selection in self.ours.items()}
    return published | named


def compare(
  published: Sequence[trials.Trial],
  ours: Sequence[our_runs.Run],
  variance: float | None = None,
) -> list[Comparison]:
  """Returns the comparisons, by the names of their tasks.

  Args:
    published: trials of any tasks, action repeats and variances.
    ours: likewise; runs with different settings are variants.
    variance: to select on both sides; None selects the published ones by the
      authors' rule, and keeps all of ours.

  Raises:
    UserError: (65) if action repeats differ from the published ones, two runs
      of ours are the same trial, or nothing has this variance.
  """
  tasks = {trial.task for trial in published} | {run.task for run in ours}
  if variance is not None:
    ours = [
      run
      for task in sorted({run.task for run in ours})
      for run in _with_variance([r for r in ours if r.task == task], variance)
    ]
  groups = variants.group(ours)
  return [
    _compare(
      task,
      [trial for trial in published if trial.task == task],
      groups.get(task, {}),
      variance,
    )
    for task in sorted(tasks)
  ]


def select(
  candidates: Sequence[trials.Trial], variance: float | None
) -> Selection:
  """Returns the trials with a variance, or with the best one; see `compare`."""
  if variance is None:
    found = {}
    for trial in candidates:
      found.setdefault(trial.variance, []).append(trial)
    variance = max(found, key=lambda name: _score(found[name]))
    return _selection(variance, found[variance])
  return _selection(variance, _with_variance(candidates, variance))


def _selection(variance, chosen):
  curves = statistics.align([trial.returns for trial in chosen])
  return Selection(variance, chosen, curves)


def _compare(task, published, ours, variance):
  repeats = {run.action_repeat for runs in ours.values() for run in runs}
  if not ours:
    repeats = {trial.action_repeat for trial in published}
  if published and len(repeats) > 1:
    raise errors.UserError(
      f'There are several action repeats ({_list(repeats)}) of {task}, whose '
      'curves are of different tasks; name runs of one of them.',
      65,
    )
  same = [trial for trial in published if trial.action_repeat in repeats]
  if published and not same:
    theirs = _list({trial.action_repeat for trial in published})
    first = next(run for runs in ours.values() for run in runs)
    raise errors.UserError(
      f'The action repeat of {task} is {_list(repeats)} in {first.folder} but '
      f'{theirs} in the published curves, so they are of different tasks; '
      'leave this run out.',
      65,
    )
  for runs in ours.values():
    _refuse_the_same_seed(runs)
  return Comparison(
    task,
    sorted(repeats),
    select(same, variance) if same else None,
    {name: _selection(r[0].variance, r) for name, r in ours.items()},
    reported_returns.of(task) if any(map(_is_of_alm, ours.values())) else (),
  )


def _is_of_alm(found: Sequence[our_runs.Run]) -> bool:
  """Whether a variant is of the method whose authors report numbers."""
  return found[0].config.get('Experiment.agent', '').endswith('@AlmAgent')


def _refuse_the_same_seed(found: Sequence[our_runs.Run]):
  """Raises a UserError if two runs of a variant are one trial."""
  seeds = {}
  for run in found:
    if run.seed in seeds:
      raise errors.UserError(
        f'{seeds[run.seed]} and {run.folder} have the same settings and the '
        f'same seed, {run.seed}, so they are one trial; leave one of them out.',
        65,
      )
    seeds[run.seed] = run.folder


def _with_variance(candidates, variance):
  """Returns the trials of a task that have this variance."""
  found = [trial for trial in candidates if trial.variance == variance]
  if not found:
    texts = {_text(trial.variance) for trial in candidates}
    raise errors.UserError(
      f'No {_kind(candidates)} of {candidates[0].task} has the decoder '
      f'variance {variance:g} (there is {", ".join(sorted(texts))}); choose '
      'another --variance.',
      65,
    )
  return found


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
