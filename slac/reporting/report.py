"""The report of a run: progress bar, curves, tables and pictures."""

import contextlib
import math
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import psutil
import tensorflow as tf

from slac import console
from slac.environments import checked
from slac.reporting import encoding, logs, summary
from slac.storage import tables
from slac.training import assessment, evaluation, experiment, metrics, schedule

COUNTERS = (
  'env_steps',
  'agent_steps',
  'model_updates',
  'gradient_steps',
  'episodes',
)
EVALUATION = (
  'average_return',
  'stddev_of_return',
  'average_length',
  'greedy_average_return',
)
SUCCESS_RATE = 'success_rate'  # Of tasks that can be solved.
# What runs are compared by in TensorBoard: the last return and the best.
BEST = 'evaluation/best_return'
COMPARED = {'evaluation/average_return': 'final return', BEST: 'best return'}
# Precede the names of a table's columns in TensorBoard.
PREFIXES = {'train': '', 'eval': 'evaluation/'}
EPISODE = ('training/episode_return', 'training/episode_length')
FAILED = 'training/failed_episodes'  # Since the run began.
SPEED = (
  'speed/updates_per_second',
  'speed/resident_gigabytes',
  'speed/open_files',
)
SECONDS = (
  'environment',
  'rendering',
  'acting',
  'sampling',
  'training',
  'evaluation',
)


