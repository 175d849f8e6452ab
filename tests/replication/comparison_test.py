"""Tests of slac/replication/comparison.py: what is compared with what."""

import json

import pytest

from slac import errors
from slac.replication import comparison, ours
from tests.replication import made_up


@pytest.fixture
def run(tmp_path):
  def make(name, returns=None, seed=0, **settings):
    folder = made_up.write_run(
      tmp_path / name,
      {0: 1.0} if returns is None else returns,
      Experiment_seed=str(seed),
      **settings,
    )
    return ours.read([folder])[0]

  return make


def fault(*arguments):
  with pytest.raises(errors.UserError) as caught:
    comparison.compare(*arguments)
  assert caught.value.exit_code == 65
  return str(caught.value)


def test_the_variance_with_the_best_mean_below_500k_is_selected():
  # 0.4 has the highest return, but at 500,000; 0.04 the best evaluation, but
  # a mean of (0 + 90) / 2; 0.1 has (50 + 60 + 40) / 3 = 50.
  published = [
    made_up.trial({0: 0.0, 499_999: 90.0}, 0.04),
    made_up.trial({0: 50.0, 10_000: 60.0}, 0.1),
    made_up.trial({0: 40.0}, 0.1),
    made_up.trial({0: 45.0, 500_000: 1000.0}, 0.4),
  ]
  (item,) = comparison.compare(published, [])
  assert item.published.variance == 0.1
  assert item.published.curves.mean.tolist() == [45, 60]
  assert item.ours == {}
  (item,) = comparison.compare(published, [], 0.04)
  assert item.published.curves.mean.tolist() == [0, 90]
  message = fault(published, [], 0.5)
  assert 'decoder variance 0.5 (there is 0.04, 0.1, 0.4)' in message


def test_all_of_our_variances_stand_side_by_side_unless_one_is_chosen(run):
  mine = [
    run('a', {0: 1.0}, 0),
    run('b', {0: 3.0}, 0, SlacModel_decoder_variance='0.4'),
    run('c', {0: 5.0}, 1, SlacModel_decoder_variance='0.4'),
  ]
  (item,) = comparison.compare([], mine)
  assert item.published is None
  assert {
    name: [trial.name for trial in selection.trials]
    for name, selection in item.ours.items()
  } == {'decoder_variance = 0.1': ['a'], 'decoder_variance = 0.4': ['b', 'c']}
  assert item.ours['decoder_variance = 0.4'].curves.mean.tolist() == [4]
  (item,) = comparison.compare([], mine, 0.4)
  (selection,) = item.ours.values()
  assert [trial.name for trial in selection.trials] == ['b', 'c']
  assert list(item.ours) == ['']  # What is left does not differ.
  message = fault([], mine, 0.5)
  assert 'No run of cartpole swingup' in message
  assert '(there is 0.1, 0.4)' in message


def test_one_variant_is_drawn_as_the_paper_draws_and_others_are_not(run):
  published = [made_up.trial({0: 1.0})]
  mine = [run('a'), run('b', SlacModel_decoder_variance='0.4')]
  for some, names, is_so in (
    ([], ['published'], True),
    (mine[:1], ['published', 'ours'], True),
    (
      mine,
      ['published', 'decoder_variance = 0.1', 'decoder_variance = 0.4'],
      False,
    ),
  ):
    (item,) = comparison.compare(published, some)
    assert (list(item.sides), item.is_like_the_papers) == (names, is_so)
  (item,) = comparison.compare([], mine[:1])
  assert (list(item.sides), item.is_like_the_papers) == (['ours'], False)


def test_tasks_are_kept_apart(run):
  published = [
    made_up.trial({0: 1.0}, task='walker walk', action_repeat=2),
    made_up.trial({0: 2.0}),
  ]
  first, second = comparison.compare(published, [run('a')])
  assert first.title == 'cartpole swingup (action repeat 4)'
  assert first.ours and first.published.curves.mean.tolist() == [2]
  assert second.title == 'walker walk (action repeat 2)'
  assert second.ours == {}


def test_action_repeats_have_to_agree(run):
  mine = run('a')
  two, four = (made_up.trial({0: float(n)}, action_repeat=n) for n in (2, 4))
  message = fault([two], [mine])
  assert 'action repeat of cartpole swingup is 4' in message
  assert 'but 2 in the published' in message
  # Ours says which of the published ones is meant; without it nothing does.
  (item,) = comparison.compare([two, four], [mine])
  assert item.published.curves.mean.tolist() == [4]
  assert 'several action repeats (2, 4)' in fault([two, four], [])
  other = run(
    'b',
    seed=1,
    Schedule_action_repeat='2',
    DmControlEnvironment_action_repeat='2',
  )
  assert 'several action repeats (2, 4)' in fault([four], [mine, other])
  # Without published ones they are variants, over the same environment steps.
  (item,) = comparison.compare([], [mine, other])
  assert item.title == 'cartpole swingup (action repeat 2, 4)'
  assert list(item.ours) == ['action_repeat = 2', 'action_repeat = 4']


def test_runs_with_the_same_settings_are_trials_of_one_variant(run):
  mine = run('a', seed=0)
  longer = run('b', seed=1, Schedule_env_steps='200')
  (item,) = comparison.compare([], [mine, longer])
  assert len(item.ours[''].trials) == 2
  message = fault([], [mine, run('c', seed=0)])
  assert 'the same settings and the same seed, 0, so' in message


def test_what_runs_began_with_tells_them_apart(run):
  def begun(name, seed, sha256, parts, source='/runs/walker-seed0'):
    origin = {'run': source, 'parts': parts, 'sha256': sha256}
    start = {'init_from': origin}
    return run(name, {0: 1.0}, seed, starts=[start, start])

  one, other = 'a' * 64, 'b' * 64
  mine = [
    run('fresh'),
    begun('a', 0, one, ['model']),
    begun('b', 1, one, ['model'], '/moved/walker-seed0'),
    begun('c', 0, other, ['model']),
    begun('d', 0, one, ['actor', 'model']),
  ]
  (item,) = comparison.compare([], mine)
  assert {
    name: [trial.name for trial in selection.trials]
    for name, selection in item.ours.items()
  } == {
    'init_from not set': ['fresh'],
    "init_from = walker-seed0 aaaaaaaa ['model']": ['a', 'b'],
    "init_from = walker-seed0 bbbbbbbb ['model']": ['c'],
    "init_from = walker-seed0 aaaaaaaa ['actor', 'model']": ['d'],
  }
  (item,) = comparison.compare([], mine[1:3])
  assert list(item.ours) == ['']  # Both began with the same.
  message = fault([], [mine[1], begun('e', 0, one, ['model'])])
  assert 'the same settings and the same seed, 0, so' in message


def test_patience_that_a_run_is_older_than_is_none(run):
  """As of those in docs/runs that were begun before there was any."""
  path = run('today').folder / 'config.json'
  config = json.loads(path.read_text())
  config['Schedule.pretraining_patience'] = 'None'
  path.write_text(json.dumps(config))
  mine = [run('old', seed=1), *ours.read([path.parent])]
  (item,) = comparison.compare([], mine)
  assert [len(selection.trials) for selection in item.ours.values()] == [2]
