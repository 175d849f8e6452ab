"""Policies that are exported to be watched, with a record of what they did."""

import json
import re
import shlex
import sys

import gin
import numpy as np
import pytest
import tensorflow as tf

from slac import deployment, errors, play
from slac.config import bindings
from slac.deployment import description, playing, records
from slac.environments import requirements
from slac.storage import checkpoints
from slac.training import evaluation, experiment, flags, schedule
from tests import tiny
from tests.deployment import exported
from tests.training import transfer_test

SHIPPED = sorted(
  path.parent for path in records.FOLDER.glob(f'*/{records.NAME}')
)
LARGEST = 3_000_000  # Bytes.
COMMAND = [
  *('/home/me/train_eval.py', '--gin_file=gin/cartpole.gin'),
  *('--gin_file', '/home/me/tiny.gin', '--gin_param=ACTION_REPEAT = 20'),
  *('--root_dir=/home/me/runs', '--seed=3'),
]
START = {'command': COMMAND, 'git': {'commit': 'ab' * 20, 'dirty': False}}


@pytest.fixture
def run(tmp_path):
  """The folder of a run with a tiny agent, as if it had been trained."""
  folder = tmp_path / 'run'
  folder.mkdir()
  bindings.load(
    ['gin/cartpole.gin', 'tests/tiny.gin'],
    ['ACTION_REPEAT = 20', 'Experiment.seed = 3', 'Replay.capacity = 100'],
  )
  agent = experiment.Experiment().agent
  tiny.shake(agent._actor)
  (folder / 'config.json').write_text(json.dumps(bindings.resolved()))
  (folder / 'version.json').write_text(json.dumps([START]))
  (folder / 'videos').mkdir()
  saver = checkpoints.Checkpoints(
    folder / 'checkpoints',
    tf.train.Checkpoint(agent=agent),
    transfer_test.NoReplay(),
  )
  saver.restore()
  counters = schedule.Counters(action_repeat=20, agent_steps=50)
  saver.save(7, {'counters': counters.get_state()})
  yield folder
  gin.clear_config()


@pytest.fixture
def played(monkeypatch):
  """The episodes that are played, call by call."""
  found, run_policy = [], play.run

  def run(*arguments):
    found.append(run_policy(*arguments))
    return found[-1]

  monkeypatch.setattr(play, 'run', run)
  return found


@pytest.fixture
def call(monkeypatch, capsys):
  """Plays, as told by flags; returns what is printed."""

  def with_flags(*flags):
    monkeypatch.setattr(sys, 'argv', ['play', *map(str, flags)])
    play.main()
    return capsys.readouterr().out

  return with_flags


@pytest.mark.slow
def test_what_is_exported_to_be_watched_returns_the_same_again(
  run, call, played, tmp_path
):
  folder, film = tmp_path / 'policy', tmp_path / 'film.gif'
  told = call(
    *(run, '--export', folder, '--half', '--episodes=2', '--video', film)
  )
  assert film.exists()
  text = (folder / records.NAME).read_text()
  assert '/home/me' not in text
  record = records.read(folder)
  assert record['trained'] == {
    'flags': [
      *('--gin_file=gin/cartpole.gin', '--gin_file', 'tiny.gin'),
      *('--gin_param=ACTION_REPEAT = 20', '--seed=3'),
    ],
    'commit': 'ab' * 20,
    'has_changes': False,
  }
  returns = record['evaluation']['returns']
  assert record['evaluation']['lengths'] == [50, 50]
  assert returns[0] != returns[1] and min(returns) > 0
  for number, value in enumerate(returns, start=1):
    assert f'episode {number}: return {value:.1f}, 50 agent steps' in told
  film.unlink()
  (run / 'config.json').unlink()  # Nothing is taken from the run.
  told = call('--pretrained', folder, '--episodes=1', '--video', film)
  first = f'{returns[0]:.1f}'
  assert f'episode 1: return {first},' in told and film.exists()
  # To the last bit, as the policy that was recorded is the exported one.
  assert [played[1][0].episode_return] == returns[:1]
  assert 'cartpole swingup, after 1,000 environment steps' in told
  assert (
    'trained by --gin_file=gin/cartpole.gin --gin_file tiny.gin '
    "'--gin_param=ACTION_REPEAT = 20' --seed=3, " in told
  )
  assert 'commit abababababab\n' in told
  assert re.search(
    rf'recorded: mean return [\d.]+ of 2 .* --seed=0, the first {first}\n', told
  )
  about = json.loads((folder / description.NAME).read_text())
  (folder / description.NAME).write_text(json.dumps({**about, 'greedy': False}))
  with pytest.raises(SystemExit, match='64'):
    call('--pretrained', folder, '--greedy')
  # A stranger's record runs nothing.
  record['config']['import'] = 'trap'
  (folder / records.NAME).write_text(json.dumps(record))
  with pytest.raises(SystemExit, match='78'):
    call('--pretrained', folder)
  (folder / records.NAME).write_text('{}')
  with pytest.raises(errors.UserError, match='is damaged'):
    records.read(folder)


