"""Has a run evaluated in a process of its own, while it goes on."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from slac import console
from slac.config import bindings
from slac.environments import checked, limits, served
from slac.reporting import encoding, evaluations, pictures
from slac.training import assessment, collection, experiment, faults, schedule

_ATTEMPTS = 2  # In processes of their own; the next is in this one.


def make(parts: experiment.Experiment, *others: Any) -> evaluations.Evaluations:
  """Returns evaluations where the settings want them; see `Evaluations`."""
  worker = parts.evaluation.worker
  kind = WorkerEvaluations if worker else evaluations.Evaluations
  return kind(parts, *others)


class WorkerEvaluations(evaluations.Evaluations):
  """Evaluates in a process of its own; one evaluation at a time.

  It is of the agent as it was when it began, and a checkpoint holds it until
  its row is written. So none is lost or comes twice, whatever ends this process
  or the other one; only the time at which its row is written may differ.
  """

  def __init__(self, *arguments: Any):
    """Begins no process yet; the arguments are those of `Evaluations`."""
    super().__init__(*arguments)
    self._worker: served.Served | None = None
    self._failures = 0

  def begin(self):
    """Has the agent evaluated as it is now, once the last one has come."""
    self.wait()
    if not self._should_stop():
      self._due = evaluations.Due(
        dataclasses.replace(self._counters), evaluations.values_of(self._agent)
      )
      self._count()
      if self._worker:
        self._ask()
      self.collect()

  def collect(self):
    if self._due:
      self._look(seconds=0)

  def wait(self):
    with self._report.evaluating():
      while self._due and not self._should_stop():
        self._look(limits.TICK)

  def close(self):
    if self._worker and self._due:  # It is at work.
      self._worker.end()
    elif self._worker:
      self._worker.close()

  def _look(self, seconds: float):
    """Reports the evaluation if it comes within seconds, or has it repeated."""
    if self._failures == _ATTEMPTS:
      self._evaluate_here()
    elif found := self._found(seconds):
      self._take(*found)
    if not self._due:
      self._failures = 0

  def _found(self, seconds):
    """Returns what the worker has found, or None if it has not yet."""
    try:
      if not self._worker:
        make = functools.partial(Worker, bindings.resolved())
        self._worker = served.Served(make, served.SPAWNED)
      if not self._worker.has_answered(seconds):
        return None
      found = self._worker.answer()
    except served.Ended as how:
      self._fail(f'its process ended with {how}')
    except Exception as error:  # Whatever the environment's may be.
      self._fail(checked.one_line(error))
    else:
      if found:
        return found
      self._ask()  # That was the first answer, when it was made.
    return None

  def _ask(self):
    """Has the worker evaluate."""
    due = self._due
    self._worker.ask_aside('evaluate', due.variables, due.counters)

  def _take(self, episodes, greedy_episodes, assessed, drawn):
    """Reports what the worker has found."""
    counters = self._due.counters
    self._draw_once(counters, lambda: drawn)
    self._report.evaluated(episodes, greedy_episodes, assessed, counters)
    self._due = None

  def _fail(self, why: str):
    """Warns of a failure; whatever has become of the process, it is ended."""
    self._failures += 1
    if self._worker:
      self._worker.end()
      self._worker = None
    where = 'here' if self._failures == _ATTEMPTS else 'in another process'
    console.warn(
      f'The evaluation after {self._due.counters.env_steps:,} environment '
      f'steps is made again, {where}: {why}.'
    )


class Worker:
  """Has an agent and an environment like the run's, in the other process."""

  def __init__(self, resolved: Mapping[str, str]):
    """Makes them, and no environment to train in.

    Args:
      resolved: what `bindings.resolved` has returned in the run's process.
    """
    collection.load_beside(resolved)
    self._parts = experiment.Experiment()
    self._evaluators = evaluations.evaluators(self._parts)

  def evaluate(
    self, variables: Sequence[np.ndarray], counters: schedule.Counters
  ) -> tuple[Any, Any, dict[str, float], dict[str, encoding.Encoded]]:
    """Returns episodes of both policies, what was assessed, and pictures.

    They are those of the run's own process, but for the episodes' images. What
    cannot be assessed or drawn is left out there, too.

    Args:
      variables: of the agent, see `evaluations.values_of`.
      counters: how far the run had come when it had them.
    """
    agent = self._parts.agent
    evaluations.assign(agent, variables)
    steps = counters.env_steps
    both = evaluations.run_policies(
      self._evaluators, self._parts.schedule, steps
    )
    sampled = both[0]
    drawn = faults.attempt(
      *('picture', counters),
      lambda: encoding.encode(
        pictures.of_episode(agent, sampled[0], [0, steps])
      ),
    )
    assessed = faults.attempt(
      *('assessment', counters),
      lambda: assessment.of_episodes(agent, sampled),
    )
    none = np.empty([0], np.uint8)
    episodes, greedy_episodes = (
      [x._replace(pixels=none, film=none, states=None) for x in of_one]
      for of_one in both
    )
    return episodes, greedy_episodes, assessed or {}, drawn or {}

  def close(self):
    """Closes the environment."""
    self._parts.close()
