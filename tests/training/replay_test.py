"""The replay: which sequences it draws, and that it resumes exactly."""

import collections
import itertools
import json

import numpy as np
import pytest
from tf_agents.specs import array_spec
from tf_agents.trajectories import trajectory

from slac import errors
from slac.training import memory, replay, streams

FIRST, MID, LAST = 0, 1, 2

# A step that carries its own number, so that a batch tells what was drawn.
Step = collections.namedtuple('Step', ['step_type', 'observation'])
SPEC = Step(
  array_spec.ArraySpec([], np.int32),
  {'pixels': array_spec.ArraySpec([2], np.uint8)},
)


def numbered(number, step_type=MID):
  return Step(
    np.int32(step_type), {'pixels': np.full(2, number % 256, np.uint8)}
  )


def filled(
  step_types,
  capacity=100,
  sequence_length=3,
  seed=0,
  joined=(1,),
  recency=1.0,
):
  ring = replay.Replay(
    SPEC, sequence_length, seed, capacity, joined, recency=recency
  )
  for number, step_type in enumerate(step_types):
    ring.add(numbered(number, step_type))
  return ring


def interleaved(
  steps, num_streams=2, capacity=100, sequence_length=3, joined=(1,)
):
  """A ring of steps, each given as its stream and its type."""
  ring = replay.Replay(SPEC, sequence_length, 0, capacity, joined, num_streams)
  for number, (stream, step_type) in enumerate(steps):
    ring.add(numbered(number, step_type), stream)
  return ring


def drawn(batch):
  """The sequences of step numbers in a batch, as tuples."""
  return [tuple(row) for row in batch.observation['pixels'][..., 0].tolist()]


def copy_of(ring, sequence_length=3, seed=99):
  """A new replay with the contents and state, taken through JSON."""
  arrays = {}

  def no_arrays(node, path=()):
    if isinstance(node, np.ndarray):
      arrays[path] = node.copy()
      return None
    if isinstance(node, dict):
      return {key: no_arrays(node[key], (*path, key)) for key in node}
    return node

  state = json.loads(json.dumps(no_arrays(ring.get_state())))
  for (*parents, key), array in arrays.items():
    node = state
    for parent in parents:
      node = node[parent]
    node[key] = array
  new = replay.Replay(SPEC, sequence_length, seed, capacity=ring.capacity)
  oldest = ring.num_added - ring.size
  middle = oldest + ring.size // 3
  for start, stop in [(oldest, middle), (middle, ring.num_added)]:
    new.restore_rows(start, ring.rows(start, stop))
  new.set_state(state)
  return new


def test_draws_exactly_the_sequences_of_the_rule():
  # Two episodes, 0-3 and 4-8. (3, 4) joins them, so no sequence ends in 4.
  ring = filled([FIRST, MID, MID, LAST, FIRST, MID, MID, MID, LAST])
  expected = {
    (0, 1, 2),
    (1, 2, 3),
    (3, 4, 5),
    (4, 5, 6),
    (5, 6, 7),
    (6, 7, 8),
  }
  assert set(drawn(ring.sample(500))) == expected


def test_rule_by_enumeration_of_all_short_histories():
  for types in itertools.product([FIRST, MID, LAST], repeat=5):
    valid = {
      (t, t + 1, t + 2)
      for t in range(3)
      if types[t + 1] != LAST and types[t + 2] != FIRST
    }
    ring = filled(types)
    if valid:
      assert set(drawn(ring.sample(100))) == valid, types
    else:
      with pytest.raises(errors.UserError, match='random_agent_steps'):
        ring.sample(100)


def test_within_episodes_by_enumeration_of_all_short_histories():
  for types in itertools.product([FIRST, MID, LAST], repeat=6):
    joined = [
      before != LAST and after != FIRST
      for before, after in itertools.pairwise(types)
    ]
    # The ring of five steps has lost the first.
    valid = {(t, t + 1, t + 2) for t in range(1, 4) if all(joined[t : t + 2])}
    ring = filled(types, capacity=5, joined=(2,))
    if valid:
      assert set(drawn(ring.sample(100))) == valid, types
    else:
      with pytest.raises(errors.UserError, match='random_agent_steps'):
        ring.sample(100)


