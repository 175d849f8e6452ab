"""Tests of slac/benchmark/run_time.py: a run's hours by hand.

That its measurement is one is tested in tests/sweep/hours_test.py.
"""

import types

import gin
import pytest

from slac import errors
from slac.benchmark import run_time
from slac.config import bindings
from slac.training import schedule


@pytest.fixture(autouse=True)
def _unbound():
  yield
  gin.clear_config()


def test_a_run_takes_as_long_as_its_parts():
  bindings.load(
    ['gin/cheetah.gin'],  # Action repeat 4.
    [
      'Schedule.env_steps = 40000',
      'Schedule.random_episodes = 2',
      'Schedule.model_updates = 300',
      'Schedule.gradient_steps = 2',
      'Schedule.eval_interval = 20000',
      'Schedule.eval_episodes = 3',
      'Schedule.greedy_eval_episodes = 2',
    ],
  )
  seconds = {
    'environment': 0.001,
    'acting': 0.01,
    'sampling': 0.1,
    run_time.MODEL_ONLY: 1.0,
    run_time.FULL: 10.0,
  }
  random_data = 2 * 250 * 0.001
  pretraining = 300 * 1.1
  training = (10_000 - 500) * (0.011 + 2 * 10.1)
  evaluation = 3 * (3 + 2) * 250 * 0.011  # At 0, 20,000 and 40,000 steps.
  total = random_data + pretraining + training + evaluation
  result = run_time.hours(schedule.Schedule(), bindings.resolved(), seconds)
  assert result == pytest.approx(total / 3600)
  # Of the tasks of Gym, which count random data in agent steps: 700, not 500.
  gin.bind_parameter('Schedule.random_agent_steps', 700)
  total += 200 * 0.001 - 200 * (0.011 + 2 * 10.1)
  result = run_time.hours(schedule.Schedule(), bindings.resolved(), seconds)
  assert result == pytest.approx(total / 3600)


@pytest.mark.parametrize(
  ('task', 'steps'),
  [('cheetah', 250), ('claw_three', 60), ('sawyer_door', 50)],
)
def test_an_evaluation_is_as_long_as_its_episodes(task, steps):
  bindings.load([f'gin/{task}.gin'], ['Schedule.eval_episodes = 3'])
  plan, settings = schedule.Schedule(), bindings.resolved()
  seconds = dict.fromkeys(
    ('environment', 'sampling', run_time.MODEL_ONLY, run_time.FULL), 0.0
  )
  _, trained = run_time.agent_steps(plan, settings)
  acting = run_time.hours(plan, settings, {**seconds, 'acting': 3600.0})
  evaluations = plan.env_steps // plan.eval_interval + 1
  assert acting - trained == pytest.approx(evaluations * 3 * steps)


def test_the_speed_of_workers_is_not_measured():
  bindings.load(
    ['gin/cartpole.gin', 'tests/tiny.gin'],
    ['Experiment.seed = 0', 'Collection.workers = 2'],
  )
  with pytest.raises(errors.UserError, match=r'Collection\.workers = 2 .*to 0'):
    run_time.measure()


def test_each_of_many_environments_has_sequences():
  agent = types.SimpleNamespace(train_sequence_length=9)
  found = [run_time.num_frames(agent, n) for n in (1, 30, 64)]
  assert found == [300, 300, 640]


def test_agent_steps_are_of_random_data_or_trained_on():
  settings = [
    ('gin/cheetah.gin', 40_000, 2, 0, (500, 9500)),
    ('gin/cheetah.gin', 40_000, 2, 700, (700, 9300)),
    ('gin/finger.gin', 40_000, 2, 0, (2000, 38_000)),
    ('gin/finger.gin', 1500, 2, 0, (1500, 0)),  # Over before.
    ('gin/sawyer_door.gin', 50_000, 2, 0, (100, 9900)),  # 250 / 5 in each.
  ]
  for path, steps, episodes, agent_steps, expected in settings:
    bindings.load(
      [path],
      [
        f'Schedule.env_steps = {steps}',
        f'Schedule.random_episodes = {episodes}',
        f'Schedule.random_agent_steps = {agent_steps}',
      ],
    )
    found = run_time.agent_steps(schedule.Schedule(), bindings.resolved())
    assert found == expected
