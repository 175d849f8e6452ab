"""Tests of slac/environments/dm_control_tasks.py against dm_control's own."""

import io
import json

import numpy as np
import pytest
from tf_agents.environments import utils

from slac import errors
from slac.environments import dm_control_tasks, rendering, requirements

_TASKS = [
  ('cheetah', 'run', 4),
  ('walker', 'walk', 2),
  ('ball_in_cup', 'catch', 4),
  ('finger', 'spin', 1),
  ('cartpole', 'swingup', 4),
  ('reacher', 'easy', 4),
]
_all_tasks = pytest.mark.parametrize('domain, task, action_repeat', _TASKS)


class _BlankRenderer:
  """Counts frames instead of drawing them, which takes most of the time."""

  num_rendered = 0

  def __init__(self, *_):
    pass

  def render(self, _):
    _BlankRenderer.num_rendered += 1
    return np.zeros((64, 64, 3), np.uint8)


@pytest.fixture
def blank(monkeypatch):
  monkeypatch.setattr(rendering, 'Renderer', _BlankRenderer)
  monkeypatch.setattr(_BlankRenderer, 'num_rendered', 0)
  return _BlankRenderer


def _environment(domain, task, action_repeat, seed=0):
  environment = dm_control_tasks.DmControlEnvironment(
    domain, task, action_repeat, camera=0, shadow_map_size=512, multisamples=0
  )
  environment.seed(seed)
  return environment


def _actions(environment, n):
  spec = environment.action_spec()
  generator = np.random.default_rng(1)
  return generator.uniform(spec.minimum, spec.maximum, [n, *spec.shape]).astype(
    np.float32
  )


def _through_files(tree):
  """A state as read back from JSON with its arrays in an npz file."""
  arrays = []

  def take_array(array):
    arrays.append(array)
    return {'array': len(arrays) - 1}

  text = json.dumps(tree, default=take_array)
  file = io.BytesIO()
  np.savez(file, *arrays)
  file.seek(0)
  with np.load(file, allow_pickle=False) as stored:
    return json.loads(
      text,
      object_hook=lambda d: stored[f'arr_{d["array"]}'] if 'array' in d else d,
    )


def _run(environment, actions):
  """The current step and those after it, each with MuJoCo's own state."""
  steps = [environment.current_time_step()]
  physics = [environment.get_state()['episode']['physics']]
  for action in actions:
    steps.append(environment.step(action))
    physics.append(environment.get_state()['episode']['physics'])
  return steps, np.array(physics)


def _assert_same(step, other):
  for field, expected in (
    (step.step_type, other.step_type),
    (step.reward, other.reward),
    (step.discount, other.discount),
    (step.observation['state'], other.observation['state']),
    (step.observation['pixels'], other.observation['pixels']),
  ):
    assert field.dtype == expected.dtype
    np.testing.assert_array_equal(field, expected)


@_all_tasks
def test_episode_equals_dm_controls_own(blank, domain, task, action_repeat):
  environment = _environment(domain, task, action_repeat, seed=5)
  from dm_control import suite

  own = suite.load(domain, task, task_kwargs={'random': 5})
  num_steps = 1000 // action_repeat
  step, own_step = environment.reset(), own.reset()
  assert step.is_first()
  for i, action in enumerate(_actions(environment, num_steps), start=1):
    step = environment.step(action)
    reward = 0
    for _ in range(action_repeat):
      own_step = own.step(action)
      reward += own_step.reward
    state = np.concatenate([np.ravel(v) for v in own_step.observation.values()])
    np.testing.assert_array_equal(
      step.observation['state'], state.astype(np.float32)
    )
    assert step.reward == np.float32(reward)
    assert step.is_last() == (i == num_steps)
    assert step.discount == 1
  assert own_step.last()
  assert blank.num_rendered == num_steps + 1
  assert environment.step(action).is_first()


