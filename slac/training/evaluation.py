"""Evaluation: whole episodes of a policy, apart from training."""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from tf_agents.environments import py_environment

from slac.agents import policies
from slac.environments import checked
from slac.training import compiled


class Episode(NamedTuple):
  """A whole episode of n agent steps."""

  episode_return: float
  pixels: np.ndarray  # uint8 [n + 1, 64, 64, 3]
  actions: np.ndarray  # [n + 1, A]; the last is zero.

  @property
  def length(self) -> int:
    """The number of agent steps."""
    return len(self.pixels) - 1


class Evaluator:
  """Runs a policy in an environment that training never sees.

  Every evaluation starts from seeds of its own, so that it neither disturbs
  training nor leaves anything that a checkpoint would have to hold.
  """

  def __init__(
    self,
    environment: py_environment.PyEnvironment,
    policy: policies.SeededPolicy,
    seed: int,
  ):
    self._environment = environment
    self._checked = checked.CheckedEnvironment(environment)
    self._policy = policy
    self._eager_policy = compiled.EagerPolicy(policy)
    self._seed = seed

  def episodes(
    self, env_steps: int, should_stop: Callable[[], bool] = lambda: False
  ) -> Iterator[Episode]:
    """Yields episodes without end, or until told to stop, also within one.

    They depend on the seed, the environment steps and the policy's parameters
    alone, if the environment can be seeded.

    Raises:
      failures.Failure: the environment has failed.
    """
    seeds = np.random.SeedSequence([self._seed, env_steps]).generate_state(2)
    seed_environment(self._environment, int(seeds[0]))
    self._policy.reseed(int(seeds[1]))
    while not should_stop():
      episode = self._episode(should_stop)
      if episode:
        yield episode

  def _episode(self, should_stop):
    time_step = self._checked.reset()
    policy_state = self._eager_policy.get_initial_state()
    pixels, actions, rewards = [time_step.observation['pixels']], [], []
    while not time_step.is_last():
      if should_stop():
        return None
      step = self._eager_policy.action(time_step, policy_state)
      policy_state = step.state
      time_step = self._checked.step(step.action)
      pixels.append(time_step.observation['pixels'])
      actions.append(step.action)
      rewards.append(time_step.reward)
    actions.append(np.zeros_like(actions[0]))
    return Episode(float(np.sum(rewards)), np.stack(pixels), np.stack(actions))


def seed_environment(environment: py_environment.PyEnvironment, seed: int):
  """Seeds an environment, unless it is one that cannot be seeded."""
  with contextlib.suppress(NotImplementedError):
    environment.seed(seed)


def windows(episode: Episode, length: int, n: int):
  """Cuts n stretches of `length` steps, evenly spaced, from an episode.

  Returns:
    pixels `[n, length, 64, 64, 3]` and actions `[n, length, A]`; or None if the
    episode is shorter than that.
  """
  if len(episode.pixels) < length:
    return None
  starts = np.linspace(0, len(episode.pixels) - length, n).astype(int)
  index = starts[:, np.newaxis] + np.arange(length)
  return episode.pixels[index], episode.actions[index]