def test_each_part_of_a_batch_is_drawn_by_itself():
  types = [FIRST, MID, MID, LAST, FIRST, MID, MID, MID, LAST]
  ring = filled(types, joined=(2, 1))
  for _ in range(2):
    batch = drawn(ring.sample(400))
    assert set(batch[:200]) == {*within(0, 3), *within(4, 8)}
    assert set(batch[200:]) == {*within(0, 3), (3, 4, 5), *within(4, 8)}


def within(first, last):
  """Three successive steps each, from those numbered `first` to `last`."""
  return [(t, t + 1, t + 2) for t in range(first, last - 1)]


def test_episodes_that_are_shorter_than_what_is_joined_are_the_reason_then():
  episodes = 4 * [FIRST, MID, LAST]  # Of two transitions.
  for joined, remedy in (((1,), False), ((3, 1), True)):
    ring = filled(episodes, sequence_length=20, joined=joined)
    with pytest.raises(errors.UserError) as caught:
      ring.sample(2)
    told = 'or look fewer steps ahead than 3.' in str(caught.value)
    assert told == remedy


def test_an_episode_may_have_more_steps_than_a_byte_counts():
  ring = filled([FIRST] + [MID] * 299, capacity=5, joined=(2,))
  of_bytes = [number % 256 for number in range(295, 300)]
  assert set(drawn(ring.sample(100))) == {
    tuple(of_bytes[i : i + 3]) for i in range(3)
  }


def test_episode_that_was_cut_off_is_joined_to_nothing():
  # Nothing was LAST, but step 3 began a new episode after a broken resume.
  ring = filled([FIRST, MID, MID, FIRST, MID], sequence_length=2)
  assert set(drawn(ring.sample(300))) == {(0, 1), (1, 2), (3, 4)}


def test_first_in_first_out_and_sequences_over_the_wrap():
  ring = filled([MID] * 10, capacity=6)  # Holds 4 ... 9; 6 lies in slot 0.
  assert (ring.size, ring.num_added) == (6, 10)
  expected = {(4, 5, 6), (5, 6, 7), (6, 7, 8), (7, 8, 9)}
  assert set(drawn(ring.sample(300))) == expected


def test_episode_end_in_a_wrapped_ring():
  types = [MID] * 7 + [LAST, FIRST, MID]
  ring = filled(types, capacity=6)
  assert set(drawn(ring.sample(300))) == {(4, 5, 6), (5, 6, 7), (7, 8, 9)}


def test_draws_uniformly():
  ring = filled([FIRST, MID, LAST] * 10, capacity=25)
  counts = collections.Counter(drawn(ring.sample(32000)))
  # It holds 5 ... 29: of the 23 ends from 7 on, 7 would be a FIRST.
  assert len(counts) == 16
  # Chi-square with 15 degrees of freedom exceeds 44.3 once in 10,000.
  deviation = sum((n - 2000) ** 2 / 2000 for n in counts.values())
  assert deviation < 44.3


def test_newer_sequences_are_drawn_rather_if_told_to():
  ring = filled([FIRST, MID, LAST] * 10, capacity=25, recency=2.0)
  draws = drawn(ring.sample(32000))
  counts = collections.Counter(draws)
  ends = sorted(counts)  # From the oldest to the newest.
  assert len(ends) == 16
  # Of the newest k of 16 are the share (k / 16)^(1/2).
  up_to = np.sqrt(np.arange(17) / 16)
  expected = 32000 * np.diff(up_to)[::-1]
  found = np.array([counts[end] for end in ends])
  # Chi-square with 15 degrees of freedom exceeds 44.3 once in 10,000.
  assert np.sum((found - expected) ** 2 / expected) < 44.3


def test_newer_sequences_are_drawn_alike_by_a_resumed_run():
  def make():
    return replay.Replay(SPEC, 3, 5, 20, recency=3.0)

  ring, resumed = make(), make()
  for number in range(50):
    ring.add(numbered(number))
  ring.sample(8)
  resumed.restore_rows(30, ring.rows(30, 50))
  resumed.set_state(ring.get_state())
  for number in range(50, 55):
    assert drawn(ring.sample(8)) == drawn(resumed.sample(8))
    ring.add(numbered(number))
    resumed.add(numbered(number))


def test_seed_decides_the_draws():
  draws = [drawn(filled([MID] * 50, seed=s).sample(20)) for s in (3, 3, 4)]
  assert draws[0] == draws[1] != draws[2]


