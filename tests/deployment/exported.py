"""Policies of tiny agents, exported as a run's would be."""

import functools
import types

import numpy as np
import tensorflow as tf
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac import deployment
from slac.agents import alm, baselines, inputs, slac_agent
from slac.deployment import exporting
from slac.environments import requirements
from slac.models import ablations
from tests import tiny

# Bounds that differ in width and in middle.
LOW, HIGH = np.float32([-2.0, 1.0]), np.float32([2.0, 11.0])


class Recorder(py_environment.PyEnvironment):
  """An environment with bounds of its own, which keeps what it is told."""

  def __init__(self, low=LOW, high=HIGH, dtype=np.float32):
    super().__init__(handle_auto_reset=True)
    self._spec = array_spec.BoundedArraySpec([2], dtype, low, high)
    self.actions = []

  def action_spec(self):
    return self._spec

  def observation_spec(self):
    return {'pixels': array_spec.ArraySpec([64, 64, 3], np.uint8)}

  def _reset(self):
    return ts.restart({'pixels': tiny.pixels()})

  def _step(self, action):
    self.actions.append(action)
    return ts.transition({'pixels': tiny.pixels()}, 0.0)


def parts(agent, **bounds):
  """What `exporting.export` needs of an experiment."""
  environment = requirements.prepare(Recorder(**bounds), 1)
  return types.SimpleNamespace(
    agent=agent,
    task='a task',
    own_action_spec=requirements.own_action_spec(environment),
    schedule=types.SimpleNamespace(action_repeat=4),
  )


def policy(agent, greedy=True, images=False, **bounds):
  """What loading the exported policy gives, without the seconds it takes."""
  return deployment.Policy(
    *exporting.build(parts(agent, **bounds), 800, greedy, images)
  )


def in_own_bounds(actions, **bounds):
  """What an environment receives of an agent's actions in training."""
  inner = Recorder(**bounds)
  environment = requirements.prepare(inner, 1)
  environment.reset()
  for action in actions:
    environment.step(np.asarray(action))
  return np.stack(inner.actions)


def make_agent(kind):
  both = ts.time_step_spec(tiny.BOTH_SPEC)
  if kind == 'encoded':
    agent = tiny.agent(
      agent_class=alm.AlmAgent,
      time_step_spec=both,
      LatentGaussian__min_stddev=1e-9,
    )
    # Latents without noise, in which they could differ.
    *_, (_, bias) = tiny.weights(agent._networks.encoder)
    bias.assign(tf.repeat([0.0, -50.0], bias.shape[0] // 2))
    return agent
  if kind == 'state':
    agent = tiny.agent(agent_class=baselines.SacStateAgent, time_step_spec=both)
  elif kind == 'frames':
    agent = tiny.agent(agent_class=baselines.SacPixelsAgent)
    tiny.shake(agent._encoder)
  elif kind == 'both':
    agent = tiny.agent(
      time_step_spec=both, LatentModel__proprioception=tiny.proprioception
    )
    tiny.shake(agent.model)
  else:
    own = {}
    if kind in ('latent', 'noisy latent'):
      own['actor_input'] = inputs.LatentInput
    if kind == 'latent':  # A model without noise, in which they could differ.
      own['model'] = ablations.Deterministic
    agent = tiny.agent(
      agent_class=functools.partial(slac_agent.SlacAgent, **own)
    )
    tiny.shake(agent.model)
  # The mean depends on what is seen, and no action is at a bound.
  (kernel, _), *_, (_, bias) = tiny.weights(tiny.shake(agent._actor, seed=1))
  kernel.assign(4 * kernel)
  bias.assign([0.0, 0.0, -1.5, -1.5])
  return agent


def observations(n, seed=0):
  """More than any policy uses, as an environment's are."""
  state = np.random.default_rng(seed).normal(size=[n, tiny.STATE_SIZE])
  pixels = tiny.pixels(n, seed=seed)
  return [
    {'pixels': p, 'state': s}
    for p, s in zip(pixels, state.astype(np.float32), strict=True)
  ]


def act(policy, seen, is_first=None, state=None):
  """The exported policy's actions along a stream; and its last state."""
  state = policy.initial_state() if state is None else state
  actions = []
  for t, observation in enumerate(seen):
    first = is_first[t] if is_first is not None else False
    action, state = policy(observation, state, is_first=first)
    actions.append(action)
  return np.stack(actions), state
