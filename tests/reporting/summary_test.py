"""What a run says of itself at its start."""

from slac.config import bindings
from slac.reporting import summary
from slac.training import experiment  # noqa: F401


def test_runs_are_compared_by_what_changes_their_results():
  bindings.load(['gin/walker.gin'], ['Experiment.seed = 3'])
  found = summary.hyperparameters()
  assert found['Experiment.seed'] == 3
  assert found['DmControlEnvironment.domain'] == 'walker'
  assert found['SlacAgent.model'] == 'SlacModel'
  assert found['LatentModel.predict_discount'] is False
  assert type(found['SoftActorCritic.learning_rate']) is float
  assert 'Schedule.batch_size' in found
  assert not {'Schedule.env_steps', 'Schedule.log_interval'} & found.keys()
