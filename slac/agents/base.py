"""What the training loop needs of any agent."""

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import policy_step, trajectory
from tf_agents.trajectories import time_step as ts

from slac.agents import policies, returns
from slac.config import settings
from slac.models import latents, networks, observation_model

# T, over which updates are unrolled; a policy remembers T - 1 steps.
Length = Annotated[int, settings.Range(2, 1000)]


class Update(NamedTuple):
  """A compiled update, and how many sequences of experience it is given."""

  # Maps `experience` to a LossInfo.
  function: tf.types.experimental.PolymorphicFunction
  batch_size: int


class Agent(tf_agent.TFAgent):
  """An agent that has three policies, compiled updates, and random draws.

  A subclass builds its networks before it calls this constructor, which then
  asks it for its policies. All random draws come from generators that are
  among its variables, so a checkpoint holds them.
  """

  # For each of the equal parts of a batch, how many of a sequence's last pairs
  # of steps must each lie within one episode, 1 to T.
  joined: tuple[int, ...] = (1,)
  # What of `returns.Estimates` it has.
  estimated: tuple[str, ...] = ()
  # A subclass's method, which an instance replaces by its compiled form.
  _train: Callable

  def __init__(
    self,
    time_step_spec: ts.TimeStep,
    action_spec: tf.TensorSpec,
    seed: int,
    experience_length: int,
    jit_compile: bool,
  ):
    """Compiles the update and makes the policies.

    Args:
      time_step_spec: the time steps that the policies observe.
      action_spec: a float vector in [-1, 1].
      seed: decides every random draw in training and acting.
      experience_length: the number of steps in a sequence of experience.
      jit_compile: whether XLA compiles the update.
    """
    self._train = compiled(self._train, jit_compile)
    self._generator, *generators = policies.spawn_generators(seed, 4)
    specs = time_step_spec, action_spec
    policy, collect_policy, self.greedy_policy = (
      self._make_policy(*specs, generator=generator, greedy=greedy)
      for generator, greedy in zip(
        generators, (False, False, True), strict=True
      )
    )
    super().__init__(
      time_step_spec,
      action_spec,
      policy,
      collect_policy,
      train_sequence_length=experience_length,
      training_data_spec=trajectory.from_transition(
        time_step_spec, policy_step.PolicyStep(action_spec), time_step_spec
      ),
    )

  @property
  def model(self) -> tf.Module | None:
    """The latent variable model, or None if the agent has none."""
    return None

  @property
  def compute_dtype(self) -> str:
    """The data type of layers where rounding does no harm."""
    return 'float32'

  @property
  def num_parameters(self) -> dict[str, int]:
    """The number of trainable parameters of each part of the agent."""
    return {
      name: sum(networks.num_parameters(module) for module in modules)
      for name, modules in self._trained_modules().items()
    }

  def saved_parts(self, names: Iterable[str]) -> tf.train.Checkpoint:
    """Returns parts under the names that they have in a saved agent.

    Targets of networks, which follow them, are with them.

    Args:
      names: of those in `num_parameters`.
    """
    return self._saved_of(self, names)

  def _saved_of(self, holder, names) -> tf.train.Checkpoint:
    """Returns those parts that are attributes of an object."""
    wanted = [m for name in names for m in self._trained_modules()[name]]
    parts: dict[str, Any] = {}
    for name, value in vars(holder).items():
      held = value if isinstance(value, list) else [value]
      if any(module is x for module in wanted for x in held):
        mark = '_' if name.startswith('_') else ''
        target = f'{mark}target_{name.removeprefix(mark)}'
        own = [name, target] if hasattr(holder, target) else [name]
        parts |= {attribute: getattr(holder, attribute) for attribute in own}
    return tf.train.Checkpoint(**parts)

  def estimates(
    self,
    observation: Mapping[str, np.ndarray],
    actions: np.ndarray,
    rewards: np.ndarray,
    has_terminated: bool,
  ) -> returns.Estimates | None:
    """Returns what the agent says of returns, if it does, and what followed.

    Nothing is learned or drawn, as in `model_metrics`.

    Args:
      observation: of a whole episode of n steps, a dict of `[n + 1, ...]`.
      actions: `[n + 1, A]`; the last is not chosen.
      rewards: that it has seen, `[n]`.
      has_terminated: whether the episode ended otherwise than by a time limit.
    """
    del observation, actions, rewards, has_terminated
    return None

  def model_metrics(self, experience) -> Mapping[str, tf.Tensor]:
    """Returns the metrics of the model's loss, if the agent has a model.

    Nothing is learned or drawn: of the same experience and the same parameters
    they are the same.

    Args:
      experience: a Trajectory of `[B, T + 1, ...]`.
    """
    del experience
    return {}

  def updates(self, batch_size: int) -> dict[str, Update]:
    """Returns the updates by their names.

    Args:
      batch_size: how many sequences a gradient step is given.
    """
    return {'train': Update(self._train, batch_size)}

  def trace(self, batch_size: int) -> list[str]:
    """Traces all updates ahead of the first; returns their metrics' names."""
    names = []
    for update in self.updates(batch_size).values():
      info = self.concrete(update).structured_outputs
      names += [name for name in info.extra if name not in names]
    return names

  def concrete(self, update: Update) -> tf.types.experimental.ConcreteFunction:
    """Returns an update as it is traced for its batch size."""
    spec = tensor_spec.add_outer_dims_nest(
      self.training_data_spec, [update.batch_size, self.train_sequence_length]
    )
    return update.function.get_concrete_function(experience=spec)

  @abc.abstractmethod
  def _make_policy(
    self, time_step_spec, action_spec, **seeded
  ) -> policies.SeededPolicy:
    """Returns a policy of the agent's networks; see `SeededPolicy`."""

  @abc.abstractmethod
  def _trained_modules(self) -> Mapping[str, Sequence[tf.Module]]:
    """Returns the modules that are trained, by the names that users read."""

  def _draw_seeds(self, n: int) -> list[tf.Tensor]:
    """Draws n stateless seeds, `[2]` each."""
    seed = self._generator.uniform_full_int([2], tf.int32)
    return latents.split_seed(seed, n)


def compiled(update: Callable, jit_compile: bool) -> Callable:
  """Returns an update as a graph, which XLA compiles if told to."""
  return tf.function(update, autograph=False, jit_compile=jit_compile)


def observing(time_step_spec: ts.TimeStep, *names: str) -> ts.TimeStep:
  """Returns the spec of time steps with those observations and no other.

  Raises:
    errors.UserError: there is no such observation.
  """
  offered = time_step_spec.observation
  observed = {name: observation_model.spec_of(offered, name) for name in names}
  return ts.time_step_spec(observed, time_step_spec.reward)
