"""train_eval.py in environments that fail when told to: for the tests.

`python -m tests.failing` takes train_eval.py's flags; a gin file is to bind
`Experiment.environment = @failing`. FAILING in the process's environment says
what goes wrong, in JSON: for 'training' and 'evaluation' a list of what becomes
of each episode begun in this process: 'reset' raises an exception there, and
'step', 'exit' and 'interrupt' in a step, a number is a reward, None (or no more
items) is no fault.
"""

import json
import os

# The package comes first: it keeps TensorFlow's chatter off the screen.
# isort: off
import slac  # noqa: F401
# isort: on

import gin
import numpy as np
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

RAISED = {
  'step': RuntimeError,
  'exit': SystemExit,
  'interrupt': KeyboardInterrupt,
}
LENGTH = 10  # Steps of an episode; a fault in a step is in the fifth.


class Failing(py_environment.PyEnvironment):
  """Grey images, or how many steps there were, and a reward of 1 in each."""

  def __init__(self, faults):
    super().__init__(handle_auto_reset=True)
    self._faults = iter(faults)

  def action_spec(self):
    return array_spec.BoundedArraySpec([1], np.float32, -1.0, 1.0)

  def observation_spec(self):
    return {
      'pixels': array_spec.ArraySpec([64, 64, 3], np.uint8),
      'state': array_spec.ArraySpec([1], np.float32),
    }

  def _reset(self):
    self._t, self._fault = 0, next(self._faults, None)
    if self._fault == 'reset':
      raise RuntimeError('no luck\nat all')
    return ts.restart(self._observe())

  def _step(self, action):
    self._t += 1
    if self._t == LENGTH:
      return ts.truncation(self._observe(), 1.0)
    time_step = ts.transition(self._observe(), 1.0)
    if self._t != 5 or not self._fault:
      return time_step
    if self._fault in RAISED:
      raise RAISED[self._fault]('no luck\nat all')
    return time_step._replace(reward=np.float32(self._fault))

  def _observe(self):
    return {
      'pixels': np.full([64, 64, 3], 20 * self._t, np.uint8),
      'state': np.float32([self._t]),
    }


_purposes = iter(['training', 'evaluation'])


@gin.configurable
def failing():
  """Returns the environment; asked first for that of training."""
  faults = json.loads(os.environ['FAILING'])
  return Failing(faults.get(next(_purposes), []))


if __name__ == '__main__':
  import train_eval

  train_eval.main()
