"""Policies that act on the state or on the recent history, and random ones."""

from collections.abc import Callable

import gin
import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd
from tf_agents.policies import tf_policy
from tf_agents.trajectories import policy_step
from tf_agents.trajectories import time_step as ts

from slac.agents import memories


class SeededPolicy(tf_policy.TFPolicy):
  """A policy whose random draws take their seeds from its own generator."""

  def __init__(
    self,
    time_step_spec: ts.TimeStep,
    action_spec: tf.TensorSpec,
    generator: tf.random.Generator,
    greedy: bool = False,
    **tf_policy_arguments,
  ):
    """Keeps the generator, which a checkpoint of the policy holds.

    Args:
      time_step_spec: the time steps that it observes.
      action_spec: a float vector in [-1, 1].
      generator: the source of its random draws.
      greedy: whether it acts at the mode of its distribution before the tanh,
        instead of a sample.
      **tf_policy_arguments: the other arguments of TFPolicy.
    """
    super().__init__(
      time_step_spec,
      action_spec,
      automatic_state_reset=False,
      clip=False,
      **tf_policy_arguments,
    )
    self._generator = generator
    self.is_greedy = greedy

  @property
  def parameters(self) -> list[tf.Variable]:
    """All variables but those of random draws."""
    draws = self._generator.state
    return [v for v in self.variables() if v is not draws]

  def reseed(self, seed: int):
    """Starts the draws afresh."""
    self._generator.reset_from_seed(seed)

  def choose(
    self, distribution: tfd.Distribution, draw_seed: Callable[[], tf.Tensor]
  ) -> tf.Tensor:
    """Returns the action: the distribution's mode, or a sample of it.

    Args:
      distribution: of the actions; if the policy is greedy, the actor's.
      draw_seed: returns a stateless seed, `[2]`; called if one is needed.
    """
    if self.is_greedy:
      return distribution.bijector(distribution.distribution.mode())
    return distribution.sample(seed=draw_seed())

  def _action(self, time_step, policy_state, seed):
    del seed  # The generator's, which a checkpoint holds.
    step = self._distribution(time_step, policy_state)
    return step._replace(action=self.choose(step.action, self._next_seed))

  def _next_seed(self):
    return self._generator.uniform_full_int([2], tf.int32)


class RandomPolicy(SeededPolicy):
  """Draws actions whatever it sees; a subclass says from what distribution."""

  def _distribution(self, time_step, policy_state):
    batch_size = tf.shape(time_step.step_type)[0]
    ones = tf.ones([batch_size, *self.action_spec.shape])
    return policy_step.PolicyStep(self._random_actions(ones), policy_state)


@gin.configurable
class TanhGaussianPolicy(RandomPolicy):
  """The random policy a = tanh(u), u ~ N(0, 2^2), of DeepMind Control."""

  def _random_actions(self, ones):
    normal = tfd.MultivariateNormalDiag(0.0 * ones, 2.0 * ones)
    return tfd.TransformedDistribution(normal, tfb.Tanh())


@gin.configurable
class UniformPolicy(RandomPolicy):
  """The random policy of OpenAI Gym: actions uniform in [-1, 1]."""

  def _random_actions(self, ones):
    return tfd.Independent(tfd.Uniform(-ones, ones), 1)


class StatePolicy(SeededPolicy):
  """Acts on the true state, observation 'state'; remembers nothing."""

  def __init__(
    self,
    time_step_spec: ts.TimeStep,
    action_spec: tf.TensorSpec,
    actor: Callable,
    **seeded,
  ):
    super().__init__(time_step_spec, action_spec, **seeded)
    self._actor = actor

  def memory(self, images: bool) -> memories.NoMemory:
    """Returns what it needs to act outside of TF-Agents: no past step."""
    del images
    return memories.NoMemory(self._act)

  def _variables(self):
    return [*self._actor.variables, self._generator.state]

  def _distribution(self, time_step, policy_state):
    distribution = self._act(time_step.observation, self._next_seed)
    return policy_step.PolicyStep(distribution, policy_state)

  def _act(self, observation, draw_seed):
    """Returns pi(a | state)."""
    del draw_seed
    return self._actor(observation['state'])


