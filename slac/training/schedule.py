"""Decides which phase of a run comes next (Algorithm 1; App. C)."""

import dataclasses
import math
from typing import Any

import gin

from slac.config import settings

# On other episodes, the error of a model that has memorised its data is larger
# than in training by this factor at least. It was 1.7 to 3.5 where that was so,
# and 1.05 where next to nothing had been learned yet (docs/pretraining.md).
BY_HEART = 1.25


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
  # Pretraining updates between assessments of the model, each with Fig. 14.
  picture_interval: settings.Count = gin.REQUIRED
  # Wall time between checkpoints, in seconds.
  checkpoint_seconds: settings.Positive = gin.REQUIRED
  # Pretraining ends early after this many assessments whose error, on episodes
  # that are not trained on, is no new minimum and is more than `BY_HEART` times
  # the error in training; None: it does not.
  pretraining_patience: settings.Count | None = None

  def phase(self, counters: 'Counters') -> str:
    """Returns which of the three phases of a run comes next."""
    if (
      counters.episodes < self.random_episodes
      or counters.agent_steps < self.random_agent_steps
    ):
      return 'random data'
    return 'training' if self._is_pretrained(counters) else 'pretraining'

  def is_assessment_due(self, counters: 'Counters') -> bool:
    """Whether pretraining has come to an assessment of the model."""
    since = counters.model_updates - counters.assessed_at
    is_over = counters.gradient_steps > 0
    is_at_one = counters.model_updates % self.picture_interval == 0
    return since > 0 and is_at_one and not is_over

  def iterations(self, counters: 'Counters') -> int:
    """How often the loop turns: agent steps and pretraining updates.

    Pretraining that goes on is taken to go on to its end.
    """
    is_over = self._is_pretrained(counters)
    updates = counters.model_updates if is_over else self.model_updates
    return -(-self.env_steps // self.action_repeat) + updates

  def _is_pretrained(self, counters):
    return counters.model_updates >= self.model_updates or (
      self.pretraining_patience is not None
      and counters.stale_assessments >= self.pretraining_patience
    )


@dataclasses.dataclass
class Counters:
  """How far a run has come."""

  action_repeat: int
  agent_steps: int = 0
  episodes: int = 0
  model_updates: int = 0  # In pretraining.
  assessed_at: int = 0  # The model updates before the last assessment.
  # As last logged in pretraining; what is not known yet is no sign of anything.
  training_error: float = math.inf
  least_error: float = math.inf  # Of all assessments.
  stale_assessments: int = 0  # Those since, above `BY_HEART` of training's.
  gradient_steps: int = 0
  next_evaluation: int = 0  # In environment steps.
  drawn_at: int = -1  # The environment steps of the last evaluation's pictures.
  failed_episodes: int = 0  # Training episodes whose environment failed.
  failures_in_a_row: int = 0  # Turns with a failure since an episode finished.

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

  def assess(self, error: float | None):
    """Counts an assessment of the model, whose error may not be known.

    A model that has learned next to nothing yet may find no smaller error
    either, but it knows no episode by heart.
    """
    self.assessed_at = self.model_updates
    if error is None:
      return
    if error < self.least_error:
      self.least_error, self.stale_assessments = error, 0
    elif error > BY_HEART * self.training_error:
      self.stale_assessments += 1

  def get_state(self) -> dict[str, Any]:
    """Returns all counts by their names."""
    return dataclasses.asdict(self)

  def set_state(self, state: dict[str, Any]):
    """Takes over what `get_state` returned."""
    for name, value in state.items():
      setattr(self, name, value)
