"""Phases and lengths of a run."""

import dataclasses

import pytest

from slac.training import schedule


def make(**settings):
  return schedule.Schedule(
    **{
      'action_repeat': 4,
      'env_steps': 100,
      'random_episodes': 2,
      'random_agent_steps': 0,
      'model_updates': 3,
      'gradient_steps': 1,
      'batch_size': 5,
      'eval_interval': 10,
      'eval_episodes': 1,
      'greedy_eval_episodes': 0,
      'log_interval': 10,
      'picture_interval': 10,
      'checkpoint_seconds': 1.0,
      **settings,
    }
  )


@pytest.mark.parametrize(
  ('episodes', 'model_updates', 'phase'),
  [
    (0, 0, 'random data'),
    (1, 0, 'random data'),
    (2, 0, 'pretraining'),
    (2, 2, 'pretraining'),
    (2, 3, 'training'),
    (7, 3, 'training'),
  ],
)
def test_phases_follow_each_other(episodes, model_updates, phase):
  counters = schedule.Counters(
    4, episodes=episodes, model_updates=model_updates
  )
  assert make().phase(counters) == phase


def test_without_pretraining_training_follows_the_random_data():
  counters = schedule.Counters(4, episodes=2)
  assert make(model_updates=0).phase(counters) == 'training'


@pytest.mark.parametrize(
  ('env_steps', 'iterations'),
  [(100, 25 + 3), (101, 26 + 3), (104, 26 + 3), (1, 1 + 3)],
)
def test_iterations_are_agent_steps_and_model_updates(env_steps, iterations):
  plan = make(env_steps=env_steps)
  assert plan.iterations(schedule.Counters(4)) == iterations


def test_counters_count_the_same_iterations():
  counters = schedule.Counters(
    action_repeat=4,
    agent_steps=7,
    episodes=100,
    model_updates=3,
    gradient_steps=1000,
  )
  assert counters.iterations == 10
  assert counters.env_steps == 28
  assert counters.updates == 1003


def test_random_data_goes_on_until_episodes_and_agent_steps_suffice():
  plan = make(random_episodes=2, random_agent_steps=50)
  phases = [
    plan.phase(schedule.Counters(4, agent_steps=steps, episodes=episodes))
    for steps, episodes in ((49, 1), (49, 3), (50, 1), (50, 2))
  ]
  assert phases == ['random data'] * 3 + ['pretraining']


def test_counters_go_on_where_they_were():
  # Each has a value of its own.
  fields = dataclasses.fields(schedule.Counters)
  counters = schedule.Counters(*range(1, len(fields) + 1))
  again = schedule.Counters(4)
  again.set_state(counters.get_state())
  assert again == counters


def test_an_episode_that_is_finished_ends_the_failures_in_a_row():
  counters = schedule.Counters(4, episodes=1, failures_in_a_row=2)
  counters.finish_episode()
  assert (counters.episodes, counters.failures_in_a_row) == (2, 0)


def test_pretraining_ends_when_no_smaller_error_is_found():
  plan = make(model_updates=100, picture_interval=10, pretraining_patience=2)
  counters = schedule.Counters(
    4, episodes=2, agent_steps=10, training_error=0.1
  )
  # An equal error is not smaller; one that is not known does not count.
  errors = [0.5, 0.6, 0.4, None, 0.4, 0.7]
  for n, error in enumerate(errors):
    assert plan.phase(counters) == 'pretraining'
    assert plan.iterations(counters) == 25 + 100
    counters.model_updates = 10 * n + 9
    assert not plan.is_assessment_due(counters)
    counters.model_updates += 1
    assert plan.is_assessment_due(counters)
    counters.assess(error)
    assert not plan.is_assessment_due(counters)
  assert counters.least_error == 0.4
  assert plan.phase(counters) == 'training'
  assert plan.iterations(counters) == 25 + 60
  # Without patience pretraining goes on to its end, which is assessed too.
  patient = make(model_updates=100, picture_interval=10)
  assert patient.phase(counters) == 'pretraining'
  counters.model_updates = 100
  assert patient.phase(counters) == 'training'
  assert patient.is_assessment_due(counters)
  # But not amid training, where `picture_interval` may have been changed.
  counters.gradient_steps = 1
  assert not patient.is_assessment_due(counters)


def test_a_model_that_knows_nothing_by_heart_is_pretrained_on():
  counters = schedule.Counters(4, episodes=2, agent_steps=10, model_updates=50)
  plan = make(model_updates=100, picture_interval=10, pretraining_patience=2)
  for error in (0.5, 0.6):
    counters.assess(error)  # Before training has logged anything.
  # As on a plateau, where training finds the same, or more.
  counters.training_error = 0.6
  for _ in range(5):
    counters.assess(0.6)
  assert counters.stale_assessments == 0
  counters.training_error = 0.4
  counters.assess(0.6)
  counters.training_error = 0.7
  counters.assess(0.6)  # What is no sign of it is none to the contrary.
  assert plan.phase(counters) == 'pretraining'
  counters.training_error = 0.4
  counters.assess(0.6)
  assert plan.phase(counters) == 'training'


@pytest.mark.parametrize(
  ('training_error', 'is_by_heart'),
  [(0.7, False), (0.6, False), (0.49, False), (0.47, True)],
)
def test_by_heart_is_what_errs_by_a_quarter_more_on_others(
  training_error, is_by_heart
):
  counters = schedule.Counters(
    4, least_error=0.5, training_error=training_error
  )
  for _ in range(5):
    counters.assess(0.6)
  assert counters.stale_assessments == 5 * is_by_heart


def test_there_is_no_assessment_before_pretraining():
  assert not make().is_assessment_due(schedule.Counters(4))
