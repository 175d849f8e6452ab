"""Tries the environment of gin files, before anything is trained in it."""

import warnings
from collections.abc import Sequence

import gin
import gymnasium
import numpy as np
from gymnasium.utils import env_checker

from slac import errors
from slac.config import bindings
from slac.environments import checked, rendering, requirements
from slac.training import devices, experiment, schedule

STEPS = 200  # Of random actions, across the ends of episodes.


def environment(
  gin_files: Sequence[str], allow_imports: bool
) -> tuple[str, list[str]]:
  """Returns the name of an environment, and what to know about it.

  Args:
    gin_files: the files that choose it.
    allow_imports: whether they may import modules.

  Raises:
    UserError: nothing can be trained in it.
  """
  bindings.load(gin_files, allow_imports=allow_imports)
  devices.prepare()  # Before an agent takes all of a GPU's memory.
  rendering.choose_backend(is_needed=False)
  make = experiment.chosen_environment()
  with experiment.making():
    made = make()
    notes = _advice(getattr(made, '_environment', made))
    prepared = requirements.prepare(made, _action_repeat(made))
  observed, more = _observed(prepared)
  with experiment.making():
    requirements.observe(prepared, observed)
    _take_steps(checked.CheckedEnvironment(prepared), prepared.action_spec())
  return requirements.name_of(prepared), [*notes, *more]


def _observed(prepared) -> tuple[list[str], list[str]]:
  """Returns what the agent observes, if there is one, and what to know of it.

  Without an agent it is all that there is to see.
  """
  if make := gin.get_bindings(experiment.Experiment).get('agent'):
    with bindings.translate_gin_errors():
      agent = experiment.make_agent(make, prepared, seed=0)
    return list(agent.time_step_spec.observation), []
  names = list(prepared.observation_spec())
  try:
    requirements.observe(prepared, names)
  except errors.UserError as error:  # It may do without.
    if names == ['pixels']:
      raise
    return ['state'], [str(error)]
  return names, []


def _action_repeat(made) -> int:
  """Returns the schedule's; without a schedule, the environment's own."""
  own = getattr(made, 'action_repeat', 1)
  return gin.get_bindings(schedule.Schedule).get('action_repeat', own)


def _advice(own) -> list[str]:
  """Returns what gymnasium's checker has to say of one of its environments.

  It may refuse what can be trained in, such as noise that no seed decides.
  """
  if not isinstance(own, gymnasium.Env):
    return []
  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    refusal = []
    try:
      env_checker.check_env(own.unwrapped, skip_render_check=True)
    except Exception as error:  # It asserts, and calls what is of the user.
      refusal = [f"gymnasium's checker: {checked.one_line(error)}"]
  lines = [str(warning.message).split('WARN: ')[-1] for warning in caught]
  return [*(line.removesuffix('\x1b[0m') for line in lines), *refusal]


def _take_steps(tried, spec):
  draws = np.random.default_rng(0)
  time_step = tried.reset()
  for _ in range(STEPS):
    if time_step.is_last():
      tried.is_success()
      time_step = tried.reset()
      continue
    action = draws.uniform(spec.minimum, spec.maximum, spec.shape)
    time_step = tried.step(action.astype(spec.dtype))
