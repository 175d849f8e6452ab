"""What an experiment is built from, with environments and agents made here."""

import os
import re
import time
import types

import gin
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.environments import py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.config import bindings
from slac.environments import (
  checked,
  limits,
  offering,
  own_process,
  rendering,
)
from slac.training import collection, experiment
from tests import gin_files_test, tiny

SPECS = {
  'time_step_spec': tiny.TIME_STEP_SPEC,
  'action_spec': tiny.action_spec(2),
}


class Wide(py_environment.PyEnvironment):
  """Actions in [-3, 3]; remembers its seeds."""

  def __init__(self):
    super().__init__(handle_auto_reset=True)
    self.seeds = []

  def seed(self, seed):
    self.seeds.append(seed)

  def action_spec(self):
    return array_spec.BoundedArraySpec([2], np.float32, -3.0, 3.0)

  def observation_spec(self):
    return {'pixels': array_spec.ArraySpec([64, 64, 3], np.uint8)}

  def _reset(self):
    return ts.restart({'pixels': np.zeros([64, 64, 3], np.uint8)})

  def _step(self, action):
    raise NotImplementedError


class Made(list):
  """Makes environments, and has them."""

  def __call__(self):
    self.append(Wide())
    return self[-1]


def modelled(*arguments):
  """Returns as much of an agent with a model as an experiment looks at."""
  del arguments
  return types.SimpleNamespace(model='a model', **SPECS)


@pytest.fixture(autouse=True)
def _schedule():
  slac_gin = str(gin_files_test.FOLDER / 'slac.gin')
  macros = ['ACTION_REPEAT = 2', 'DECODER_VARIANCE = 0.1']
  gin.parse_config_files_and_bindings([slac_gin], macros)
  yield
  gin.clear_config()


def test_environments_are_two_and_only_training_s_is_seeded():
  made = Made()
  specs = []

  def make_agent(*args):
    specs.append(args)
    return modelled(*args)

  parts = experiment.Experiment(seed=7, environment=made, agent=make_agent)
  assert [environment.seeds for environment in made] == [[7], []]
  assert parts.task == 'Wide'
  assert parts.schedule.action_repeat == 2
  ((_, action_spec, seed),) = specs
  # The agent always acts in [-1, 1].
  assert (action_spec.minimum == -1).all()
  assert (action_spec.maximum == 1).all()
  assert seed == 7
  assert parts.random_policy.action_spec == tiny.action_spec(2)
  # What plays for the assessment takes no draw of what collects.
  collects, plays = parts.random_policy, parts.held_out_policy
  assert collects._generator is not plays._generator


@pytest.mark.parametrize('model_updates', [0, 5])
def test_pretraining_without_a_model_is_refused(model_updates):
  with gin.unlock_config():
    gin.bind_parameter('Schedule.model_updates', model_updates)

  def make():
    return experiment.Experiment(
      seed=0,
      environment=Wide,
      agent=lambda *args: types.SimpleNamespace(model=None, **SPECS),
    )

  if model_updates:
    with pytest.raises(errors.UserError, match=r'model_updates = 5 .*: set it'):
      make()
  else:
    assert make().schedule.model_updates == 0


class Choosy(offering.OfferingEnvironment):
  """Offers a state, too, and need not."""

  action_repeat = 2

  def __init__(self):
    offered = {'state': array_spec.ArraySpec([1], np.float32)}
    offered.update(Wide().observation_spec())
    super().__init__('choosy', Wide().action_spec(), offered)

  def _reset(self):
    raise NotImplementedError

  def _step(self, action):
    raise NotImplementedError


def test_environments_offer_what_the_agent_observes():
  parts = experiment.Experiment(
    seed=0,
    environment=Choosy,
    agent=modelled,
  )
  # Through the wrapper that rescales actions, too.
  for environment in (*parts.environments, parts.eval_environment):
    assert list(environment.observation_spec()) == ['pixels']


@gin.configurable(module='slac_test')
def rendered():
  assert os.environ['MUJOCO_GL'] == 'disabled'
  return Wide()


