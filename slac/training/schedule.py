"""Decides which phase of a run comes next (Algorithm 1; App. C)."""

import dataclasses
from typing import Any

import gin

from slac.config import settings


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Schedule:
  """Budgets and intervals.

  Environment steps are unmodified steps of the benchmark: agent steps times
  action repeat.
  """

  # Environment steps in one agent step.
  action_repeat: settings.Count = gin.REQUIRED
  # The run's budget, random data included.
  env_steps: settings.Count = gin.REQUIRED
  # The random policy acts first, for at least this many episodes and at least
  # this many agent steps.
  random_episodes: settings.WholeNumber = gin.REQUIRED
  random_agent_steps: settings.WholeNumber = gin.REQUIRED
  # Updates of the model alone that follow: its pretraining.
  model_updates: settings.WholeNumber = gin.REQUIRED
  # Gradient steps after each agent step from then on.
  gradient_steps: settings.Count = gin.REQUIRED
  # Sequences in the batch of a gradient step.
  batch_size: settings.Count = gin.REQUIRED
  # Environment steps between evaluations.
  eval_interval: settings.Count = gin.REQUIRED
  # Episodes of the stochastic policy in an evaluation.
  eval_episodes: settings.Count = gin.REQUIRED
  # Episodes of the greedy policy beside them, logged apart.
  greedy_eval_episodes: settings.WholeNumber = gin.REQUIRED
  # Agent steps, or pretraining updates, between log entries.
  log_interval: settings.Count = gin.REQUIRED
  # Pretraining updates between Fig. 14 strips.
  picture_interval: settings.Count = gin.REQUIRED
  # Wall time between checkpoints, in seconds.
  checkpoint_seconds: settings.Positive = gin.REQUIRED

  def phase(self, counters: 'Counters') -> str:
    """Returns which of the three phases of a run comes next."""
    if (
      counters.episodes < self.random_episodes
      or counters.agent_steps < self.random_agent_steps
    ):
      return 'random data'
    if counters.model_updates < self.model_updates:
      return 'pretraining'
    return 'training'

  @property
  def iterations(self) -> int:
    """How often the loop turns: agent steps and pretraining updates."""
    return -(-self.env_steps // self.action_repeat) + self.model_updates


@dataclasses.dataclass
class Counters:
  """How far a run has come."""

  action_repeat: int
  agent_steps: int = 0
  episodes: int = 0
  model_updates: int = 0  # In pretraining.
  gradient_steps: int = 0
  next_evaluation: int = 0  # In environment steps.
  drawn_at: int = -1  # The environment steps of the last evaluation's pictures.
  failed_episodes: int = 0  # Training episodes whose environment failed.
  failures_in_a_row: int = 0  # Those since an episode was last finished.

  @property
  def env_steps(self) -> int:
    """Environment steps, random data included."""
    return self.agent_steps * self.action_repeat

  @property
  def updates(self) -> int:
    """Updates of any kind."""
    return self.model_updates + self.gradient_steps

  @property
  def iterations(self) -> int:
    """How often the loop has turned."""
    return self.agent_steps + self.model_updates

  def finish_episode(self):
    """Counts an episode that has come to its own end."""
    self.episodes += 1
    self.failures_in_a_row = 0

  def get_state(self) -> dict[str, Any]:
    """Returns all counts by their names."""
    return dataclasses.asdict(self)

  def set_state(self, state: dict[str, Any]):
    """Takes over what `get_state` returned."""
    for name, value in state.items():
      setattr(self, name, value)
