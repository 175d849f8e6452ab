"""Puts into the replay what workers of a cluster have collected."""

import collections
import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from slac import console
from slac.cluster import joining, link, messages
from slac.config import bindings
from slac.environments import checked
from slac.training import (
  collecting,
  compiled,
  experiment,
  metrics,
  replay,
  schedule,
)

LAG = 'collection/lag'
_NO_STEP_SECONDS = 200.0  # Without one, it is as an episode that has failed.


class RemoteCollector:
  """Does for a run what a `collecting.Collector` does, with steps of workers.

  A call takes one step, in the order in which its worker has made it. A worker
  makes a chunk of steps, and waits until this one is asked for. Where it is
  lost, its episode ends without a termination.
  """

  def __init__(
    self,
    parts: experiment.Experiment,
    ring: replay.Replay,
    policy: compiled.CompiledPolicy,
    counters: schedule.Counters,
    stopwatch: metrics.Stopwatch,
    log: Callable[[Mapping[str, float]], None],
  ):
    """Begins no worker yet.

    Args:
      parts: the parts of the run.
      ring: takes the steps; each worker is a stream of it.
      policy: what acts where `step` is not given another, the random one.
      counters: how far the run has come; it goes on counting in them.
      stopwatch: measures the time in which steps are waited for.
      log: takes what `names` says.
    """
    plan, environment = parts.collection, parts.eval_environment
    self._link = link.Link(
      joining.Place(
        asked='Collection.ray',
        address=plan.ray,
        who='A worker',
        needs={plan.resource: 1.0} if plan.resource else {},
        remedy='begin one that has it by `ray start --resources`',
      ),
      bindings.resolved(),
      (environment.observation_spec(), environment.action_spec()),
      parts.seed,
      should_stop=parts.limit.should_stop,
    )
    self._weight_interval = plan.weight_interval
    self._spec = parts.agent.training_data_spec
    self._ring = ring
    self._policy = policy
    self._counters = counters
    self._stopwatch = stopwatch
    self._log = log
    self._sent: int | None = None  # Updates at which parameters were sent.
    self._steps: collections.deque[tuple[int, messages.Step]] = (
      collections.deque()
    )
    self._failures: list[checked.Failure] = []
    # What each episode ends with if no step follows those that were taken.
    self._endings: list[trajectory.Trajectory | None] = [None] * plan.workers
    self._begun = [0] * plan.workers
    self._waited = 0.0  # For a step, in seconds.

  def step(self, policy: compiled.CompiledPolicy) -> collecting.Turn:
    """Takes the next agent step of a worker, if there is one within a second.

    It acts as this policy did up to `Collection.weight_interval` gradient steps
    before it made the step.
    """
    if not self._steps:
      with self._stopwatch('environment'):
        self._fetch(policy)
    failures, self._failures = self._failures, []
    if not self._steps:
      return collecting.Turn(0, [], failures)
    number, step = self._steps.popleft()
    for row in step.rows:
      self._ring.add(row, number)
    if step.gradient_steps is not None:
      self._log({LAG: self._counters.gradient_steps - step.gradient_steps})
    return step.turn._replace(failures=[*failures, *step.turn.failures])

  def prepare(self) -> list[checked.Failure]:
    """Joins the cluster, at first.

    Raises:
      errors.UserError: there is none, or it does not suit.
    """
    try:
      self._link.join(self._begun)
    except link.HubLost as why:
      self._lose_hub(why)
    return []

  def close(self):
    """Has the workers close their environments, and ends them."""
    self._link.close()

  def get_state(self) -> dict:
    """Returns what the episodes under way end with, as they do not go on."""
    endings = list(self._endings)
    for number, step in reversed(self._steps):
      is_under_way = step.rows and step.rows[0].step_type != ts.StepType.FIRST
      endings[number] = (
        collecting.ending_before(step.rows[0]) if is_under_way else None
      )
    return {
      'endings': [end and tf.nest.flatten(end) for end in endings],
      'begun': list(self._begun),
    }

  def set_state(self, state: dict):
    """Ends these episodes, and has others begun by other workers."""
    self._endings = [
      end and tf.nest.pack_sequence_as(self._spec, end)
      for end in state['endings']
    ]
    self._begun = list(state['begun'])
    self._end_all()

  def _fetch(self, policy):
    """Takes what has come of workers, which go on with newer weights."""
    began = time.monotonic()
    if self._link.get_ready(self._begun):
      is_random = policy is not self._policy
      weights = None if is_random else self._new_weights()
      self._link.tell(weights, is_random)
    try:
      for number, news in self._link.found():
        self._take(number, news)
    except link.HubLost as why:
      self._lose_hub(why)
    self._waited += time.monotonic() - began
    if self._steps:
      self._waited = 0.0
    elif self._waited > _NO_STEP_SECONDS:
      self._waited = 0.0
      self._failures.append(
        checked.Failure(
          f'no worker has made a step for {_NO_STEP_SECONDS:.0f} s'
        )
      )

  def _new_weights(self):
    """Returns the policy's parameters if they are due, or None."""
    updates = self._counters.updates
    if self._sent is not None and updates < self._sent + self._weight_interval:
      return None
    self._sent = updates
    values = [np.array(variable) for variable in self._policy.parameters]
    return messages.Weights(self._counters.gradient_steps, values)

  def _take(self, number, news):
    if isinstance(news, messages.Lost):
      self._end_episode(number)
      why = f'worker {number} is lost ({news.reason})'
      if news.has_begun:
        console.warn(f'Another begins, as {why}.')
      else:  # The next one may not begin either.
        self._failures.append(checked.Failure(why))
      return
    self._steps += [(number, step) for step in news.steps]
    self._endings[number] = news.ending
    num_steps = sum(step.turn.num_steps for step in news.steps)
    self._log({_speed(number): num_steps / news.seconds})

  def _lose_hub(self, why):
    console.warn(f'All workers begin anew, as their hub is lost: {why}.')
    self._sent = None
    self._end_all()

  def _end_all(self):
    for number in range(len(self._endings)):
      self._end_episode(number)

  def _end_episode(self, number):
    """Ends what a lost worker has left; the next has other random draws."""
    if self._endings[number]:
      self._ring.add(self._endings[number], number)
    self._endings[number] = None
    self._begun[number] += 1


def names(workers: int) -> list[str]:
  """Returns the names of what is logged, if there are any workers.

  That is by how many gradient steps the policy of each step was behind the
  agent, and each worker's agent steps per second.
  """
  return [LAG, *map(_speed, range(workers))] if workers else []


def _speed(number: int) -> str:
  return f'collection/{number}/steps_per_second'
