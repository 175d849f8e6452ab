"""What a run and the workers on a cluster's nodes send each other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tf_agents.trajectories import trajectory

from slac.training import collecting


class Weights(NamedTuple):
  """The parameters of a policy after so many gradient steps."""

  gradient_steps: int
  values: Sequence[np.ndarray]  # Of `SeededPolicy.parameters`.


class Step(NamedTuple):
  """An agent step, or a failure in place of one."""

  rows: list[trajectory.Trajectory]  # What it adds to the replay.
  turn: collecting.Turn
  gradient_steps: int | None  # Of its policy; None of the random one.


class Chunk(NamedTuple):
  """The next steps of a worker."""

  steps: list[Step]
  # What the episode would end with if nothing followed; None between episodes.
  ending: trajectory.Trajectory | None
  seconds: float  # Since the last chunk, or since the worker began.


class Lost(NamedTuple):
  """A worker is lost, and its episode with it; another one is being begun."""

  reason: str
  has_begun: bool  # Whether it ever had an environment.
