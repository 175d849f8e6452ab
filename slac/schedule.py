"""When what happens in a run (Algorithm 1; Sec. 7 of the appendix)."""

import dataclasses

import gin

from slac import settings


@gin.configurable
class Schedule:
  """Budgets and intervals.

  Environment steps are unmodified steps of the benchmark: agent steps times
  action repeat.
  """

  def __init__(
    self,
    action_repeat: settings.Count = gin.REQUIRED,
    env_steps: settings.Count = gin.REQUIRED,
    random_episodes: settings.Count = gin.REQUIRED,
    model_updates: settings.WholeNumber = gin.REQUIRED,
    gradient_steps: settings.Count = gin.REQUIRED,
    batch_size: settings.Count = gin.REQUIRED,
    eval_interval: settings.Count = gin.REQUIRED,
    eval_episodes: settings.Count = gin.REQUIRED,
    greedy_eval_episodes: settings.WholeNumber = gin.REQUIRED,
    log_interval: settings.Count = gin.REQUIRED,
    picture_interval: settings.Count = gin.REQUIRED,
    checkpoint_seconds: settings.Positive = gin.REQUIRED,
  ):
    """Keeps the settings.

    Args:
      action_repeat: environment steps in one agent step.
      env_steps: the run's budget, random data included.
      random_episodes: of the random policy, before anything is learned.
      model_updates: pretraining, of the model alone, after the random episodes.
      gradient_steps: after each agent step from then on.
      batch_size: sequences in a gradient step.
      eval_interval: environment steps between evaluations.
      eval_episodes: of the stochastic policy in one evaluation.
      greedy_eval_episodes: of the greedy policy beside them, logged apart.
      log_interval: agent steps, or pretraining updates, between log entries.
      picture_interval: pretraining updates between Fig. 14 strips.
      checkpoint_seconds: wall time between checkpoints.
    """
    self.action_repeat = action_repeat
    self.env_steps = env_steps
    self.random_episodes = random_episodes
    self.model_updates = model_updates
    self.gradient_steps = gradient_steps
    self.batch_size = batch_size
    self.eval_interval = eval_interval
    self.eval_episodes = eval_episodes
    self.greedy_eval_episodes = greedy_eval_episodes
    self.log_interval = log_interval
    self.picture_interval = picture_interval
    self.checkpoint_seconds = checkpoint_seconds

  def phase(self, counters: 'Counters') -> str:
    """Returns which of the three phases of a run comes next."""
    if counters.episodes < self.random_episodes:
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

  agent_steps: int = 0
  episodes: int = 0
  model_updates: int = 0  # Of pretraining.
  gradient_steps: int = 0
  next_evaluation: int = 0  # In environment steps.
  drawn_at: int = -1  # In environment steps, an evaluation's pictures.

  @property
  def iterations(self) -> int:
    """How often the loop has turned."""
    return self.agent_steps + self.model_updates
