"""Acts in environments, and adds each step to the replay."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tf_agents.environments import py_environment
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory
from tf_agents.utils import nest_utils

from slac import console
from slac.environments import checked, limits
from slac.training import collection, compiled, metrics, replay


class Finished(NamedTuple):
  """A finished training episode: its return and its length in agent steps."""

  episode_return: float
  length: int


class Turn(NamedTuple):
  """What has come of an agent step in each environment, in their order."""

  num_steps: int  # A failed environment has taken none.
  finished: list[Finished]
  failures: list[checked.Failure]


class Collector:
  """Acts in environments, and adds what happens to a replay.

  An episode of n transitions is n + 1 steps in the replay: after its last one
  comes a row of the last step itself, whose action is zero and has no effect.
  That step is LAST, unless the environment failed at the step after it.

  One environment is called in this thread. Several, each of which is a stream
  of the replay, are called at the same time, and the policy acts on all of
  them at once.
  """

  def __init__(
    self,
    environments: Sequence[py_environment.PyEnvironment],
    replay: replay.Replay,
    experience_spec: trajectory.Trajectory,
    stopwatch: metrics.Stopwatch,
    limit: limits.Limit | None = None,
    seed: int = 0,
  ):
    """Begins no episode yet.

    Args:
      environments: one; or several, which wait for other processes.
      replay: takes the steps.
      experience_spec: what is kept of them.
      stopwatch: measures acting and environments.
      limit: how long a call of a single environment may take.
      seed: the run's, see `set_state`.
    """
    self._stopwatch = stopwatch
    self._threads: futures.Executor | None = None
    within = limit.alarm if limit else contextlib.nullcontext
    if len(environments) > 1:
      self._threads = futures.ThreadPoolExecutor(
        len(environments), thread_name_prefix='environment'
      )
      within = contextlib.nullcontext  # They keep their limit themselves.

    self._streams = [
      _Stream(
        environment,
        within,
        experience_spec,
        functools.partial(replay.add, stream=number),
        functools.partial(collection.seed_of, seed, number, 0),
      )
      for number, environment in enumerate(environments)
    ]

  def step(self, policy: compiled.CompiledPolicy) -> Turn:
    """Takes an agent step in each environment.

    A failure ends the environment's episode without a step; the next call
    begins another.
    """
    failures = self.prepare()
    streams = [stream for stream in self._streams if stream.is_under_way]
    if not streams:
      return Turn(0, [], failures)
    with self._stopwatch('acting'):
      seen = [stream.seen_by(policy) for stream in streams]
      steps = policy.actions(*zip(*seen, strict=True))
    with self._stopwatch('environment'):
      actions = [step.action for step in steps]
      results = self._each(_Stream.step, streams, actions)
    num_steps, finished = 0, []
    for stream, step, result in zip(streams, steps, results, strict=True):
      if isinstance(result, checked.Failure):
        stream.end()
        failures.append(result)
        continue
      num_steps += 1
      if episode := stream.take(step, result):
        finished.append(episode)
    return Turn(num_steps, finished, failures)

  def prepare(self) -> list[checked.Failure]:
    """Begins an episode wherever none is under way; returns what has failed.

    Only then has an environment a state to come back to.
    """
    streams = [stream for stream in self._streams if not stream.is_under_way]
    if not streams:
      return []
    with self._stopwatch('environment'):
      results = self._each(_Stream.begin, streams)
    return [x for x in results if isinstance(x, checked.Failure)]

  def endings(self) -> list[trajectory.Trajectory | None]:
    """Returns the rows that the episodes under way would end with now."""
    return [s.ending() if s.is_under_way else None for s in self._streams]

  def close(self):
    """Ends its threads; the environments are the run's."""
    if self._threads:
      self._threads.shutdown(wait=False)

  def get_state(self) -> dict:
    """Returns all that the next step depends on.

    'environment' is None where no episode is under way (see `prepare`), and for
    an environment that cannot tell its state.
    """
    states = self._each(_Stream.get_state, self._streams)
    return states[0] if len(states) == 1 else {'streams': states}

  def set_state(self, state: dict):
    """Continues where `get_state` was called, or in new episodes.

    In a new one where an environment could not tell its state. It is seeded
    for this continuation, or each would have the episodes of the first start.
    """
    for stream, own in zip(
      self._streams, state.get('streams', [state]), strict=True
    ):
      stream.set_state(own)

  def _each(self, method: Callable, streams, *arguments) -> list[Any]:
    """Returns what a method returns, or a Failure, for each of the streams."""
    apply = self._threads.map if self._threads else map
    return list(apply(_result, [method] * len(streams), streams, *arguments))