@pytest.mark.parametrize('names', [['state'], ['pixels']])
def test_only_what_is_observed_is_offered_and_rendered(blank, names):
  environment = _environment('cartpole', 'swingup', 8, seed=5)
  both = _environment('cartpole', 'swingup', 8, seed=5)
  environment.observe(names)
  assert list(environment.observation_spec()) == names
  steps = [(environment.reset(), both.reset())]
  before = blank.num_rendered
  for action in _actions(environment, 10):
    steps.append((environment.step(action), both.step(action)))
  rendered = 20 if names == ['pixels'] else 10
  assert blank.num_rendered == before + rendered
  for step, other in steps:
    assert list(step.observation) == names
    (name,) = names
    np.testing.assert_array_equal(
      step.observation[name], other.observation[name]
    )
    assert step.reward == other.reward
  # Saved with both, as by version 0.1, it goes on with what is observed.
  again = _environment('cartpole', 'swingup', 8)
  again.observe(names)
  again.set_state(_through_files(both.get_state()))
  assert list(again.current_time_step().observation) == names
  action = np.ones(1, np.float32)
  assert again.step(action).reward == environment.step(action).reward
  if names == ['state']:
    assert again.render_seconds == environment.render_seconds == 0
    assert environment.render().shape == (64, 64, 3)  # For a film.


def test_to_be_filmed_changes_nothing_of_what_is_seen():
  filmed, other = (_environment('cartpole', 'swingup', 8, 5) for _ in range(2))
  for environment in (filmed, other):
    environment.observe(['pixels'])
  steps = [(filmed.reset(), other.reset())]
  for action in _actions(filmed, 3):
    frame = filmed.draw_for_film((96, 128))
    steps.append((filmed.step(action), other.step(action)))
  for step, expected in steps:
    np.testing.assert_array_equal(
      step.observation['pixels'], expected.observation['pixels']
    )
  assert frame.shape == (96, 128, 3)
  # It is the same scene, from nearby: the means of its pixels are alike.
  small = filmed.render()
  large = filmed.draw_for_film((256, 256))
  means = large.reshape([64, 4, 64, 4, 3]).mean(axis=(1, 3))
  assert np.abs(means - small).mean() < 3
  filmed.close()
  np.testing.assert_array_equal(filmed.draw_for_film((256, 256)), large)


def test_images_have_the_size_that_is_asked_for():
  environment = dm_control_tasks.DmControlEnvironment(
    'cartpole', 'swingup', 8, 0, 512, 4, image_size=[32, 48]
  )
  assert environment.observation_spec()['pixels'].shape == (32, 48, 3)
  pixels = environment.reset().observation['pixels']
  physics = environment._environment.physics
  np.testing.assert_array_equal(pixels, physics.render(32, 48, camera_id=0))


@pytest.mark.slow
def test_every_task_of_the_suite_is_one():
  rendering.choose_backend()
  from dm_control import suite

  refused = []
  for domain, task in suite.ALL_TASKS:
    environment = dm_control_tasks.DmControlEnvironment(
      domain, task, 4, 0, 512, 0
    )
    environment.observe(['state'])
    environment._environment._step_limit = 20  # By themselves most have 1,000.
    try:
      prepared = requirements.prepare(environment, 4)
    except errors.UserError as error:
      refused.append(f'{domain}: {error}')
      continue
    assert requirements.name_of(prepared) == f'{domain} {task}'
    step = prepared.reset()
    for _ in range(5):
      assert not step.is_last()
      assert np.isfinite(step.observation['state']).all()
      step = prepared.step(np.zeros(prepared.action_spec().shape, np.float32))
    assert (step.is_last(), step.discount) == (True, 1.0), environment.name
  # The actions of these have no bounds.
  assert [text.split(':')[0] for text in refused] == ['lqr', 'lqr']
  assert all('a finite minimum' in text for text in refused)


@_all_tasks
def test_conforms_to_tf_agents(blank, domain, task, action_repeat):
  environment = _environment(domain, task, action_repeat)
  utils.validate_py_environment(environment, episodes=1)
  spec = environment.action_spec()
  assert spec.dtype == np.float32 and len(spec.shape) == 1
  assert np.all(spec.minimum == -1) and np.all(spec.maximum == 1)
  assert environment.name == f'{domain} {task}'