def test_batch_is_a_nest_of_sequences_of_the_steps_added():
  spec = trajectory.Trajectory(
    step_type=array_spec.ArraySpec([], np.int32),
    observation={'pixels': array_spec.ArraySpec([4, 4, 3], np.uint8)},
    action=array_spec.BoundedArraySpec([2], np.float32, -1, 1),
    policy_info=(),
    next_step_type=array_spec.ArraySpec([], np.int32),
    reward=array_spec.ArraySpec([], np.float32),
    discount=array_spec.ArraySpec([], np.float32),
  )
  ring = replay.Replay(spec, 2, 0, capacity=10)
  for k in range(2):
    pixels = np.full([4, 4, 3], 250 + k, np.uint8)
    action = np.array([k, -k], np.float32)
    ring.add(trajectory.mid({'pixels': pixels}, action, (), np.float32(k), 0.5))
  batch = ring.sample(7)
  assert isinstance(batch, trajectory.Trajectory)
  assert batch.observation['pixels'].dtype == np.uint8
  assert batch.observation['pixels'].shape == (7, 2, 4, 4, 3)
  assert batch.observation['pixels'][6, :, 3, 3, 2].tolist() == [250, 251]
  assert batch.action[6].tolist() == [[0, 0], [1, -1]]
  assert batch.reward[0].tolist() == [0, 1]
  assert batch.discount[0].tolist() == [0.5, 0.5]
  assert batch.policy_info == ()
  assert set(ring.rows(0, 1)) == {
    'step_type',
    'observation/pixels',
    'action',
    'next_step_type',
    'reward',
    'discount',
  }


def test_step_of_another_shape_or_type_is_refused():
  ring = filled([])
  with pytest.raises(ValueError, match=r'observation/pixels has shape \(3,\)'):
    ring.add(Step(np.int32(MID), {'pixels': np.zeros(3, np.uint8)}))
  with pytest.raises(TypeError, match='uint8'):
    ring.add(Step(np.int32(MID), {'pixels': np.zeros(2, np.float32)}))


def run(ring, plan, resume_after=()):
  """Adds a step for each 'a', samples n for each n; returns the batches."""
  batches = []
  for position, action in enumerate(plan):
    if action == 'a':
      number = ring.num_added
      ring.add(numbered(number, [FIRST, MID, MID, LAST][number % 4]))
    else:
      batches.append(drawn(ring.sample(action)))
    if position in resume_after:
      ring = copy_of(ring)
  return batches


@pytest.mark.parametrize('capacity', [8, 100])
def test_resume_at_any_moment_gives_the_same_batches(capacity):
  # With room for 8 steps every add overwrites steps of the batch at work.
  plan = ['a'] * 12 + [5, 'a', 5, 'a', 'a', 'a', 5, 5, 7, 'a', 7, 5, 'a', 5]
  straight = run(filled([], capacity), plan)
  for position in range(6, len(plan)):
    resumed = run(filled([], capacity), plan, resume_after=[position])
    assert resumed == straight, position
  everywhere = run(filled([], capacity), plan, resume_after=range(6, 99))
  assert everywhere == straight


def test_batch_drawn_ahead_is_not_changed_by_steps_added_since():
  # Batches of 37 MB: copying one takes longer than adding the first steps.
  frame = array_spec.ArraySpec([64, 64, 3], np.uint8)
  spec = SPEC._replace(observation={'pixels': frame})
  ring = replay.Replay(spec, 3, 0, capacity=100)

  def add(value):
    pixels = np.full(frame.shape, value, np.uint8)
    for _ in range(100):
      ring.add(Step(np.int32(MID), {'pixels': pixels}))

  add(1)
  ring.sample(1000)
  add(2)
  assert np.all(ring.sample(1000).observation['pixels'] == 1)
  assert np.all(ring.sample(1000).observation['pixels'] == 2)


def test_batch_of_another_size_draws_as_if_nothing_was_drawn_ahead():
  ring = filled([MID] * 50)
  ring.sample(5)
  state = ring.get_state()['pending']['generator']
  expected = np.random.Generator(np.random.PCG64())
  expected.bit_generator.state = state
  starts = [row[0] for row in drawn(ring.sample(6))]
  assert starts == expected.integers(48, size=6).tolist()


def test_batches_do_not_share_memory():
  ring = filled([MID] * 50)
  first = ring.sample(5)
  before = drawn(first)
  ring.sample(5)
  ring.sample(5)
  assert drawn(first) == before


