"""Exact resume of all manipulation tasks in another process."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from slac.environments import claw, sawyer
from tests.environments import (
  claw_test,
  dm_control_tasks_test,
  manipulated,
  sawyer_test,
)

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def make(name, seed):
  """Returns 'sawyer-door', 'claw-fixed' and their like."""
  robot, task = name.split('-')
  made = {'sawyer': sawyer_test, 'claw': claw_test}[robot].make(task, seed)
  assert made.name == name
  return made


def steps(environment, actions):
  """Returns what the agent sees of some steps, and their rewards, as arrays."""
  found = [environment.step(action) for action in actions]
  return {
    'pixels': np.stack([step.observation['pixels'] for step in found]),
    'state': np.stack([step.observation['state'] for step in found]),
    'reward': np.stack([step.reward for step in found]),
  }


def resume(folder):
  """Takes the steps that are asked for in a folder."""
  for path in sorted(folder.glob('*.json')):
    with np.load(path.with_suffix('.npz')) as arrays:
      state = json.loads(
        path.read_text(),
        object_hook=lambda item: (
          arrays[item['array']] if 'array' in item else item
        ),
      )
      environment = make(path.stem, seed=5)
      environment.set_state(state)
      np.savez(path.with_suffix('.out.npz'), **steps(environment, arrays['0']))


@manipulated.has_metaworld
@pytest.mark.slow
@pytest.mark.long
def test_every_task_resumes_exactly_in_another_process(tmp_path):
  expected = {}
  names = [
    *(f'sawyer-{task}' for task in sawyer.TASKS),
    *(f'claw-{task}' for task in claw.GOALS),
  ]
  for name in names:
    environment = make(name, seed=3)
    environment.reset()
    actions = dm_control_tasks_test._actions(environment, 20)
    for action in actions[:15]:
      environment.step(action)
    arrays = [actions[15:]]

    def keep(array, arrays=arrays):
      arrays.append(array)
      return {'array': str(len(arrays) - 1)}

    text = json.dumps(environment.get_state(), default=keep)
    (tmp_path / f'{name}.json').write_text(text)
    np.savez(
      tmp_path / f'{name}.npz', **{str(i): a for i, a in enumerate(arrays)}
    )
    expected[name] = steps(environment, actions[15:])
  subprocess.run(
    [sys.executable, '-m', __name__, tmp_path], check=True, cwd=REPOSITORY
  )
  for name, arrays in expected.items():
    with np.load(tmp_path / f'{name}.out.npz') as found:
      for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)


if __name__ == '__main__':
  resume(pathlib.Path(sys.argv[1]))