def test_a_gl_library_is_chosen_before_an_environment_is_made(monkeypatch):
  monkeypatch.setattr(rendering, 'find_backend', lambda: errors.UserError(''))
  monkeypatch.setenv('MUJOCO_GL', '')
  experiment.Experiment(
    seed=0,
    environment=rendered,
    agent=modelled,
  )
  with gin.unlock_config():
    gin.parse_config('Experiment.environment = @rendered')
  resolved = bindings.resolved()
  monkeypatch.setenv('MUJOCO_GL', '')
  gin.clear_config()
  experiment.make_environment(2, ['pixels'], resolved)


def test_environments_are_closed_one_after_the_other(capsys):
  made = []

  class Closing(Wide):
    def close(self):
      made.append(self)
      if len(made) == 1:
        raise OSError('no answer')
      time.sleep(100)

  parts = experiment.Experiment(
    seed=0,
    environment=Closing,
    agent=modelled,
  )
  parts.limit = limits.Limit(0.3)
  parts.close()
  assert len(made) == 2
  assert re.fullmatch(
    'The environment is left open, as the environment raised OSError: no '
    r'answer \(.*\)\.\n.*raised TimeoutError: no end within 0 s \(.*\)\.\n',
    capsys.readouterr().err,
  )


def test_what_a_policy_s_export_needs_is_known_once_all_is_closed():
  class Driven(Wide):
    driver = 3.0

    def action_spec(self):
      return array_spec.BoundedArraySpec(
        [2], np.float32, -self.driver, self.driver
      )

    def close(self):
      self.driver = None

  parts = experiment.Experiment(
    seed=0,
    environment=Driven,
    agent=modelled,
  )
  parts.close()
  assert (parts.own_action_spec.maximum == 3).all()


def test_a_process_that_only_plays_makes_one_environment():
  with gin.unlock_config():
    for name, text in collection.ELSEWHERE.items():
      gin.bind_parameter(name, int(text))
  made = Made()
  parts = experiment.Experiment(
    seed=7,
    environment=made,
    agent=modelled,
  )
  assert len(made) == 1 and parts.environments == []
  assert made[0].seeds == []  # Each evaluation seeds it.


def test_what_is_no_environment_is_refused():
  with pytest.raises(errors.UserError, match='PyEnvironment'):
    experiment.Experiment(seed=0, environment=object, agent=lambda *args: None)


@pytest.fixture
def begun(monkeypatch):
  """What `ProcessEnvironment` was given for each process; none is begun."""
  given = []

  class Begun(Wide):
    def __init__(self, *arguments):
      super().__init__()
      given.append(arguments)

    def wait(self):
      pass

  monkeypatch.setattr(own_process, 'ProcessEnvironment', Begun)
  return given


def test_several_environments_are_processes_with_seeds_of_their_own(begun):
  with gin.unlock_config():
    gin.bind_parameter('Collection.environments', 3)
    gin.bind_parameter('Collection.step_seconds', 7.0)
  made = Made()
  parts = experiment.Experiment(
    seed=7,
    environment=made,
    agent=modelled,
  )
  assert made == [parts.eval_environment.wrapped_env().wrapped_env()]
  assert len(parts.environments) == len(begun) == 3
  seeds = [own(x, start=n) for *_, x, own, _ in begun for n in (0, 1)]
  assert seeds[0] == 7  # As the only environment's.
  assert len(set(seeds)) == 6
  assert all(0 <= seed <= errors.LARGEST_SEED for seed in seeds)
  assert {limit for *_, limit in begun} == {parts.limit}


@gin.configurable(module='slac_test')
def seeing(colour):
  made = Choosy()
  made.colour = colour
  return made


def test_another_process_makes_the_environment_from_the_settings():
  with gin.unlock_config():
    gin.parse_config("Experiment.environment = @seeing\nseeing.colour = 'red'")
  resolved = bindings.resolved()
  gin.clear_config()
  made = experiment.make_environment(2, ['pixels'], resolved)
  own = made.wrapped_env()
  assert (own.colour, list(own.observation_spec())) == ('red', ['pixels'])
  # Actions are in [-1, 1] there as well.
  assert (made.action_spec().minimum == -1).all()
  gin.clear_config()
  resolved['Experiment.environment'] = '@sightless'
  with pytest.raises(errors.UserError, match='sightless'):
    experiment.make_environment(2, ['pixels'], resolved)


