"""Tests of slac/replication/plan.py and experiments.py."""

import os
import subprocess

import gin
import pytest

from slac import errors
from slac.config import bindings
from slac.replication import experiments, plan
from slac.training import experiment  # noqa: F401


@pytest.fixture(autouse=True)
def _unbound():
  yield
  gin.clear_config()


@pytest.fixture
def two_variants():
  variants = {
    'full': ((), ()),
    'quick': (('gin/quick.gin',), ("A.b = 'it''s'",)),
  }
  return experiments.Figure('a title', ('walker', 'finger'), variants, 2)


def test_every_variant_of_every_task_with_every_seed(two_variants):
  commands = plan.commands(two_variants, 'my runs')
  assert len(commands) == 8
  assert str(commands[0]) == (
    'python train_eval.py --gin_file=gin/walker.gin --seed=0 '
    "'--root_dir=my runs'"
  )
  assert commands[7].arguments == [
    'train_eval.py',
    '--gin_file=gin/finger.gin',
    '--gin_file=gin/quick.gin',
    "--gin_param=A.b = 'it''s'",
    '--seed=1',
    '--root_dir=my runs',
  ]
  assert [command.seed for command in commands] == [0] * 4 + [1] * 4
  assert len({command.name for command in commands}) == 8
  assert commands[0].name == 'walker-seed0'


def test_a_gin_file_that_is_not_there_is_named(two_variants):
  variants = {'novel': (('gin/ablation/novel.gin',), ())}
  figure = experiments.Figure('a title', ('walker',), variants, 1)
  with pytest.raises(
    errors.UserError, match='needs gin/ablation/novel'
  ) as caught:
    plan.commands(figure, 'runs')
  assert caught.value.exit_code == 66


def test_figure_3_can_be_made():
  commands = plan.commands(experiments.FIGURES[3], 'runs')
  assert len(commands) == 6 * 10
  # The variance is not spelt out where it is the task's own.
  assert not any(command.gin_params for command in commands)


def test_figure_12_has_the_five_variances():
  commands = plan.commands(experiments.FIGURES[12], 'runs')
  assert len(commands) == 6 * 5 * 10
  assert {command.gin_params for command in commands} == {
    (f'DECODER_VARIANCE = {value}',) for value in (0.004, 0.01, 0.04, 0.1, 0.4)
  }


def test_no_two_runs_of_a_figure_share_a_folder():
  for figure in experiments.FIGURES.values():
    names = [
      plan.Command((f'{task}.gin', *gin_files), gin_params, 0, 'runs').name
      for task in figure.tasks
      for gin_files, gin_params in figure.variants.values()
    ]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize('number', experiments.FIGURES)
def test_every_command_of_a_figure_is_an_experiment_of_its_own(number):
  figure = experiments.FIGURES[number]
  commands = plan.commands(figure, 'runs')  # Refuses files that are not there.
  assert len(commands) == (
    len(figure.tasks) * len(figure.variants) * figure.seeds
  )
  settings = set()
  for command in commands[: len(commands) // figure.seeds]:
    assert command.seed == 0
    bindings.load(command.gin_files, command.gin_params)
    settings.add(tuple(bindings.resolved().items()))
  assert len(settings) == len(figure.tasks) * len(figure.variants)


@pytest.mark.slow
def test_each_job_of_the_array_is_one_command(two_variants, tmp_path):
  commands = plan.commands(two_variants, "it's $HOME")
  script = tmp_path / 'array.sh'
  script.write_text(plan.slurm_script('name', commands))
  assert '#SBATCH --array=0-7\n' in script.read_text()
  python = tmp_path / 'python'
  python.write_text('#!/bin/bash\npwd\nprintf "%s\\n" "$@"\n')
  python.chmod(0o755)
  for number in (0, 7):
    result = subprocess.run(
      ['bash', script],
      env={
        'PATH': f'{tmp_path}:{os.environ["PATH"]}',
        'HOME': '/',
        'SLURM_ARRAY_TASK_ID': str(number),
      },
      capture_output=True,
      text=True,
      check=True,
    )
    folder, *arguments = result.stdout.splitlines()
    assert folder == str(bindings.ROOT)
    assert arguments == commands[number].arguments