@_all_tasks
def test_resumes_exactly_across_an_episodes_end(domain, task, action_repeat):
  environment = _environment(domain, task, action_repeat)
  actions = _actions(environment, 40)
  environment.reset()
  # Skip to 15 steps before the episode's end.
  state = environment.get_state()
  state['episode']['step_count'] = 1000 - 15 * action_repeat
  environment.set_state(state)
  for action in actions[:5]:
    environment.step(action)
  state = _through_files(environment.get_state())
  expected, expected_physics = _run(environment, actions[5:])
  environment.close()

  resumed = _environment(domain, task, action_repeat, seed=99)
  resumed.reset()
  resumed.step(actions[0])
  resumed.set_state(state)
  steps, physics = _run(resumed, actions[5:])
  np.testing.assert_array_equal(physics, expected_physics)
  for step, other in zip(steps, expected, strict=True):
    _assert_same(step, other)
  assert [bool(s.is_last()) for s in steps].index(True) == 10
  assert steps[11].is_first()
  assert (
    steps[0].observation['pixels'] != steps[11].observation['pixels']
  ).any()


def test_resumes_before_the_first_reset(blank):
  environment = _environment('cartpole', 'swingup', 4, seed=3)
  state = _through_files(environment.get_state())
  expected = environment.reset()
  resumed = _environment('cartpole', 'swingup', 4, seed=4)
  resumed.reset()
  resumed.set_state(state)
  step = resumed.step(np.zeros([1], np.float32))
  assert step.is_first()
  _assert_same(step, expected)


def test_a_state_does_not_change_with_the_environment(blank):
  environment = _environment('reacher', 'easy', 4)
  environment.reset()
  state = environment.get_state()
  before = json.dumps(state, default=np.ndarray.tolist)
  for action in _actions(environment, 3):
    environment.step(action)
  environment.reset()
  assert json.dumps(state, default=np.ndarray.tolist) == before


def test_the_seed_decides_the_episodes(blank):
  def starts(seed):
    environment = _environment('reacher', 'easy', 4, seed)
    return np.array([environment.reset().observation['state'] for _ in '12'])

  assert (starts(1) == starts(1)).all()
  assert (starts(1) != starts(2)).any()
  assert (starts(1)[0] != starts(1)[1]).any()


def test_termination_inside_the_action_repeat(blank, monkeypatch):
  environment = _environment('cartpole', 'swingup', 4)
  environment.reset()
  dm_control_task = environment._environment.task
  endings = iter([None, 0.0])
  monkeypatch.setattr(
    dm_control_task, 'get_termination', lambda _: next(endings)
  )
  monkeypatch.setattr(dm_control_task, 'get_reward', lambda _: 1.5)
  step = environment.step(np.zeros([1], np.float32))
  assert step.is_last()
  assert step.discount == 0
  assert step.reward == 3  # 2 of the 4 steps.


def test_renders_after_the_last_repeat():
  environment = _environment('cheetah', 'run', 4)
  environment.reset()
  step = environment.step(np.ones([6], np.float32))
  physics = environment._environment.physics
  np.testing.assert_array_equal(
    step.observation['pixels'], physics.render(64, 64, camera_id=0)
  )
  assert environment.render_seconds > 0


def test_a_terrain_drawn_at_reset_is_seen():
  environment = _environment('quadruped', 'escape', 4)
  environment.reset()
  step = environment.reset()
  physics = environment._environment.physics
  fresh = rendering.Renderer(physics.model.ptr, 0, 512, 0)
  np.testing.assert_array_equal(
    step.observation['pixels'], fresh.render(physics.data.ptr)
  )


@pytest.mark.parametrize(
  'domain, task, message',
  [
    ('waker', 'walk', "no domain 'waker' (did you mean walker?)."),
    ('walker', 'wlak', "no walker task 'wlak' (did you mean walk?)."),
    ('walker', 'zzz', "no walker task 'zzz' (there are run, stand, walk)."),
  ],
)
def test_unknown_names(domain, task, message):
  with pytest.raises(errors.UserError) as raised:
    _environment(domain, task, 1)
  assert f'{message}\n' in f'{raised.value}\n'  # gin adds a line.


def test_a_long_name_is_cut():
  with pytest.raises(errors.UserError, match=r"domain 'w{48}\.{3}w{48}' \("):
    dm_control_tasks.DmControlEnvironment('w' * 999, 'walk', 2, 0, 512, 0)


def test_unknown_camera():
  with pytest.raises(errors.UserError, match='no camera 2: it has 2'):
    dm_control_tasks.DmControlEnvironment('walker', 'walk', 2, 2, 512, 0)
