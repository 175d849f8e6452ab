"""Tests of slac/replication/experiments.py: what the paper's figures are."""

import gin
import pytest

from slac.config import bindings
from slac.replication import experiments, reported
from slac.sweep import checking, plan


@pytest.fixture(autouse=True)
def _unbound():
  yield
  gin.clear_config()


def test_figure_3_can_be_made():
  commands = plan.commands(experiments.FIGURES['3'], 'runs')
  assert len(commands) == 6 * 10
  # The variance is not spelt out where it is the task's own.
  assert not any(command.gin_params for command in commands)


def test_figure_12_has_the_five_variances():
  commands = plan.commands(experiments.FIGURES['12'], 'runs')
  assert len(commands) == 6 * 5 * 10
  assert {command.gin_params for command in commands} == {
    (f'DECODER_VARIANCE = {value}',) for value in (0.004, 0.01, 0.04, 0.1, 0.4)
  }


def test_figure_5_has_each_variant_of_the_others_once():
  variants = experiments.FIGURES['5'].variants
  assert len(variants) == len({*variants}) == 7 + 3 + 3 + 2
  assert variants[0] == plan.Variant()


def test_the_ablations_of_alm_are_all_that_have_a_file():
  commands = plan.commands(experiments.FIGURES['alm-ablations'], 'runs')
  there = {
    f'gin/alm/{path.name}' for path in (bindings.ROOT / 'gin/alm').iterdir()
  }
  assert {f for c in commands for f in c.gin_files[2:]} == there
  assert len(commands) == 5 * (1 + len(there)) * 5


def test_table_1_of_alm_is_of_both_methods_to_the_step_that_it_reports():
  commands = plan.commands(experiments.FIGURES['alm'], 'runs')
  assert len(commands) == 5 * 2 * 5
  schedules = [item.schedule for item in checking.experiments(commands)]
  lengths = {schedule.env_steps for schedule in schedules}
  assert lengths == {reported.of('HalfCheetah-v4')[0].steps[-1]} == {205_000}
  assert all(205_000 % schedule.eval_interval == 0 for schedule in schedules)
  # Action repeat, updates and random steps, of which both have as many.
  assert {
    (s.action_repeat, s.gradient_steps, s.random_agent_steps) for s in schedules
  } == {(1, 1, 5_000)}


@pytest.mark.parametrize('number', experiments.FIGURES)
def test_every_command_of_a_figure_is_an_experiment_of_its_own(number):
  figure = experiments.FIGURES[number]
  commands = plan.commands(figure, 'runs')
  checked = checking.experiments(commands)  # Refuses what is there twice.
  experiments_of_it = len(figure.tasks) * len(figure.variants)
  assert len(commands) == len(checked) == experiments_of_it * figure.seeds
  assert len({command.name for command in commands}) == len(commands)
  assert len({id(item) for item in checked}) == experiments_of_it
