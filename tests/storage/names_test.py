"""Tests of slac/storage/names.py: what a run's folder is called."""

import pytest

from slac import errors
from slac.storage import names


@pytest.fixture
def run_name(tmp_path):
  def call(files, params, seed, **keywords):
    return names.run_name(files, params, seed, str(tmp_path), **keywords)

  return call


def test_names_tell_task_overlays_overrides_and_seed(run_name):
  assert run_name(['gin/walker.gin'], [], 0) == 'walker-seed0'
  files = ['gin/ball_in_cup.gin', '/else/where/quick.gin']
  assert run_name(files, [], 1) == 'ball_in_cup-quick-seed1'
  assert (
    run_name(['gin/walker.gin'], ['slac.A.rate = 1e-4', "B.task='run'"], 2)
    == 'walker-rate=1e-4-task=run-seed2'
  )
  assert run_name(files, [], 1, name='mine') == 'mine'


def test_a_reference_needs_no_hash(run_name):
  def name(value):
    return run_name(['a.gin'], [f'A.model = {value}'], 0)

  assert name('@PlanetModel') == 'a-model=PlanetModel-seed0'
  assert name('@PlanetModel()') == 'a-model=PlanetModel-seed0'
  assert name('%SIZE') == 'a-model=SIZE-seed0'


def test_a_run_is_found_under_the_name_that_an_older_version_gave_it(
  run_name, tmp_path
):
  arguments = ['a.gin'], ['A.model = @PlanetModel'], 3
  before = 'a-model=_PlanetModel-649084-seed3'
  (tmp_path / before).mkdir()
  assert run_name(*arguments) == before
  (tmp_path / 'a-model=PlanetModel-seed3').mkdir()
  assert run_name(*arguments) == 'a-model=PlanetModel-seed3'


def test_a_run_that_begins_from_another_is_named_after_it(run_name):
  origin = 'runs/cheetah-seed4/', ['actor', 'model']
  assert run_name(['walker.gin'], [], 0, origin=origin) == (
    'walker-from=cheetah-seed4+actor+model-seed0'
  )
  # However long its name is, another origin gives another name.
  longs = [
    run_name(['walker.gin'], [], 0, origin=(f'{"x" * 90}{n}', ['model']))
    for n in range(2)
  ]
  assert longs[0] != longs[1] and len(longs[0]) < 100


def test_odd_and_long_overrides_become_a_short_safe_hash(run_name):
  def name(*params):
    return run_name(['a.gin'], params, 0)

  one, two = name('A.x = (1, 2)'), name('A.x = [1, 2]')
  assert one != two
  assert all(c.isalnum() or c in '_.=-' for c in one)
  assert one.startswith('a-x=_1_2-') and one.endswith('-seed0')
  longs = [name(f'A.x = {"9" * 300}{n}') for n in range(2)]
  assert longs[0] != longs[1] and len(longs[0]) < 100
  assert '/' not in name('A.path = "../../etc"')


@pytest.mark.parametrize('name', [None, 'mine'])
def test_what_is_no_text_is_one_sentence(run_name, name):
  origin = 'runs/walker\udcff', ['model']
  for params, begun in (([], origin), (['A.x = 1  # \udcff'], (None, ()))):
    with pytest.raises(
      errors.UserError, match=r'udcff.* is no UTF-8'
    ) as caught:
      run_name(['a.gin'], params, 0, origin=begun, name=name)
    assert caught.value.exit_code == 64


@pytest.mark.parametrize('name', ['', '..', 'a/b', '/a'])
def test_a_given_name_is_one_folder(run_name, name):
  with pytest.raises(errors.UserError) as caught:
    run_name([], [], 0, name=name)
  assert caught.value.exit_code == 64