class EncodedPolicy(StatePolicy):
  """Acts on a latent of the state, drawn anew at each step.

  If it is greedy, it acts at the mean of pi(a|z); else with noise, which,
  unlike in training, is not clipped.
  """

  def __init__(
    self,
    time_step_spec: ts.TimeStep,
    action_spec: tf.TensorSpec,
    encoder: tf.Module,
    actor: tf.Module,
    pi: Callable,
    **seeded,
  ):
    """Keeps the parts.

    Args:
      time_step_spec: the time steps that it observes; their 'state' is used.
      action_spec: a float vector in [-1, 1].
      encoder: maps states to a distribution over latents.
      actor: has the variables of pi.
      pi: maps latents to a Gaussian over actions, `[B, A]`.
      **seeded: see `SeededPolicy`.
    """
    super().__init__(time_step_spec, action_spec, actor, **seeded)
    self._encoder = encoder
    self._pi = pi

  def choose(self, distribution, draw_seed):
    if self.is_greedy:
      return distribution.mode()
    return tf.clip_by_value(distribution.sample(seed=draw_seed()), -1.0, 1.0)

  def _variables(self):
    return [*self._encoder.variables, *super()._variables()]

  def _act(self, observation, draw_seed):
    """Returns pi(a|z), before actions are clipped."""
    return self._pi(
      self._encoder(observation['state']).sample(seed=draw_seed())
    )


class HistoryPolicy(SeededPolicy):
  """Acts on the last T steps, which its policy_state carries.

  The policy state is the last T - 1 steps: observations, the actions chosen
  then, and step types. With the present step they are a window of T steps from
  which `perceive` and `actor_input` make the actor's input, as in training.
  """

  def __init__(
    self,
    time_step_spec: ts.TimeStep,
    action_spec: tf.TensorSpec,
    sequence_length: int,
    model: tf.Module,
    actor_input: Callable,
    actor: Callable,
    **seeded,
  ):
    def history(spec):
      shape = [sequence_length - 1, *spec.shape]
      return tf.TensorSpec(shape, spec.dtype, spec.name)

    super().__init__(
      time_step_spec,
      action_spec,
      policy_state_spec={
        'observation': tf.nest.map_structure(
          history, time_step_spec.observation
        ),
        'action': history(action_spec),
        'step_type': history(time_step_spec.step_type),
      },
      **seeded,
    )
    self._sequence_length = sequence_length
    self._model = model
    self._actor_input = actor_input
    self._actor = actor

  def memory(self, images: bool) -> memories.History:
    """Returns what it needs to act outside of TF-Agents.

    Args:
      images: whether that are the images themselves, which are encoded anew at
        each step, and not what the model has made of them once.
    """
    history = memories.ImageHistory if images else memories.History
    return history(
      self.time_step_spec.observation,
      self.action_spec.shape,
      self._sequence_length,
      self._model,
      lambda evidence: self._actor(self._actor_input(evidence)[:, 0]),
    )

  def _variables(self):
    return [
      *self._model.variables,
      *self._actor.variables,
      self._generator.state,
    ]

  def _get_initial_state(self, batch_size):
    # These steps are no first ones, and an episode's first step hides all that
    # lie before it.
    state = super()._get_initial_state(batch_size)
    mid = tf.fill(tf.shape(state['step_type']), ts.StepType.MID)
    return {**state, 'step_type': mid}

  def _distribution(self, time_step, policy_state):
    distribution, _ = self._act(time_step, policy_state)
    return policy_step.PolicyStep(distribution, policy_state)

  def _action(self, time_step, policy_state, seed):
    del seed
    distribution, window = self._act(time_step, policy_state)
    action = self.choose(distribution, self._next_seed)
    window['action'] = tf.concat(
      [policy_state['action'], action[:, tf.newaxis]], axis=1
    )
    state = tf.nest.map_structure(lambda x: x[:, 1:], window)
    return policy_step.PolicyStep(action, state)

  def _act(self, time_step, policy_state):
    """Returns pi(a | history) and the window of T steps, `[B, T, ...]`."""
    present = {
      'observation': time_step.observation,
      'action': tf.zeros_like(policy_state['action'][:, 0]),
      'step_type': time_step.step_type,
    }
    window = tf.nest.map_structure(
      lambda past, now: tf.concat([past, now[:, tf.newaxis]], axis=1),
      policy_state,
      present,
    )
    evidence = self._model.perceive(
      window['observation'],
      window['action'],
      window['step_type'],
      self._next_seed(),
    )
    return self._actor(self._actor_input(evidence)[:, 0]), window


def spawn_generators(
  seed: int | list[int], n: int
) -> list[tf.random.Generator]:
  """Returns n independent generators, functions of one seed."""
  seeds = np.random.SeedSequence(seed).generate_state(n, np.uint64) >> 1
  return [tf.random.Generator.from_seed(int(s)) for s in seeds]
