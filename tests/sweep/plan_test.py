"""Tests of slac/sweep/plan.py."""

import os
import subprocess

import pytest

from slac import errors
from slac.config import bindings
from slac.replication import experiments
from slac.sweep import plan


@pytest.fixture
def two_variants():
  variants = (
    plan.Variant(),
    plan.Variant(('gin/quick.gin',), ("A.b = 'it''s'",)),
  )
  return plan.Sweep('name', 'a title', ('walker', 'finger'), variants, 2)


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


def test_all_combinations_of_values():
  variants = plan.varied({'A.x': ['1', '2'], 'B.y': ['3', '4']}, ['o.gin'])
  assert [variant.gin_params for variant in variants] == [
    ('A.x = 1', 'B.y = 3'),
    ('A.x = 1', 'B.y = 4'),
    ('A.x = 2', 'B.y = 3'),
    ('A.x = 2', 'B.y = 4'),
  ]
  assert {variant.gin_files for variant in variants} == {('o.gin',)}
  assert plan.varied({}, ['a.gin', 'b.gin']) == (
    plan.Variant(('a.gin', 'b.gin')),
  )


def test_tasks_are_gin_files_that_include_and_set_an_action_repeat():
  there = plan.tasks()
  assert {*experiments.DM_CONTROL, *experiments.GYM} <= {*there}
  assert {'slac', 'dm_control', 'gym', 'quick', 'debug'}.isdisjoint(there)
  assert plan.task_file('walker') == 'gin/walker.gin'
  assert plan.task_file('my/own.gin') == 'my/own.gin'


@pytest.mark.parametrize(
  ('name', 'hint'),
  [
    ('wlaker', r'\(did you mean walker\?\)'),
    ('quick', r'\(there are ant, ant_contact, .*\)'),
  ],
)
def test_an_unknown_task_is_named_with_those_near(name, hint):
  with pytest.raises(errors.UserError, match=f'no task {name} {hint}') as fault:
    plan.task_file(name)
  assert fault.value.exit_code == 66


def test_so_many_jobs_of_the_array_run_at_a_time(two_variants):
  commands = plan.commands(two_variants, 'runs')
  script = plan.slurm_script('name', commands, 3)
  assert '#SBATCH --array=0-7%3\n' in script


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
