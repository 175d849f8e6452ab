"""What another process finds is what the run's own would find."""

import gin
import numpy as np
import pytest
import tensorflow as tf

from slac.config import bindings
from slac.reporting import (
  encoding,
  evaluation_worker,
  evaluations,
  pictures,
)
from slac.training import assessment, schedule
from tests import tiny

COUNTERS = schedule.Counters(action_repeat=100, agent_steps=8)
ENV_STEPS = COUNTERS.env_steps


@pytest.fixture
def worker(monkeypatch):
  """Evaluates a tiny agent that has a model, in this process."""
  # Others have used the devices, which are fixed since.
  monkeypatch.setattr(tf.config, 'set_visible_devices', lambda *_: None)
  params = ['ACTION_REPEAT = 100', 'Replay.capacity = 50']
  params += ['Experiment.seed = 3', 'Schedule.eval_episodes = 2']
  params += ['Schedule.greedy_eval_episodes = 1']
  tf.config.run_functions_eagerly(True)  # Tracing would take longer.
  bindings.load(['gin/cartpole.gin', 'tests/tiny.gin'], params)
  made = evaluation_worker.Worker(bindings.resolved())
  yield made
  made.close()
  tf.config.run_functions_eagerly(False)
  gin.clear_config()


@pytest.mark.slow
def test_it_finds_what_the_run_s_own_process_would(worker):
  parts = worker._parts
  agent, drawn = parts.agent, []
  tiny.shake(agent, seed=1)
  values = evaluations.values_of(agent)
  both = evaluations.run_policies(
    *(evaluations.evaluators(parts), parts.schedule, ENV_STEPS),
    *(lambda: False, drawn.append),
  )
  expected = pictures.of_episode(agent, drawn[0], [0, ENV_STEPS])
  assessed = assessment.of_episodes(agent, both[0])
  assert assessed and 'dream' in expected

  tiny.shake(agent, seed=2)
  found = worker.evaluate(values, COUNTERS)
  assert found[2] == pytest.approx(assessed, rel=1e-5)
  # What takes a second or more, as a film's palette, is not left to the run.
  assert found[3] == encoding.encode(expected)
  for own, others in zip(both, found[:2], strict=True):
    for one, other in zip(own, others, strict=True):
      assert one.episode_return == other.episode_return
      np.testing.assert_array_equal(one.actions, other.actions)
      assert not len(other.pixels) and not len(other.film)


@pytest.mark.slow
def test_what_cannot_be_assessed_or_drawn_is_left_out(
  worker, monkeypatch, capsys
):
  for module, name in [(pictures, 'of_episode'), (assessment, 'of_episodes')]:
    monkeypatch.setattr(module, name, lambda *_: 1 / 0)
  values = evaluations.values_of(worker._parts.agent)
  episodes, greedy_episodes, assessed, drawn = worker.evaluate(values, COUNTERS)
  assert (len(episodes), len(greedy_episodes)) == (2, 1)
  assert assessed == drawn == {}
  said = capsys.readouterr().err
  for name in ('picture', 'assessment'):
    assert f'The {name} after 800 environment steps and 0 model' in said
