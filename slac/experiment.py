"""What a run is made of: a task, the agent that learns it, and a schedule."""

from collections.abc import Callable

import gin
from tf_agents.specs import tensor_spec

# Gin finds by name what is imported here and not used.
from slac import (
  augmentations,  # noqa: F401
  devices,  # noqa: F401
  errors,
  evaluation,
  policies,  # noqa: F401
  replay,  # noqa: F401
  schedule,
  settings,
)
from slac.agents import baselines, slac  # noqa: F401
from slac.environments import gym_tasks, suites, wrappers  # noqa: F401
from slac.models import ablations, planet, slac_model  # noqa: F401


@gin.configurable
class Experiment:
  """Environments, agent and schedule of one run, built from the settings."""

  def __init__(
    self,
    seed: settings.WholeNumber = gin.REQUIRED,
    environment: Callable = gin.REQUIRED,
    agent: Callable = gin.REQUIRED,
    random_policy: Callable = gin.REQUIRED,
  ):
    """Builds everything.

    Args:
      seed: of every random draw of the run.
      environment: any function that returns a PyEnvironment with an observation
        'pixels', uint8 `[64, 64, 3]`; called twice, for training and for
        evaluation.
      agent: a class of agents, such as SlacAgent.
      random_policy: a class of policies; it acts before anything is learned.

    Raises:
      errors.UserError: these do not go together.
    """
    train_environment, eval_environment = environment(), environment()
    # TF-Agents' environments need no name.
    self.task = getattr(
      train_environment, 'name', type(train_environment).__name__
    )
    self.seed = seed
    self.random_policy = random_policy
    self.schedule = schedule.Schedule()
    self.environment = wrappers.prepare(train_environment)
    self.eval_environment = wrappers.prepare(eval_environment)
    evaluation.seed_environment(self.environment, seed)
    specs = tensor_spec.from_spec(
      [self.environment.time_step_spec(), self.environment.action_spec()]
    )
    self.agent = agent(*specs, seed)
    if self.schedule.model_updates and not self.agent.model:
      raise errors.UserError(
        f'{type(self.agent).__name__} has no model that '
        f'Schedule.model_updates = {self.schedule.model_updates} could '
        'pretrain: set it to 0.'
      )