def test_state_holds_only_the_drawn_steps_that_the_ring_has_lost():
  ring = filled([MID] * 12, capacity=8)  # Holds 4 ... 11.
  ring.sample(500)
  lost = ring.get_state()['pending']['lost']['observation/pixels']
  assert lost.shape == (0, 2)
  ring.add(numbered(12))
  lost = ring.get_state()['pending']['lost']['observation/pixels']
  assert np.unique(lost).tolist() == [4]


def test_restored_rows_are_all_that_can_be_drawn():
  source = filled([FIRST, MID, MID, MID, MID, MID], capacity=6)
  ring = filled([], capacity=8)
  ring.restore_rows(3, source.rows(3, 6))
  assert (ring.size, ring.num_added) == (3, 6)
  assert set(drawn(ring.sample(50))) == {(3, 4, 5)}


def test_more_rows_than_fit_leave_the_last_ones():
  source = filled([FIRST, MID, LAST, FIRST, MID, MID, MID])
  ring = filled([], capacity=4)
  ring.restore_rows(0, source.rows(0, 7))
  assert (ring.size, ring.num_added) == (4, 7)
  assert set(drawn(ring.sample(50))) == {(3, 4, 5), (4, 5, 6)}


def test_state_of_another_capacity_or_spec_is_refused():
  ring = filled([MID] * 5, capacity=10)
  with pytest.raises(errors.UserError, match=r'Replay\.capacity = 10 instead'):
    filled([], capacity=9).set_state(ring.get_state())
  wide = array_spec.ArraySpec([3], np.uint8)
  other = replay.Replay(SPEC._replace(observation={'pixels': wide}), 3, 0, 10)
  with pytest.raises(errors.UserError, match=r'observation/pixels is uint8 \['):
    other.restore_rows(0, ring.rows(0, 5))


def test_rows_that_are_not_there_are_refused():
  ring = filled([MID] * 10, capacity=6)
  with pytest.raises(IndexError):
    ring.rows(3, 6)
  with pytest.raises(IndexError):
    ring.rows(8, 11)
  with pytest.raises(ValueError, match='step 8 does not follow 9'):
    ring.restore_rows(8, ring.rows(8, 10))


def test_hundred_thousand_frames_take_less_than_1_3_gigabytes():
  spec = Step(
    array_spec.ArraySpec([], np.int32),
    {'pixels': array_spec.ArraySpec([64, 64, 3], np.uint8)},
  )
  ring = replay.Replay(spec, 9, 0, capacity=100_000)
  assert ring.nbytes == 100_000 * (64 * 64 * 3 + 4 + 1)
  assert ring.nbytes <= 1.3e9


def test_ring_larger_than_memory_names_the_largest_that_fits(monkeypatch):
  monkeypatch.setattr(memory, 'available', lambda: 7 * 1000 + 6)
  filled([], capacity=1000)
  with pytest.raises(errors.UserError, match=r'set it to 1000 at most') as e:
    filled([], capacity=1_000_000)
  assert '1000000 takes 0.01 GB' in str(e.value)
  assert '0.00 GB are available' in str(e.value)


def write(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text)


def test_memory_left_by_control_groups_version_2(tmp_path):
  write(tmp_path / 'proc/self/cgroup', '0::/job/task\n')
  job = tmp_path / 'sys/fs/cgroup/job'
  write(job / 'memory.max', '1000\n')
  write(job / 'memory.current', '700\n')
  write(job / 'memory.stat', 'anon 400\ninactive_file 150\n')
  write(job / 'task/memory.max', 'max\n')
  assert memory.free_in_cgroups(tmp_path) == [450]


def test_memory_left_by_control_groups_version_1(tmp_path):
  write(tmp_path / 'proc/self/cgroup', '3:cpuset:/\n4:memory:/unseen\n')
  root = tmp_path / 'sys/fs/cgroup/memory'
  write(root / 'memory.limit_in_bytes', '1000\n')
  write(root / 'memory.usage_in_bytes', '990\n')
  write(root / 'memory.stat', 'total_inactive_file 0\n')
  assert memory.free_in_cgroups(tmp_path) == [10]


def test_available_memory_is_the_smallest_of_all(monkeypatch):
  monkeypatch.setattr(memory, 'free_in_cgroups', lambda: [5, 10**18])
  assert memory.available() == 5
  monkeypatch.setattr(memory, 'free_in_cgroups', lambda: [10**18])
  assert 10**6 < memory.available() < 10**15