@gin.configurable(module='slac_test')
def robot(arm=gin.REQUIRED):
  return arm


def refuse(*_):
  raise LookupError('no robot\nhere')


def leave(*_):
  raise SystemExit


class Unseedable(Wide):
  seed = refuse


@pytest.mark.parametrize(
  ('environment', 'raised'),
  [
    (refuse, 'LookupError: no robot'),
    (leave, 'SystemExit'),
    (Unseedable, 'LookupError: no robot'),
  ],
)
def test_an_environment_that_cannot_be_built(environment, raised):
  with pytest.raises(errors.UserError) as caught:
    experiment.Experiment(seed=0, environment=environment)
  assert re.fullmatch(
    'There is nothing to train in, as the environment raised '
    rf'{raised} \(experiment_test.py:\d+\): mend the environment\.',
    str(caught.value).splitlines()[0],  # Gin adds lines of its own.
  )
  assert caught.value.exit_code == 69


def test_a_failure_in_making_is_told_with_its_remedy():
  with pytest.raises(errors.UserError) as caught, experiment.making():
    raise checked.Failure("the environment's reward is nan")
  assert str(caught.value) == (
    "There is nothing to train in, as the environment's reward is nan: mend "
    'the environment.'
  )
  assert caught.value.exit_code == 69


def test_what_an_environment_needs_of_gin_is_said_by_its_name():
  with pytest.raises(errors.UserError) as caught:
    experiment.Experiment(seed=0, environment=robot)
  assert str(caught.value).startswith('robot.arm must be given a value, in a ')
  assert caught.value.exit_code == 78


def disk_bytes(num_parameters, capacity=10_000, worker=False, **changes):
  """What an experiment needs with a replay of steps of 1,000 bytes."""
  plan = {
    'env_steps': 80_000,
    'action_repeat': 1,
    'checkpoint_seconds': 2.0,
    'eval_interval': 10_000,
    'model_updates': 3_000,
    'picture_interval': 1_000,
    **changes,
  }
  parts = types.SimpleNamespace(
    schedule=types.SimpleNamespace(**plan),
    agent=types.SimpleNamespace(num_parameters={'a': num_parameters}),
    evaluation=types.SimpleNamespace(worker=worker),
  )
  ring = types.SimpleNamespace(nbytes=1000 * capacity, capacity=capacity)
  return experiment.Experiment.disk_bytes(parts, ring)


def test_what_a_run_needs_on_the_disk():
  # 10,000 rows, and twice the 4,096 of a file and the 200 that two seconds add,
  # of 1,000 bytes; three times 100 parameters of 16 bytes; pictures of 8
  # evaluations and 3 times in pretraining.
  others = 11 * 6_000_000 + 20_000_000
  assert disk_bytes(100) == 18_592_000 + 4_800 + others
  # An evaluation that is under way has the parameters once more.
  assert disk_bytes(100, worker=True) == 18_592_000 + 9_600 + others


def test_between_two_checkpoints_the_whole_ring_may_be_replaced():
  needed = disk_bytes(0, checkpoint_seconds=1e9, model_updates=0)
  assert needed == 30_000_000 + 8 * 6_000_000 + 20_000_000


def test_a_short_run_writes_no_more_steps_than_it_has():
  needed = disk_bytes(
    0, env_steps=1600, action_repeat=4, eval_interval=2000, model_updates=0
  )
  assert needed == 400_000 + 20_000_000


def test_the_replay_is_joined_as_the_agent_asks():
  parts = experiment.Experiment(
    seed=0,
    environment=Wide,
    agent=lambda *args: types.SimpleNamespace(
      model='a model',
      joined=(2, 1),
      training_data_spec={'step_type': tf.TensorSpec([], tf.int32)},
      train_sequence_length=3,
      **SPECS,
    ),
  )
  ring = parts.make_replay(capacity=20)
  for t in range(12):  # Episodes of three steps.
    ring.add({'step_type': np.int32(t % 3)})
  first, second = np.split(ring.sample(400)['step_type'], 2)
  assert {tuple(x) for x in first} == {(0, 1, 2)}
  assert {tuple(x) for x in second} == {(0, 1, 2), (2, 0, 1)}
