"""The benchmark's arithmetic by hand, and all of it at tiny size."""

import collections
import types

import gin
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import array_spec

from slac import errors
from slac.benchmark import __main__ as benchmark
from slac.benchmark import environments, measuring, run_time, subjects, tables
from slac.models import networks
from slac.training import replay


@pytest.fixture(autouse=True)
def _unbound():
  yield
  gin.clear_config()


def test_operations_are_counted_from_the_shapes():
  encoder = networks.Encoder(32, 256)
  function = tf.function(encoder).get_concrete_function(
    tf.TensorSpec([7, 64, 64, 3], tf.uint8)
  )
  multiplications = (
    32 * 32 * 5 * 5 * 3 * 32
    + 16 * 16 * 3 * 3 * 32 * 64
    + 8 * 8 * 3 * 3 * 64 * 128
    + 4 * 4 * 3 * 3 * 128 * 256
    + 4 * 4 * 256 * 256
  )
  counted = measuring.operations(function)
  # And as many additions; a few hundred thousand of biases are counted too.
  assert counted == pytest.approx(7 * 2 * multiplications, rel=0.005)


def test_what_nothing_depends_on_is_not_counted():
  kept = tf.Variable(tf.zeros([4, 6]))

  @tf.function
  def returning(x, y):
    tf.matmul(x, x)
    return tf.matmul(y, y, transpose_b=True)

  @tf.function
  def assigning(x, y):
    tf.matmul(x, x)
    kept.assign(tf.matmul(x, y))

  shapes = [tf.TensorSpec([4, 4]), tf.TensorSpec([4, 6])]
  counted = [
    measuring.operations(function.get_concrete_function(*shapes))
    for function in (returning, assigning)
  ]
  assert counted == [2 * 4 * 6 * 4, 2 * 4 * 4 * 6]


def test_shares_are_of_the_rate_at_the_same_type(capsys):
  row = {'name': 'x', 'dtype': 'bfloat16', **measuring.spread([2, 1, 4, 3, 5])}
  rows = [{**row, 'operations': 6e9}, {'name': 'y', **measuring.spread([1])}]
  tables.print_computations(rows, {'float32': 4e9, 'bfloat16': 8e9})
  lines = capsys.readouterr().out.splitlines()
  # 6 GFLOP in 3 s are 2 GFLOP/s, a quarter of 8.
  assert (
    lines[3] == '| x | bfloat16 | 3000.0 (2000.0 to 4000.0) | 6.0 | 2 | 25% |'
  )
  assert lines[4] == '| y |  | 1000.0 (1000.0 to 1000.0) |  |  |  |'


def test_every_environment_takes_a_step_in_a_turn(capsys):
  seconds = {'acting': {'median_s': 0.1}, 'turn': {'median_s': 0.5}}
  environments.print_table([{'environments': 4, **seconds}])
  assert capsys.readouterr().out.endswith('| 4 | 40.0 | 8.0 |\n')


def test_every_method_can_be_chosen():
  assert tuple(subjects.SUBJECTS) == benchmark.METHODS


@pytest.mark.parametrize(
  'param', ['Collection.workers = 2', 'Collection.environments = 2']
)
def test_what_would_not_be_measured_is_refused_at_the_start(param):
  with pytest.raises(errors.UserError, match=param):
    benchmark.benchmark(subjects.SUBJECTS['slac'], [param], repeats=2)


@pytest.mark.parametrize('capacity', [7, 10, 25])
def test_a_replay_of_any_size_is_filled(monkeypatch, capacity):
  monkeypatch.setattr(benchmark, 'FRAMES', 10)
  step = collections.namedtuple('Step', ['step_type', 'observation'])
  spec = step(
    array_spec.ArraySpec([], np.int32), array_spec.ArraySpec([], np.uint8)
  )
  ring = replay.Replay(spec, sequence_length=3, seed=0, capacity=capacity)

  def act(_):
    ring.add(step(np.int32(1), np.uint8(ring.num_added)))

  benchmark.fill(ring, types.SimpleNamespace(step=act), policy=None)
  recorded = [number % 10 for number in range(capacity)]
  assert ring.rows(0, capacity)['observation'].tolist() == recorded


@pytest.mark.slow
def test_a_setting_without_an_effect_is_refused():
  params = ["include 'tests/tiny.gin'", 'AlmNetworks.hidden_size = 8']
  with pytest.raises(errors.UserError, match=r'reads AlmNetworks\.hidden_size'):
    benchmark.benchmark(subjects.SUBJECTS['slac'], params, repeats=2)


@pytest.fixture
def _small(monkeypatch):
  monkeypatch.setattr(measuring, 'MATRIX_SIZES', (8, 16))
  monkeypatch.setattr(benchmark, 'FRAMES', 10)
  monkeypatch.setattr(benchmark, 'SIDE_BY_SIDE', (1, 2))
  monkeypatch.setattr(run_time, 'FRAMES', 20)
  monkeypatch.setattr(measuring, 'WARM_UP', 1)


@pytest.mark.slow
@pytest.mark.usefixtures('_small')
@pytest.mark.long
def test_everything_is_measured(capsys):
  subject = subjects.SUBJECTS['slac']._replace(
    tasks=('cartpole',), dtypes=('float32',)
  )
  params = [
    "include 'tests/tiny.gin'",
    'Replay.capacity = 25',
  ]
  report = benchmark.benchmark(subject, params, repeats=2)
  assert report['gin_params'] == params
  assert [row['name'] for row in report['loop']] == [
    'acting',
    'sampling',
    'turn of the loop',
  ]
  assert [row['name'] for row in report['updates']] == [
    'full update',
    'model-only update',
    'full update, as the reference',
    'model-only update, as the reference',
  ]
  for row in report['loop'] + report['updates']:
    assert 0 < row['quartile1_s'] <= row['median_s'] <= row['quartile3_s']
  full, model, *_, reference, _ = report['updates']
  assert 0 < model['operations'] < full['operations'] < reference['operations']
  assert report['reference_ratio'] == pytest.approx(
    reference['median_s'] / full['median_s']
  )
  (task,) = report['tasks']
  assert 0 < task['rendering']['median_s'] < task['environment']['median_s']
  assert np.isfinite(task['hours'])
  assert [row['environments'] for row in report['side_by_side']] == [1, 2]
  for row in report['side_by_side']:
    assert row['acting']['median_s'] > 0
    assert row['turn']['median_s'] > 0
  assert '| cartpole | ' in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures('_small')
@pytest.mark.long
def test_of_alm_there_is_one_update_and_no_reference():
  subject = subjects.SUBJECTS['alm']._replace(
    tasks=('hopper',), dtypes=('float32',)
  )
  params = [
    "include 'tests/tiny.gin'",
    'Replay.capacity = 25',
    'Schedule.model_updates = 0',
    "Mlp.compute_dtype = 'float32'",
    'AlmNetworks.hidden_size = 8',
    'AlmNetworks.model_hidden_size = 8',
  ]
  report = benchmark.benchmark(subject, params, repeats=2)
  (update,) = report['updates']
  assert update['name'] == 'full update'
  assert report['reference_ratio'] is None
  assert list(report['matrix_product_flops_per_s']) == [update['dtype']]
  (task,) = report['tasks']
  # From the state: nothing is rendered.
  assert task['rendering']['median_s'] == 0
  assert np.isfinite(task['hours'])
