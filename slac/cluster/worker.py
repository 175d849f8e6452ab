"""Acts in an environment on some node of a cluster, as a run tells it to."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from tf_agents.environments import py_environment
from tf_agents.trajectories import trajectory

from slac import errors
from slac.cluster import messages
from slac.environments import own_process
from slac.training import collecting, collection, compiled, experiment, metrics

# A chunk has at most so many agent steps, and ends after about so many seconds.
_STEPS, _SECONDS = 10, 1.0


class Rows(list):
  """Takes what a replay does."""

  def add(self, row: trajectory.Trajectory, stream: int):
    """Appends a row, whose stream is the only one."""
    del stream
    self.append(row)


class Worker:
  """Collects in an environment, which has a process of its own on that node."""

  _environments: Sequence[py_environment.PyEnvironment] = ()

  def begin(
    self, resolved: Mapping[str, str], specs: Sequence[Any], seed: int
  ) -> tuple[str, int] | None:
    """Makes the environment and its policies.

    Args:
      resolved: what `bindings.resolved` has returned in the run's process.
      specs: of the observations and of the action.
      seed: decides every random draw.

    Returns:
      A fault that a user can mend, and its exit code; or None.
    """
    try:
      own = {'Experiment.seed': str(seed), 'Collection.workers': '0'}
      collection.load_beside(resolved, **own)
      parts = experiment.Experiment(like=own_process.Elsewhere(*specs))
    except errors.UserError as error:
      return str(error), error.exit_code
    self._environments = parts.environments
    self._agent = parts.agent
    self._random_policy = compiled.CompiledPolicy(parts.random_policy)
    self._policy = compiled.CompiledPolicy(parts.agent.collect_policy)
    self._gradient_steps: int | None = None  # Of the policy's parameters.
    self._rows = Rows()
    self._collector = collecting.Collector(
      parts.environments,
      self._rows,
      parts.agent.training_data_spec,
      metrics.Stopwatch(),
    )
    self._chunk_end = time.monotonic()
    return None

  def collect(self, weights: messages.Weights | None) -> messages.Chunk:
    """Returns a few steps.

    Args:
      weights: of the policy; None to act at random.
    """
    policy = self._random_policy
    if weights:
      self._assign(weights)
      policy = self._policy
    steps: list[messages.Step] = []
    until = time.monotonic() + _SECONDS
    while len(steps) < _STEPS and time.monotonic() < until:
      turn = self._collector.step(policy)
      of = weights and weights.gradient_steps
      steps.append(messages.Step(list(self._rows), turn, of))
      self._rows.clear()
    (ending,) = self._collector.endings()
    began, self._chunk_end = self._chunk_end, time.monotonic()
    return messages.Chunk(steps, ending, self._chunk_end - began)

  def close(self):
    """Closes the environment, once what it is asked for has come."""
    for environment in self._environments:
      environment.close()

  @ray.method(concurrency_group='life')
  def beat(self):
    """Answers, so that one knows that this process runs and can be reached."""

  def _assign(self, weights):
    if weights.gradient_steps == self._gradient_steps:
      return
    pairs = zip(self._policy.parameters, weights.values, strict=True)
    for variable, value in pairs:
      variable.assign(value)
    # The noise of some policies falls with it.
    self._agent.train_step_counter.assign(weights.gradient_steps)
    self._gradient_steps = weights.gradient_steps
