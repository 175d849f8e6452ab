"""Tests of slac/cluster/hub.py: when a worker is given up."""

import contextlib
import types

import pytest

pytest.importorskip('ray', reason='needs requirements-cluster.txt')

from slac.cluster import hub, joining, messages
from slac.training import collection
from tests import processes

CHUNK = messages.Chunk([], None, 1.0)


class Calls:
  """Takes the place of Ray and of the clock; one answers calls by hand."""

  def __init__(self):
    self.now = 0.0
    self.answers = {}
    self.killed = []
    self.open = {}
    self.options = {}
    self.waited = []  # What for, and for how many seconds.

  def wait(self, refs, num_returns=1, timeout=None):
    self.waited.append((refs, timeout))
    return [ref for ref in refs if ref in self.answers], []

  def get(self, ref, timeout=None):
    return self.answers[ref]

  def kill(self, actor):
    self.killed.append(actor)

  def monotonic(self):
    return self.now

  def remote(self, **options):
    def make(**kwargs):
      self.options = kwargs
      return types.SimpleNamespace(remote=self.actor)

    return lambda cls: types.SimpleNamespace(options=make)

  def actor(self):
    def method(name):
      def remote(*arguments):
        ref = object()
        self.open[name] = ref, arguments
        return ref

      return types.SimpleNamespace(remote=remote)

    names = 'begin', 'beat', 'collect', 'close'
    return types.SimpleNamespace(**{name: method(name) for name in names})

  def answer(self, name, value=None):
    ref, _ = self.open.pop(name)
    self.answers[ref] = value


@pytest.fixture
def calls(monkeypatch):
  made = Calls()
  monkeypatch.setattr(hub, 'ray', made)
  monkeypatch.setattr(hub, 'time', made)
  return made


@pytest.fixture
def member(calls):
  return hub._Member(calls.actor, lambda start: (f'start {start}',), 3)


@pytest.fixture
def make_hub(calls, monkeypatch):
  monkeypatch.setattr(hub, '_be_quiet', lambda: None)
  monkeypatch.setattr(hub.os, 'setsid', lambda: None)
  monkeypatch.setattr(hub.joining, 'joined', contextlib.nullcontext)
  monkeypatch.setattr(hub, '_WAIT_SECONDS', 0.01)
  with contextlib.ExitStack() as made:

    def make(begun=(0,), **needs):
      place = joining.Place('--ray', 'local', 'A worker', needs, 'begin one')
      return made.enter_context(
        contextlib.closing(hub.Hub(place, {}, (), 0, begun))
      )

    yield make


def ask_again(calls, member):
  """A beat is asked for two seconds after the one before."""
  calls.now += 2.1
  assert member.news() is member.news() is None
  assert 'beat' in calls.open


def imports(calls, member):
  """Nothing has been answered yet."""


def makes_its_environment(calls, member):
  calls.answer('beat')
  ask_again(calls, member)


def is_at_work(calls, member):
  calls.answer('beat')
  calls.answer('begin')
  ask_again(calls, member)
  member.go_on(None)


@pytest.mark.parametrize(
  ('phase', 'seconds'),
  [(imports, 300), (makes_its_environment, 60), (is_at_work, 10)],
)
def test_how_long_a_worker_may_be_silent(phase, seconds, calls, member):
  phase(calls, member)
  calls.now += seconds - 0.1
  assert member.news() is None
  assert not calls.killed
  calls.now += 0.2
  has_begun = phase is is_at_work
  why = f'it has not answered for {seconds} s'
  assert member.news() == messages.Lost(why, has_begun)
  assert len(calls.killed) == 1
  # Another is begun, which may take its time again.
  assert calls.open['begin'][1] == ('start 4',)
  calls.now += 299
  assert member.news() is None


def test_who_answers_is_kept_for_ever_and_its_chunks_are_news(calls, member):
  is_at_work(calls, member)
  for _ in range(20):
    calls.answer('beat')
    ask_again(calls, member)
  assert not calls.killed
  calls.answer('collect', CHUNK)
  assert member.news() == CHUNK
  member.go_on('weights')
  assert calls.open['collect'][1] == ('weights',)
  member.go_on('newer')  # It is at work.
  assert calls.open['collect'][1] == ('weights',)


def test_a_fault_in_the_beginning_is_told_once(calls, member):
  calls.answer('begin', ('There is no such task.', 78))
  assert member.news() == messages.Lost('There is no such task.', False)
  assert calls.open['begin'][1] == ('start 4',)


def test_who_is_lost_while_nobody_asks_is_replaced_then(calls, make_hub):
  """A run that evaluates asks for nothing, for minutes."""
  made = make_hub()
  with made._lock:
    calls.answer('beat')
    calls.answer('begin')
  processes.wait_until(lambda: made._members[0]._has_begun, seconds=60)
  with made._lock:
    made._members[0].go_on(None)
    calls.answer('collect', CHUNK)
    calls.now += 3
  processes.wait_until(lambda: made._news[0], seconds=60)
  processes.wait_until(lambda: 'beat' in calls.open, seconds=60)
  calls.now += 11
  processes.wait_until(lambda: 'begin' in calls.open, seconds=60)
  assert len(calls.killed) == 1
  assert calls.open['begin'][1] == ({}, (), collection.seed_of(0, 0, 1))
  # A run takes them one by one, as each chunk goes into the replay before.
  assert made.take(None, is_random=True) == [(0, CHUNK)]
  lost = messages.Lost('it has not answered for 10 s', True)
  assert made.take(None, is_random=True) == [(0, lost)]


def test_environments_are_closed_before_the_cluster_is_left(
  calls, make_hub, monkeypatch
):
  left = []

  @contextlib.contextmanager
  def joined(place):
    yield
    left.append('close' in calls.open)

  monkeypatch.setattr(hub.joining, 'joined', joined)
  make_hub().close()
  assert left == [False]  # There is none yet.
  made = make_hub()
  with made._lock:
    calls.answer('beat')
    calls.answer('begin')
  processes.wait_until(lambda: made._members[0]._has_begun, seconds=60)
  made.close()
  assert left == [False, True]
  # One that does not answer is waited for no longer.
  assert calls.waited[-1] == ([calls.open['close'][0]], 6.0)


def test_only_the_first_hub_needs_room_for_all_workers(make_hub, monkeypatch):
  """Nodes may be lost later, and a run goes on with the others."""
  wanted = []

  def joined(place):
    wanted.append(place.workers)
    return contextlib.nullcontext()

  monkeypatch.setattr(hub.joining, 'joined', joined)
  make_hub((0, 0, 0))
  make_hub((1, 1, 2))
  assert wanted == [3, 1]


def test_a_worker_may_need_what_ray_has_names_for(calls, make_hub):
  make_hub(robot=1.0)
  assert calls.options['resources'] == {'robot': 1.0}
  assert calls.options['num_cpus'] == 0
  make_hub(CPU=1.0)
  assert calls.options['resources'] == {} and calls.options['num_cpus'] == 1.0
  make_hub(GPU=1.0)
  assert calls.options['resources'] == {} and calls.options['num_gpus'] == 1.0