class Report:
  """Gathers what a run does, and writes it at the steps it belongs to.

  The x axis is in environment steps, but for pretraining, during which these
  stand still: there it is in updates of the model.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    parts: experiment.Experiment,
    counters: schedule.Counters,
    metric_names: Sequence[str],
  ):
    """Prepares a report; nothing is read or written yet.

    Args:
      folder: the run's folder.
      parts: the parts of the run.
      counters: how far the run has come; is told pretraining's error.
      metric_names: the names of what `add_metrics` will be given.
    """
    self._folder = folder
    self._parts = parts
    self._counters = counters
    self.stopwatch = metrics.Stopwatch()
    self._averages = metrics.Averages()
    seconds = [f'seconds/{name}' for name in SECONDS]
    common = (*COUNTERS, 'wall_seconds')
    assessed = assessment.names(parts.agent)
    has_rate = checked.tells_success(parts.eval_environment)
    self._logs = logs.Logs(
      folder,
      {
        'train': (*common, *EPISODE, FAILED, *metric_names, *SPEED, *seconds),
        'eval': (*common, *EVALUATION, *has_rate * [SUCCESS_RATE], *assessed),
      },
      PREFIXES,
    )
    self._phase = None
    self._began = time.monotonic()
    self._restored = None

  def open(self) -> bool:
    """Opens the logs as they were at `get_state`, or empty ones.

    Returns:
      Whether they had to be mended, see `logs.Logs.open`.
    """
    was_mended = self._logs.open(self._restored)
    self._best = -math.inf
    if self._restored:
      rows = tables.read_rows(self._folder / 'eval.csv', EVALUATION[:1])
      returns = [row[EVALUATION[0]] for row in rows]
      self._best = max(map(float, filter(None, returns)), default=self._best)
    else:
      self._logs.text('settings', summary.settings_table())
      settings = summary.hyperparameters()
      self._logs.hyperparameters(settings, summary.MAIN, COMPARED)
    total = self._parts.schedule.iterations(self._counters)
    self._progress = console.Progress(total, self._counters.iterations)
    self._mark()
    return was_mended

  def close(self):
    """Closes the logs and ends the progress bar's line."""
    try:
      self._logs.close()
    finally:
      self._progress.close()

  def enter(self, phase: str):
    """Says which phase the next iteration is of."""
    if phase != self._phase:
      self._phase = phase
      self._progress.expect(self._parts.schedule.iterations(self._counters))
      self._progress.phase(phase)

  @contextlib.contextmanager
  def evaluating(self) -> Iterator[None]:
    """Measures an evaluation, and names it, as the bar stands still."""
    with self.stopwatch('evaluation'), self._progress.held_up('evaluation'):
      yield

  @contextlib.contextmanager
  def updating(self, is_compiled: bool) -> Iterator[None]:
    """Measures an update, and names what its first call takes so long for."""
    with self.stopwatch('training'):
      if is_compiled:
        yield
        return
      with self._progress.held_up('compiling'):
        yield
    self._progress.restart_rate()  # No later one takes as long.

  def add_metrics(self, names: tuple[str, ...], values: tf.Tensor):
    """Takes the metrics of one update, a vector, into the next averages."""
    self._averages.add_vector(names, values)

  def add(self, values: Mapping[str, float]):
    """Takes scalars into the next averages."""
    self._averages.add(values)

  def add_episode(self, episode_return: float, length: int):
    """Takes a finished training episode into the next averages."""
    self.add(dict(zip(EPISODE, (episode_return, length), strict=True)))
    self._progress.show(episode_return=episode_return)

  def advance(self, iterations: int = 1):
    """Counts iterations; writes what was gathered when it is due."""
    self._progress.advance(iterations)
    interval = self._parts.schedule.log_interval
    if self._counters.iterations % interval >= iterations:
      return
    values = {
      FAILED: self._counters.failed_episodes,
      **self._averages.result(),
      **self._speed(),
    }
    self._logs.row('train', self._counts(self._counters) | values)
    if self._phase == 'pretraining':
      self._counters.training_error = values.get(assessment.ERROR, math.inf)
      self._logs.scalars(
        self._counters.model_updates,
        {f'pretraining/{name}': v for name, v in values.items()},
      )
    else:
      self._logs.scalars(self._counters.env_steps, values)
    self._progress.show(
      env_steps=self._counters.env_steps,
      updates_per_second=values['speed/updates_per_second'],
    )
    self._mark()

  def evaluated(
    self,
    episodes: Sequence[evaluation.Episode],
    greedy_episodes: Sequence[evaluation.Episode],
    assessed: Mapping[str, float],
    counters: schedule.Counters | None = None,
  ):
    """Writes an evaluation's returns, and what `assessment` says of it.

    Args:
      episodes: of the stochastic policy.
      greedy_episodes: of the greedy one; there may be none.
      assessed: what `assessment.of_episodes` returns.
      counters: as they were when it began, if the run has gone on.
    """
    counters = counters or self._counters
    returns = [episode.episode_return for episode in episodes]
    values = {
      'average_return': np.mean(returns),
      'stddev_of_return': np.std(returns),
      'average_length': np.mean([episode.length for episode in episodes]),
    }
    if greedy_episodes:
      values['greedy_average_return'] = np.mean(
        [episode.episode_return for episode in greedy_episodes]
      )
    message = f'average return {values["average_return"]:.1f}'
    if None not in (successes := [episode.is_success for episode in episodes]):
      values[SUCCESS_RATE] = np.mean(successes)
      message += f', success rate {values[SUCCESS_RATE]:.0%},'
    values |= assessed
    env_steps = counters.env_steps
    self._logs.row('eval', self._counts(counters) | values)
    self._best = max(self._best, values['average_return'])
    scalars = {PREFIXES['eval'] + name: v for name, v in values.items()}
    self._logs.scalars(env_steps, scalars | {BEST: self._best})
    self._progress.message(
      f'{env_steps:,} environment steps: {message} of {len(returns)} episodes'
    )

  def assessed_in_pretraining(self, assessed: Mapping[str, float]):
    """Writes what `assessment` says of the model before it is at work."""
    prefix = f'pretraining/{PREFIXES["eval"]}'
    self._logs.scalars(
      self._counters.model_updates,
      {f'{prefix}{name}': value for name, value in assessed.items()},
    )

  def draw(self, name: str, step: int, drawn: Mapping[str, encoding.Encoded]):
    """Writes the pictures of an episode at a step of the x axis.

    Args:
      name: what the episode belongs to.
      step: environment steps, or updates of the model while it is pretrained.
      drawn: pictures and films by their kinds.
    """
    for kind, picture in drawn.items():
      self._logs.picture(step, f'{name}/{kind}', picture)

  def get_state(self) -> dict[str, Any]:
    """Returns what has been logged, and what is gathered for the next row."""
    return {
      'averages': self._averages.get_state(),
      'logs': list(self._logs.get_state().items()),
      'wall_seconds': self._wall_seconds(),
    }

  def set_state(self, state: Mapping[str, Any]):
    """Continues from `get_state`; what was logged after it is forgotten."""
    self._restored = dict(state['logs'])
    self._began = time.monotonic() - state['wall_seconds']
    self._averages.set_state(state['averages'])

  def _speed(self):
    """What SPEED names, and seconds spent in each iteration."""
    iterations = self._counters.iterations - self._iterations
    seconds = dict.fromkeys(SECONDS, 0.0) | self.stopwatch.seconds()
    # The environment tells how much of its time it spent rendering.
    seconds['rendering'] = self._render_seconds() - self._rendered
    seconds['environment'] -= seconds['rendering']
    updates = self._counters.updates - self._updates
    process = psutil.Process()
    return {
      'speed/updates_per_second': updates / (time.monotonic() - self._marked),
      'speed/resident_gigabytes': process.memory_info().rss / 1e9,
      'speed/open_files': process.num_fds(),
      **{f'seconds/{name}': s / iterations for name, s in seconds.items()},
    }

  def _mark(self):
    """Begins what the next `_speed` is about."""
    self._marked = time.monotonic()
    self._updates = self._counters.updates
    self._iterations = self._counters.iterations
    self._rendered = self._render_seconds()

  def _render_seconds(self):
    return sum(
      getattr(environment, 'render_seconds', 0.0)
      for environment in self._parts.environments
    )

  def _wall_seconds(self):
    return time.monotonic() - self._began

  def _counts(self, counters):
    counts = {name: getattr(counters, name) for name in COUNTERS}
    return {**counts, 'wall_seconds': round(self._wall_seconds(), 3)}
