"""Evaluates a policy in whole episodes, apart from training."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import gin
import numpy as np
from tf_agents.environments import py_environment

from slac import console
from slac.agents import base, policies, returns
from slac.environments import checked, limits
from slac.training import compiled, filming


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Evaluation:
  """Settings of where a run is evaluated."""

  # In a process of its own, while training goes on.
  worker: bool = gin.REQUIRED


class Episode(NamedTuple):
  """A whole episode of n agent steps, from its first observation."""

  episode_return: float
  pixels: np.ndarray  # uint8 [n + 1, H, W, C]; empty if none are to be had.
  actions: np.ndarray  # [n + 1, A]; the last is zero.
  # What the environment draws of the first episode: frames, uint8
  # [m, H, W, 3], larger than pixels, and the steps that they show, [m].
  film: np.ndarray = np.empty([0], np.uint8)
  filmed: np.ndarray = np.empty([0], int)
  states: np.ndarray | None = None  # [n + 1, D], where they are observed.
  is_success: bool | None = None  # Of a task that can be solved.
  rewards: np.ndarray = np.empty([0])  # [n].
  has_terminated: bool = False  # Otherwise a time limit has ended it.

  @property
  def length(self) -> int:
    """The number of agent steps."""
    return len(self.actions) - 1

  def observation(self, steps: np.ndarray | slice) -> dict[str, np.ndarray]:
    """Returns what a model may see of steps, given their numbers `[...]`."""
    found = {'pixels': self.pixels[steps]}
    if self.states is not None:
      found['state'] = self.states[steps]
    return found


def estimates(agent: base.Agent, episode: Episode) -> returns.Estimates | None:
  """Returns what an agent says of returns, if it does, beside those seen."""
  if episode.length < agent.train_sequence_length:
    return None
  return agent.estimates(
    episode.observation(slice(None)),
    episode.actions,
    episode.rewards,
    episode.has_terminated,
  )


def evenly_spaced_windows(n: int, length: int, count: int) -> np.ndarray:
  """Returns windows of n steps that reach both ends, `[count, length]`.

  They are the numbers of the steps in them. Of fewer than `length` steps there
  is no window, `[0, length]`.
  """
  starts = np.linspace(0, n - length, count if n >= length else 0).astype(int)
  return starts[:, np.newaxis] + np.arange(length)


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
    self._compiled_policy = compiled.CompiledPolicy(policy)
    self._within = within
    self._seed = seed
    self._film: filming.Film | None = None
    self._has_warned = False

  def run(
    self,
    num_episodes: int,
    env_steps: int,
    should_stop: Callable[[], bool] = lambda: False,
    on_episode: Callable[[Episode], None] = lambda episode: None,
    is_filmed: bool = True,
  ) -> list[Episode] | None:
    """Returns episodes, or None if it was told to stop before their end.

    The first is filmed if the environment can draw itself, or, where the policy
    does not observe pixels, if it can be rendered.
    Episodes depend on the seed, the environment steps and the policy's
    parameters alone, if the environment can be seeded.

    Args:
      num_episodes: how many.
      env_steps: how far the run has come.
      should_stop: is asked before each agent step.
      on_episode: is given each episode as soon as it has ended.
      is_filmed: whether the first is filmed.

    Raises:
      checked.Failure: the environment has failed.
    """
    seeds = np.random.SeedSequence([self._seed, env_steps]).generate_state(2)
    self._checked.seed(int(seeds[0]))
    self._policy.reseed(int(seeds[1]))
    episodes: list[Episode] = []
    renders = 'pixels' not in self._environment.observation_spec()
    while len(episodes) < num_episodes:
      self._film = None
      if is_filmed and not episodes:
        self._film = filming.Film(self._environment, renders)
      episode = None if should_stop() else self._episode(should_stop)
      if not episode:
        return None
      on_episode(episode)
      episodes.append(episode)
    return episodes

  def _episode(self, should_stop):
    time_step = self._checked.reset()
    policy_state = self._compiled_policy.get_initial_state()
    self._film_step(0)
    seen, actions, rewards = [_kept(time_step.observation)], [], []
    while not time_step.is_last():
      if should_stop():
        return None
      step = self._compiled_policy.action(time_step, policy_state)
      policy_state = step.state
      time_step = self._checked.step(step.action)
      seen.append(_kept(time_step.observation))
      actions.append(step.action)
      rewards.append(time_step.reward)
      self._film_step(len(actions))
    actions.append(np.zeros_like(actions[0]))
    film = self._film
    frames, steps = (film.frames, film.steps) if film else ([], [])
    return Episode(
      float(np.sum(rewards)),
      _stacked([x['pixels'] for x in seen if 'pixels' in x]),
      np.stack(actions),
      _stacked(frames),
      np.array(steps, int),
      np.stack([x['state'] for x in seen]) if 'state' in seen[0] else None,
      is_success=self._checked.is_success(),
      rewards=np.stack(rewards),
      has_terminated=time_step.discount == 0,
    )

  def _film_step(self, step):
    """Films a step; an episode in which a drawing fails once has no film."""
    if not self._film:
      return
    try:
      with self._within():
        self._film.add(step)
      return
    except NotImplementedError:
      pass  # Not every environment can draw itself,
    except Exception as error:  # nor every machine.
      if not self._has_warned:
        fault = 'There are no films'
        if 'pixels' in self._environment.observation_spec():
          fault = 'Films show no more than is observed'
        console.warn(f'{fault}: {checked.one_line(error)}')
      self._has_warned = True
    self._film = None


def _kept(observation):
  """Returns what an episode keeps; the rest may be of any size."""
  return {k: observation[k] for k in ('pixels', 'state') if k in observation}


def _stacked(images):
  return np.stack(images) if images else np.empty([0], np.uint8)
