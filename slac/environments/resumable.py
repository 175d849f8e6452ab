"""Has an environment of one's own resume at the step at which it was saved."""

from typing import Any

import numpy as np
from tf_agents.environments import py_environment, wrappers
from tf_agents.trajectories import time_step as ts

# TF-Agents' wrappers that remember more than the environment inside, and do not
# tell it.
_REMEMBERING = (
  wrappers.FixedLength,
  wrappers.HistoryWrapper,
  wrappers.TimeLimit,
)


class ResumableEnvironment(wrappers.PyEnvironmentBaseWrapper):
  """Keeps the time step beside the state that the environment tells.

  TF-Agents' base class keeps it where no `get_state` or `set_state` looks, and
  without it the next step is a reset.
  """

  def get_state(self) -> dict[str, Any]:
    """Returns the environment's state and the time step.

    Raises:
      NotImplementedError: it does not tell its state, or not all of it.
    """
    if any(isinstance(x, _REMEMBERING) for x in layers(self)):
      raise NotImplementedError
    step = self.current_time_step()
    seen = {name: np.asarray(x) for name, x in step.observation.items()}
    return {
      'environment': self._env.get_state(),
      'time_step': {**step._asdict(), 'observation': seen},
    }

  def set_state(self, state: dict[str, Any]):
    """Puts back what `get_state` returned."""
    self._env.set_state(state['environment'])
    time_step = ts.TimeStep(**state['time_step'])
    for environment in layers(self):
      environment._current_time_step = time_step


def layers(
  environment: py_environment.PyEnvironment,
) -> list[py_environment.PyEnvironment]:
  """Returns an environment and those inside that it wraps, from the outside."""
  found = [environment]
  while isinstance(found[-1], wrappers.PyEnvironmentBaseWrapper):
    found.append(found[-1].wrapped_env())
  return found
