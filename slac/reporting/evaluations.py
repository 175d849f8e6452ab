"""Evaluates a run: plays its policies, assesses and draws what they did."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from slac.agents import base, policies
from slac.reporting import encoding, pictures, report
from slac.training import (
  assessment,
  evaluation,
  experiment,
  faults,
  schedule,
)


class Due(NamedTuple):
  """An evaluation that has not come to its end."""

  counters: schedule.Counters  # As they were when it began.
  variables: list[np.ndarray]  # Of the agent then, see `values_of`.


class Evaluations:
  """Evaluates in this process, while training waits."""

  def __init__(
    self,
    parts: experiment.Experiment,
    counters: schedule.Counters,
    log: report.Report,
    should_stop: Callable[[], bool],
  ):
    """Plays nothing yet.

    Args:
      parts: the parts of the run.
      counters: how far it has come; it goes on counting in them.
      log: takes what is found.
      should_stop: whether the run has been told to.
    """
    self._agent = parts.agent
    self._schedule = parts.schedule
    self._counters = counters
    self._report = log
    self._should_stop = should_stop
    self._evaluators = evaluators(parts)
    self._held_out = evaluator(parts, parts.held_out_policy)
    self._held_out_episodes: list[evaluation.Episode] | None = None
    self._due: Due | None = None

  @property
  def is_under_way(self) -> bool:
    """Whether there is one that has begun, and not come to its end."""
    return self._due is not None

  def begin(self):
    """Reports the returns; a signal leaves all of it to the next start."""
    if self._evaluate(self._counters):
      self._count()

  def collect(self):
    """Reports what has come since; to be called at every turn of the loop."""
    if self._due:
      self._evaluate_here()

  def wait(self):
    """Waits for the end of what is under way, or a signal."""
    self.collect()

  def assess_pretraining(self):
    """Assesses the model while it is pretrained, and draws an episode.

    The episodes are random, as those that it learns from, and always the same,
    so that only the model changes what is said of them. A signal leaves all of
    it to the next start.
    """
    counters = self._counters
    with self._report.evaluating():
      if self._held_out_episodes is None:
        self._play_held_out()
        if self._should_stop():
          return
      assessed = {}
      if episodes := self._held_out_episodes:
        draw = functools.partial(self._draw_pretraining, episodes[0])
        faults.attempt('picture', counters, draw)
        assessed = self._assess(assessment.of_model, counters, episodes)
    if assessed:
      self._report.assessed_in_pretraining(assessed)
    counters.assess(assessed.get(assessment.ERROR))
    self._forget_held_out()

  def close(self):
    """Ends what serves evaluations."""

  def get_state(self) -> dict[str, Any] | None:
    """Returns the evaluation that is under way, with all it depends on."""
    return self._due and {
      'counters': self._due.counters.get_state(),
      'variables': self._due.variables,
    }

  def set_state(self, state: Mapping[str, Any] | None):
    """Has the one of `get_state` made, whose own process may be gone.

    If the interval has become shorter, so has the time to the next one.
    """
    counters = self._counters
    counters.next_evaluation = min(counters.next_evaluation, self._next())
    if state:
      counters = dataclasses.replace(counters, **state['counters'])
      self._due = Due(counters, state['variables'])

  def _count(self):
    """Counts an evaluation, which is the last at these steps."""
    self._forget_held_out()  # Pretraining may end between two assessments.
    self._counters.next_evaluation = self._next()

  def _next(self):
    """The environment steps at which the interval ends."""
    interval = self._schedule.eval_interval
    return (self._counters.env_steps // interval + 1) * interval

  def _evaluate_here(self):
    """Makes what is under way, with the parameters that it began with."""
    own = values_of(self._agent)
    assign(self._agent, self._due.variables)
    try:
      if self._evaluate(self._due.counters):
        self._due = None
    finally:
      assign(self._agent, own)

  def _evaluate(self, counters) -> bool:
    """Evaluates the agent; returns whether no signal has ended that."""
    with self._report.evaluating():
      episodes = faults.attempt(
        'evaluation', counters, lambda: self._run_policies(counters)
      )
      if self._should_stop():
        return False
      assessed = episodes and self._assess(
        assessment.of_episodes, counters, episodes[0]
      )
    if episodes:
      self._report.evaluated(*episodes, assessed, counters)
    return True

  def _run_policies(self, counters):
    return run_policies(
      *(self._evaluators, self._schedule, counters.env_steps),
      *(self._should_stop, lambda x: self._draw_evaluation(counters, x)),
    )

  def _assess(self, function, counters, episodes):
    call = functools.partial(function, self._agent, episodes)
    return faults.attempt('assessment', counters, call) or {}

  def _draw_evaluation(self, counters, episode):
    """Draws the first episode at once, as the others can take minutes."""
    seed = [0, counters.env_steps]
    self._draw_once(
      counters,
      lambda: encoding.encode(pictures.of_episode(self._agent, episode, seed)),
    )

  def _draw_once(self, counters, draw):
    """Reports the pictures of an evaluation, which may be repeated."""
    env_steps = counters.env_steps
    if self._counters.drawn_at < env_steps:
      faults.attempt(
        *('picture', counters),
        lambda: self._report.draw('evaluation', env_steps, draw()),
      )
      self._counters.drawn_at = env_steps

  def _play_held_out(self):
    """Has the random policy play, away from what it collects."""
    counters = self._counters
    play = functools.partial(
      *(self._held_out.run, self._schedule.eval_episodes),
      *(counters.env_steps, self._should_stop),
    )
    name = 'evaluation in pretraining'
    self._held_out_episodes = faults.attempt(name, counters, play)

  def _forget_held_out(self):
    """Frees the episodes of pretraining once it is over: they are large."""
    if self._schedule.phase(self._counters) != 'pretraining':
      self._held_out_episodes = None

  def _draw_pretraining(self, episode):
    step = self._counters.model_updates
    drawn = pictures.of_episode(self._agent, episode, [0, step])
    if self._counters.least_error < math.inf:
      drawn.pop('episode', None)  # Its film has been written.
    self._report.draw('pretraining', step, encoding.encode(drawn))


def evaluators(parts: experiment.Experiment) -> list[evaluation.Evaluator]:
  """Returns those of the stochastic policy and of the greedy one."""
  agent = parts.agent
  return [evaluator(parts, p) for p in (agent.policy, agent.greedy_policy)]


def evaluator(
  parts: experiment.Experiment, policy: policies.SeededPolicy
) -> evaluation.Evaluator:
  """Returns what plays a policy where a run is evaluated."""
  return evaluation.Evaluator(
    parts.eval_environment, policy, parts.seed, parts.limit
  )


def run_policies(
  both: Sequence[evaluation.Evaluator],
  plan: schedule.Schedule,
  env_steps: int,
  should_stop: Callable[[], bool] = lambda: False,
  on_episode: Callable[[evaluation.Episode], None] = lambda episode: None,
) -> tuple[list[evaluation.Episode] | None, list[evaluation.Episode] | None]:
  """Returns episodes of the stochastic policy, and of the greedy one.

  Args:
    both: their evaluators.
    plan: says how many episodes.
    env_steps: how far the run has come.
    should_stop: see `Evaluator.run`; so is None instead of episodes.
    on_episode: is given those of the stochastic policy.
  """
  sampled, greedy = both
  return (
    sampled.run(plan.eval_episodes, env_steps, should_stop, on_episode),
    greedy.run(
      plan.greedy_eval_episodes, env_steps, should_stop, is_filmed=False
    ),
  )


def values_of(agent: base.Agent) -> list[np.ndarray]:
  """Returns copies of all variables of an agent, optimizers' included."""
  return [np.array(variable) for variable in agent.variables]


def assign(agent: base.Agent, values: Sequence[np.ndarray]):
  """Gives an agent the variables that `values_of` has returned of its like."""
  for variable, value in zip(agent.variables, values, strict=True):
    variable.assign(value)
