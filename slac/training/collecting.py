"""Acts in an environment, and adds each step to the replay."""

import contextlib
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tf_agents.environments import py_environment
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory
from tf_agents.utils import nest_utils

from slac import console
from slac.environments import checked
from slac.training import compiled, metrics, replay


class Finished(NamedTuple):
  """A finished training episode: its return and its length in agent steps."""

  episode_return: float
  length: int


class Collector:
  """Acts in an environment, and adds what happens to a replay.

  An episode of n transitions is n + 1 steps in the replay: after its last one
  comes a row of the last step itself, whose action is zero and has no effect.
  That step is LAST, unless the environment failed at the step after it.
  """

  def __init__(
    self,
    environment: py_environment.PyEnvironment,
    replay: replay.Replay,
    experience_spec: trajectory.Trajectory,
    stopwatch: metrics.Stopwatch,
  ):
    self._environment = environment
    self._checked = checked.CheckedEnvironment(environment)
    self._replay = replay
    self._spec = experience_spec
    self._stopwatch = stopwatch
    self._policy_state = ()
    self._episode_return = 0.0
    self._length = 0
    self._time_step: Any = None  # The present one; None between episodes.

  def step(self, policy: compiled.EagerPolicy) -> Finished | None:
    """Takes one agent step; returns the episode if it is the episode's last.

    Raises:
      failures.Failure: the environment has failed, which ends the episode
        without a step; the next call begins another.
    """
    self.prepare()
    time_step = self._time_step
    if time_step.is_first() or not self._policy_state:
      # The random policy, which keeps no state, may be followed by the actor
      # within an episode, which for the actor begins here.
      first = np.asarray(ts.StepType.FIRST, np.int32)
      time_step = time_step._replace(step_type=first)
      self._policy_state = policy.get_initial_state()
    with self._stopwatch('acting'):
      step = policy.action(time_step, self._policy_state)
    try:
      with self._stopwatch('environment'):
        next_time_step = self._checked.step(step.action)
    except checked.Failure:
      self._end()
      raise
    self._add(step.action, next_time_step)
    self._policy_state = step.state
    self._time_step = next_time_step
    self._episode_return += float(next_time_step.reward)
    self._length += 1
    if not next_time_step.is_last():
      return None
    self._end()
    return Finished(self._episode_return, self._length)

  def prepare(self):
    """Begins an episode if none is under way.

    Only then has the environment a state to come back to.

    Raises:
      checked.Failure: the environment has failed.
    """
    if self._time_step is None:
      self._reset()

  def get_state(self) -> dict:
    """Returns all that the next step depends on.

    'environment' is None where no episode is under way (see `prepare`), and for
    an environment that cannot tell its state.
    """
    environment = None
    if self._time_step is not None:
      with contextlib.suppress(NotImplementedError):
        environment = self._environment.get_state()
    return {
      'environment': environment,
      'policy_state': tf.nest.map_structure(np.asarray, self._policy_state)
      or None,
      'episode_return': self._episode_return,
      'length': self._length,
    }

  def set_state(self, state: dict):
    """Continues where `get_state` was called, or in a new episode.

    In a new one where the environment could not tell its state.
    """
    if state['environment'] is None:
      console.warn('The environment cannot be restored: a new episode begins.')
      return
    self._environment.set_state(state['environment'])
    self._time_step = self._environment.current_time_step()
    self._policy_state = tf.nest.map_structure(
      tf.constant, state['policy_state'] or ()
    )
    self._episode_return = state['episode_return']
    self._length = state['length']

  def _reset(self):
    with self._stopwatch('environment'):
      self._time_step = self._checked.reset()
    self._episode_return = 0.0
    self._length = 0

  def _end(self):
    """Adds the row that an episode ends with; another episode follows."""
    first = self._time_step._replace(
      step_type=np.asarray(ts.StepType.FIRST, np.int32),
      reward=np.zeros([], np.float32),
      discount=np.ones([], np.float32),
    )
    action = np.zeros(self._spec.action.shape, np.float32)
    self._add(action, first)
    self._time_step = None

  def _add(self, action, next_time_step):
    step = trajectory.Trajectory(
      step_type=self._time_step.step_type,
      observation=self._time_step.observation,
      action=action,
      policy_info=(),
      next_step_type=next_time_step.step_type,
      reward=next_time_step.reward,
      discount=next_time_step.discount,
    )
    self._replay.add(nest_utils.prune_extra_keys(self._spec, step))
