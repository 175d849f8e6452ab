"""What a run is made of: a task, the agent that learns it, and a schedule."""

from collections.abc import Callable

import gin
from tf_agents.specs import tensor_spec

from slac import evaluation, schedule, settings

# Gin finds their classes by name.
from slac.agents import slac  # noqa: F401
from slac.environments import suites, wrappers  # noqa: F401
from slac.models import slac_model  # noqa: F401


@gin.configurable
class Experiment:
  """Environments, agent and schedule of one run, built from the settings."""

  def __init__(
    self,
    seed: settings.WholeNumber = gin.REQUIRED,
    environment: Callable = gin.REQUIRED,
    agent: Callable = gin.REQUIRED,
  ):
    """Builds everything.

    Args:
      seed: of every random draw of the run.
      environment: any function that returns a PyEnvironment with an observation
        'pixels', uint8 `[64, 64, 3]`; called twice, for training and for
        evaluation.
      agent: a class of agents, such as SlacAgent.
    """
    self.seed = seed
    self.schedule = schedule.Schedule()
    self.environment = wrappers.prepare(environment())
    self.task = getattr(
      self.environment, 'name', type(self.environment).__name__
    )
    evaluation.seed_environment(self.environment, seed)
    self.eval_environment = wrappers.prepare(environment())
    self.time_step_spec, self.action_spec = tensor_spec.from_spec(
      [self.environment.time_step_spec(), self.environment.action_spec()]
    )
    self.agent = agent(self.time_step_spec, self.action_spec, seed)
