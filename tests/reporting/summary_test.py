"""What a run says of itself at its start."""

import json
import types

import pytest

from slac.config import bindings
from slac.reporting import summary
from slac.training import experiment, transfer  # noqa: F401


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


@pytest.mark.parametrize('is_lost', [False, True])
def test_a_run_says_what_is_known_of_its_beginning(
  tmp_path, monkeypatch, is_lost
):
  monkeypatch.setenv('MUJOCO_GL', 'egl')
  folder, source = tmp_path / 'run', tmp_path / 'walker'
  (folder / 'checkpoints' / 'checkpoint-0000000000').mkdir(parents=True)
  noted = {'run': str(source), 'parts': ['model'], 'env_steps': 4000}
  noted |= {'checkpoint': 'checkpoint-0000000007', 'sha256': 'ab12'}
  record = folder / 'version.json'
  record.write_text(json.dumps([{'init_from': noted}]))
  if is_lost:
    record.unlink()
  agent = types.SimpleNamespace(model=None, num_parameters={'model': 1})
  parts = types.SimpleNamespace(
    agent=agent,
    task='walker run',
    seed=0,
    schedule=types.SimpleNamespace(action_repeat=2, env_steps=10),
  )
  ring = types.SimpleNamespace(capacity=10, nbytes=100)
  for _ in range(2):  # The next start finds what this one notes.
    origin = transfer.Origin(folder, str(source), ['model']).noted
    text = summary.of_run(parts, ring, origin)
    (line,) = [x for x in text.splitlines() if 'begins with' in x]
    known = (
      ''
      if is_lost
      else (' after 4,000 environment steps, checkpoint of sha256 ab12')
    )
    assert line == f'  begins with:       model of {source}{known}'
    record.write_text(json.dumps([{'init_from': origin}]))