def test_actions_reach_an_environment_in_its_own_bounds():
  agent = exported.make_agent('state')
  policy = exported.policy(agent)
  inner = exported.Recorder()
  environment = requirements.prepare(inner, 1)
  time_step = environment.reset()
  seen = exported.observations(1)[0]
  time_step = time_step._replace(observation=seen)
  player = evaluation.compiled.CompiledPolicy(playing.PlayedPolicy(policy))
  step = player.action(time_step, player.get_initial_state())
  environment.step(step.action)
  own, _ = policy(seen, policy.initial_state())
  assert np.all(own > exported.LOW) and np.all(own < exported.HIGH)
  np.testing.assert_allclose(inner.actions[0], own, rtol=1e-5)


def test_each_episode_of_a_sampled_policy_has_draws_of_its_own():
  player = playing.PlayedPolicy(
    exported.policy(exported.make_agent('state'), greedy=False)
  )
  player.reseed(4)
  first, second = (player.get_initial_state(1)['seed'] for _ in range(2))
  assert np.any(first != second)
  player.reseed(4)
  np.testing.assert_array_equal(player.get_initial_state(1)['seed'], first)


def test_a_policy_that_is_not_there_is_named(tmp_path, monkeypatch):
  monkeypatch.setattr(records, 'FOLDER', tmp_path)
  with pytest.raises(errors.UserError, match='in it: name a folder that'):
    records.find('walker')
  (tmp_path / 'walker').mkdir()
  (tmp_path / 'walker' / records.NAME).write_text('{}')
  with pytest.raises(errors.UserError, match='one of walker, or a folder'):
    records.find('wlaker')
  assert records.find('walker') == tmp_path / 'walker'


def test_a_name_of_two_policies_is_refused_and_a_path_is_one(
  tmp_path, monkeypatch
):
  shipped, here = tmp_path / 'shipped', tmp_path / 'here'
  for folder in (shipped / 'walker', here / 'walker'):
    folder.mkdir(parents=True)
    (folder / records.NAME).write_text('{}')
  monkeypatch.setattr(records, 'FOLDER', shipped)
  monkeypatch.chdir(here)
  with pytest.raises(errors.UserError) as caught:
    records.find('walker')
  assert f'name ./walker or {shipped}/walker.' in str(caught.value)
  assert caught.value.exit_code == 64
  assert records.find('./walker').samefile(here / 'walker')
  assert records.find(f'{shipped}/walker') == shipped / 'walker'
  monkeypatch.chdir(shipped)  # There it is one policy.
  assert records.find('walker') == shipped / 'walker'


def test_flags_of_a_command_are_kept_without_its_paths(monkeypatch):
  words = [
    *('train_eval.py', '--gin_file', '/me/a.gin', '--gin_param=A = "b=c"'),
    *('--root_dir', '/me/runs', '--init_from=/me/runs/walker-seed0'),
    *('--init_parts', 'model', 'actor', '--fresh', '--seed', '3'),
  ]
  kept = [
    *('--gin_file', 'a.gin', '--gin_param=A = "b=c"'),
    *('--init_from=walker-seed0', '--init_parts', 'model', 'actor'),
    *('--seed', '3'),
  ]
  assert records._flags(words) == kept
  # And can be pasted into a shell.
  trained = {'flags': kept, 'commit': 'ab' * 20, 'has_changes': False}
  told = records.sentence({'trained': trained})
  told = told.removeprefix('trained by ').removesuffix(f', commit {"ab" * 6}')
  assert shlex.split(told) == kept
  monkeypatch.setattr(sys, 'argv', ['train_eval.py', *shlex.split(told)])
  found = flags.parse('')
  assert (found.gin_file, found.gin_param) == (['a.gin'], ['A = "b=c"'])
  assert (found.init_parts, found.seed) == (['actor', 'model'], 3)


@pytest.mark.slow
@pytest.mark.parametrize('folder', SHIPPED, ids=lambda folder: folder.name)
def test_a_shipped_policy_returns_what_is_recorded(folder):
  """Or much as another episode of it, as last bits of others lead to others."""
  assert sum(p.stat().st_size for p in folder.rglob('*')) <= LARGEST
  record, policy = records.read(folder), deployment.load(folder)
  about, recorded = policy.about, record['evaluation']
  if about['task'].startswith('sawyer'):
    pytest.importorskip('metaworld')
  environment = experiment.make_environment(
    about['action_repeat'], about['observation'], record['config']
  )
  # Those before it return what any other arm does, next to nothing.
  number = 5 if folder.name == 'reacher' else 1
  player = playing.PlayedPolicy(policy)
  reseed = player.reseed

  def reseed_and_skip(seed):
    reseed(seed)
    for _ in range(number - 1):  # Episodes draw when they begin, and only then.
      environment.reset()
      player.get_initial_state(1)

  player.reseed = reseed_and_skip
  evaluator = evaluation.Evaluator(environment, player, recorded['seed'])
  (episode,) = evaluator.run(1, about['env_steps'])
  gin.clear_config()
  returns, lengths = recorded['returns'], recorded['lengths']
  found = episode.episode_return
  if len(set(lengths)) > 1:  # It falls, and when is of the last bits.
    # At random it does within five steps, for nothing.
    assert found > min(returns) / 2 and episode.length > min(lengths) / 2
    return
  assert episode.length == lengths[number - 1]
  if about['task'].startswith('sawyer'):
    # It goes on alike: with all actions 1e-4 off it returns 1.4% more or less.
    assert found == pytest.approx(returns[0], rel=0.2)
    return
  margin = max(0.05 * abs(np.mean(returns)), np.std(returns))
  among = returns if number == 1 else returns[number - 1 : number]
  assert min(among) - margin <= found <= max(among) + margin
