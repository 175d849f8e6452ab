"""Evaluates a policy in whole episodes, apart from training."""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from tf_agents.environments import py_environment

from slac import console, errors
from slac.agents import policies
from slac.environments import checked, limits
from slac.training import compiled


class Episode(NamedTuple):
  """A whole episode of n agent steps, from its first observation."""

  episode_return: float
  pixels: np.ndarray  # uint8 [n + 1, 64, 64, 3]; empty if none are to be had.
  actions: np.ndarray  # [n + 1, A]; the last is zero.

  @property
  def length(self) -> int:
    """The number of agent steps."""
    return len(self.actions) - 1


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
    limit: limits.Limit | None = None,
  ):
    """Plays nothing yet; a call of the environment may be limited."""
    within = limit.alarm if limit else contextlib.nullcontext
    self._environment = environment
    self._checked = checked.CheckedEnvironment(environment, within)
    self._policy = policy
    self._eager_policy = compiled.EagerPolicy(policy)
    self._seed = seed
    self._has_warned = False

  def run(
    self,
    num_episodes: int,
    env_steps: int,
    should_stop: Callable[[], bool] = lambda: False,
    on_episode: Callable[[Episode], None] = lambda episode: None,
  ) -> list[Episode] | None:
    """Returns episodes, or None if it was told to stop before their end.

    The first has pixels even if the policy does not observe any, where they can
    be rendered. Episodes depend on the seed, the environment steps and the
    policy's parameters alone, if the environment can be seeded.

    Args:
      num_episodes: how many.
      env_steps: how far the run has come.
      should_stop: is asked before each agent step.
      on_episode: is given each episode as soon as it has ended.

    Raises:
      checked.Failure: the environment has failed.
    """
    seeds = np.random.SeedSequence([self._seed, env_steps]).generate_state(2)
    seed_environment(self._environment, int(seeds[0]))
    self._policy.reseed(int(seeds[1]))
    episodes: list[Episode] = []
    while len(episodes) < num_episodes:
      see = self._see if not episodes else self._observed
      episode = None if should_stop() else self._episode(should_stop, see)
      if not episode:
        return None
      on_episode(episode)
      episodes.append(episode)
    return episodes

  def _episode(self, should_stop, see):
    time_step = self._checked.reset()
    policy_state = self._eager_policy.get_initial_state()
    pixels, actions, rewards = see(time_step), [], []
    while not time_step.is_last():
      if should_stop():
        return None
      step = self._eager_policy.action(time_step, policy_state)
      policy_state = step.state
      time_step = self._checked.step(step.action)
      pixels += see(time_step)
      actions.append(step.action)
      rewards.append(time_step.reward)
    actions.append(np.zeros_like(actions[0]))
    return Episode(
      float(np.sum(rewards)),
      np.stack(pixels) if pixels else np.empty([0], np.uint8),
      np.stack(actions),
    )

  def _observed(self, time_step):
    """Returns a list of the image that the policy observes, if it does."""
    observation = time_step.observation
    return [observation['pixels']] if 'pixels' in observation else []

  def _see(self, time_step):
    """Returns a list of one image, rendered if need be; or an empty one."""
    images = self._observed(time_step)
    try:
      return images or [self._environment.render()]
    except NotImplementedError:
      return []  # Not every environment can draw itself,
    except errors.UserError as error:  # nor every machine.
      if not self._has_warned:
        console.warn(f'There are no films: {error}')
      self._has_warned = True
      return []


def seed_environment(environment: py_environment.PyEnvironment, seed: int):
  """Seeds an environment, unless it is one that cannot be seeded."""
  with contextlib.suppress(NotImplementedError):
    environment.seed(seed)