def test_sequences_of_several_streams_do_not_mix():
  # Steps 0, 3, 4, 6, 8 are of one stream, 1, 2, 5, 7, 9 of the other.
  streams = [0, 1, 1, 0, 0, 1, 0, 1, 0, 1]
  ring = interleaved([(stream, MID) for stream in streams])
  assert set(drawn(ring.sample(500))) == {
    *((0, 3, 4), (3, 4, 6), (4, 6, 8)),
    *((1, 2, 5), (2, 5, 7), (5, 7, 9)),
  }


def test_episodes_end_in_each_stream_by_themselves():
  steps = [(0, FIRST), (1, FIRST), (0, LAST), (1, MID), (0, FIRST), (1, LAST)]
  ring = interleaved([*steps, (0, MID)], sequence_length=2)
  assert set(drawn(ring.sample(500))) == {(0, 2), (1, 3), (3, 5), (4, 6)}


def test_within_episodes_of_each_stream_in_a_ring_that_wraps():
  rng = np.random.default_rng(1)
  for n in range(12, 60, 4):
    streams = rng.integers(2, size=n)
    types = rng.choice([FIRST, MID, MID, MID, MID, LAST], size=n)
    steps = list(zip(streams, types, strict=True))
    ring = interleaved(steps, capacity=20, joined=(2,))
    of_stream = [np.flatnonzero(streams == stream) for stream in range(2)]
    expected = {
      tuple(chain.tolist())
      for steps in of_stream
      for chain in np.lib.stride_tricks.sliding_window_view(steps, 3)
      if chain[0] >= n - 20
      and FIRST not in types[chain[1:]]
      and LAST not in types[chain[:-1]]
    }
    assert expected
    assert set(drawn(ring.sample(500))) == expected


def test_streams_in_a_ring_that_wraps_by_enumeration():
  rng = np.random.default_rng(0)
  for n in range(8, 40, 3):
    streams = rng.integers(3, size=n)
    ring = interleaved([(s, MID) for s in streams], 3, capacity=11)
    of_stream = [np.flatnonzero(streams == stream) for stream in range(3)]
    expected = {
      tuple(steps[i : i + 3].tolist())
      for steps in of_stream
      for i in range(len(steps) - 2)
      if steps[i] >= max(0, n - 11)
    }
    assert set(drawn(ring.sample(500))) == expected


def test_a_single_stream_is_drawn_as_if_there_were_no_others():
  """Where only one of several streams has steps, its draws are the same."""
  types = [FIRST, MID, MID, LAST] * 6
  expected = filled(types, capacity=15)
  ring = interleaved([(1, kind) for kind in types], capacity=15)
  for _ in range(3):
    assert drawn(ring.sample(20)) == drawn(expected.sample(20))


@pytest.mark.parametrize('capacity', [9, 100])
@pytest.mark.parametrize('joined', [(1,), (2, 1)])
def test_streams_resume_exactly(capacity, joined):
  def make():
    return replay.Replay(SPEC, 3, 5, capacity, joined, num_streams=2)

  def go_on(ring):
    batches = []
    for number in range(20, 30):
      ring.add(numbered(number), number % 3 % 2)
      batches.append(drawn(ring.sample(4)))
    return batches

  straight, resumed = make(), make()
  for number in range(20):
    straight.add(
      numbered(number, [FIRST, MID, MID][number % 3]), number // 2 % 2
    )
  oldest = straight.num_added - straight.size
  middle = oldest + straight.size // 3
  for start, stop in [(oldest, middle), (middle, 20)]:
    resumed.restore_rows(start, straight.rows(start, stop))
  resumed.set_state(straight.get_state())
  assert go_on(resumed) == go_on(straight)


def test_streams_take_memory_of_their_own():
  ring = interleaved([], capacity=1000)
  # A number of a stream, and two of steps, beside 2 + 4 bytes and a mark.
  assert ring.nbytes == 1000 * (2 + 4 + 1 + 4 + 8 + 8)


def test_a_step_costs_nothing_of_other_streams():
  order = streams.make(1000, sequence_length=3, capacity=50)
  assigned = []

  class Watched(np.ndarray):
    def __setitem__(self, key, value):
      assigned.append(key)
      super().__setitem__(key, value)

  order._last = order._last.view(Watched)
  for number, stream in enumerate([7, 999, 7]):
    order.put(number, stream)
    order.extend(number, number + 1)
  assert assigned == [7, 999, 7]
  assert order.before(np.arange(3)).tolist() == [-1, -1, 0]