class _Stream:
  """An environment, and the episode that is under way in it."""

  def __init__(
    self,
    environment: py_environment.PyEnvironment,
    within: Callable[[], contextlib.AbstractContextManager],
    experience_spec: trajectory.Trajectory,
    add: Callable[[trajectory.Trajectory], None],
    seed_of: Callable[[int], int],
  ):
    self._environment = environment
    self._checked = checked.CheckedEnvironment(environment, within)
    self._experience_spec = experience_spec
    self._add_row = add
    self._seed_of = seed_of
    self._num_continued = 0  # Without the environment's state.
    self._policy_state: Any = ()
    self._episode_return = 0.0
    self._length = 0
    self._has_warned = False
    self._time_step: Any = None  # The present one; None between episodes.

  @property
  def is_under_way(self) -> bool:
    """Whether there is an episode that has not ended."""
    return self._time_step is not None

  def begin(self):
    """Begins an episode."""
    self._time_step = self._checked.reset()
    self._episode_return = 0.0
    self._length = 0

  def seen_by(self, policy) -> tuple[ts.TimeStep, Any]:
    """Returns what a policy acts on: the time step, and the policy's state."""
    if self._time_step.is_first() or not self._policy_state:
      # The random policy, which keeps no state, may be followed by the actor
      # within an episode, which for the actor begins here.
      first = np.asarray(ts.StepType.FIRST, np.int32)
      time_step = self._time_step._replace(step_type=first)
      return time_step, policy.get_initial_state()
    return self._time_step, self._policy_state

  def step(self, action) -> ts.TimeStep:
    """Has the environment take a step."""
    return self._checked.step(action)

  def take(self, step, next_time_step) -> Finished | None:
    """Adds a step; returns the episode if it is the episode's last."""
    self._add_row(self._row(step.action, next_time_step))
    self._policy_state = step.state
    self._time_step = next_time_step
    self._episode_return += float(next_time_step.reward)
    self._length += 1
    if not next_time_step.is_last():
      return None
    self.end()
    return Finished(self._episode_return, self._length)

  def end(self):
    """Adds the row that an episode ends with; another episode follows."""
    self._add_row(self.ending())
    self._time_step = None

  def ending(self) -> trajectory.Trajectory:
    """Returns the row that the episode ends with if nothing follows."""
    action = np.zeros(self._environment.action_spec().shape, np.float32)
    return ending_before(self._row(action, self._time_step))

  def get_state(self) -> dict:
    """See `Collector.get_state`."""
    return {
      'environment': self._told() if self.is_under_way else None,
      'policy_state': tf.nest.map_structure(np.asarray, self._policy_state)
      or None,
      'episode_return': self._episode_return,
      'length': self._length,
      'num_continued': self._num_continued,
    }

  def set_state(self, state: dict):
    """See `Collector.set_state`."""
    self._num_continued = state.get('num_continued', 0)
    if state['environment'] is None:
      self._num_continued += 1
      console.warn('The environment cannot be restored: a new episode begins.')
      with checked.ending_the_run():
        self._checked.seed(self._seed_of(self._num_continued))
      return
    self._environment.set_state(state['environment'])
    self._time_step = self._checked.current()
    self._policy_state = tf.nest.map_structure(
      tf.constant, state['policy_state'] or ()
    )
    self._episode_return = state['episode_return']
    self._length = state['length']

  def _told(self):
    """Returns the environment's state, or None if it cannot be had."""
    try:
      return self._checked.get_state()
    except checked.Failure as failure:
      if not self._has_warned:
        console.warn(
          f"The environment's state cannot be saved, as {failure}: a resumed "
          'run begins a new episode there.'
        )
      self._has_warned = True
    return None

  def _row(self, action, next_time_step):
    row = trajectory.Trajectory(
      step_type=self._time_step.step_type,
      observation=self._time_step.observation,
      action=action,
      policy_info=(),
      next_step_type=next_time_step.step_type,
      reward=next_time_step.reward,
      discount=next_time_step.discount,
    )
    return nest_utils.prune_extra_keys(self._experience_spec, row)


def ending_before(row: trajectory.Trajectory) -> trajectory.Trajectory:
  """Returns the row that ends an episode in place of the step of `row`."""
  return row._replace(
    action=np.zeros_like(row.action),
    next_step_type=np.asarray(ts.StepType.FIRST, np.int32),
    reward=np.zeros([], np.float32),
    discount=np.ones([], np.float32),
  )


def _result(method: Callable, *arguments: Any) -> Any:
  """Returns what a method returns, or the Failure that it raises."""
  try:
    return method(*arguments)
  except checked.Failure as failure:
    return failure
