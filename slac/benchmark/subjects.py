"""What is measured: an agent of each method, and the settings it has."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import gin

from slac import errors
from slac.benchmark import reference_update
from slac.config import bindings
from slac.training import collection, experiment


class Subject(NamedTuple):
  """A method whose runs are measured.

  Attributes:
    tasks: whose environments are measured, by the names of their gin files.
    task: of these, the one whose updates and loop are measured.
    dtype_setting: names the data type that it computes in.
    dtypes: what is measured of these.
    overlays: gin files after the task's.
    reference: an agent with the same losses that is slower, or None.
  """

  tasks: tuple[str, ...]
  task: str
  dtype_setting: str
  dtypes: tuple[str, ...] = ('float32', 'bfloat16')
  overlays: tuple[str, ...] = ()
  reference: Callable | None = None

  def load(self, gin_params: Sequence[str], task: str | None = None):
    """Binds the settings of a task, `self.task` unless it is given."""
    files = [f'gin/{task or self.task}.gin', *self.overlays]
    bindings.load(files, ['Experiment.seed = 0', *gin_params])

  def check(self, gin_params: Sequence[str]):
    """Raises a UserError if they change what collects the data."""
    self.load(gin_params)
    with bindings.translate_gin_errors():
      plan = collection.Collection()
    if plan.workers or plan.environments > 1:
      raise errors.UserError(
        f'Collection.environments = {plan.environments} and Collection.workers '
        f'= {plan.workers}: the benchmark measures one environment, several '
        'side by side by itself, and no workers; leave both settings out.'
      )

  def build(
    self,
    gin_params: Sequence[str],
    agent: Callable | None = None,
    dtype: str | None = None,
    environments: int = 1,
  ) -> experiment.Experiment:
    """Returns the parts of a run, of another agent or type if given."""
    self.load(gin_params)
    # In place of what gin_params may say.
    gin.bind_parameter('Collection.environments', environments)
    if dtype:
      gin.bind_parameter(self.dtype_setting, dtype)
    overrides = {'agent': agent} if agent else {}
    with bindings.translate_gin_errors():
      return experiment.Experiment(**overrides)


SUBJECTS = {
  'slac': Subject(
    tasks=(
      *('ball_in_cup', 'cartpole', 'cheetah', 'finger', 'reacher', 'walker'),
      *('ant', 'half_cheetah', 'hopper', 'walker2d'),
    ),
    task='walker',
    dtype_setting='LatentModel.compute_dtype',
    reference=reference_update.ReferenceAgent,
  ),
  'alm': Subject(
    tasks=(
      *('half_cheetah', 'walker2d', 'hopper', 'ant_contact', 'humanoid'),
      *('truncated_ant', 'truncated_humanoid'),
    ),
    task='half_cheetah',
    dtype_setting='Mlp.compute_dtype',
    overlays=('gin/alm.gin',),
  ),
}
