"""Tests of slac/cluster/link.py with hubs that need no Ray, in processes."""

import os
import pathlib
import signal
import time

import pytest

from slac import errors
from slac.cluster import link
from slac.environments import limits


class Hub:
  """Joins, or does not; answers, hangs or dies."""

  def __init__(self, how, begun):
    self._how, self._begun = how, begun
    if how == 'refuse':
      raise errors.UserError('no cluster', 69)

  def take(self, what):
    if what == 'hang':
      time.sleep(1000)
    if what == 'die':
      os.kill(os.getpid(), signal.SIGKILL)
    if what == 'raise':
      raise ValueError('odd')
    return [what, self._begun]

  def close(self):
    if self._how.startswith('/'):
      time.sleep(4)  # Longer than an environment may take.
      pathlib.Path(self._how).touch()


@pytest.fixture
def make(monkeypatch):
  monkeypatch.setattr(link, '_hub', Hub)
  monkeypatch.setattr(link, '_PAUSE_SECONDS', 0.0)
  made = []

  def make(how, should_stop=lambda: False):
    made.append(link.Link(how, should_stop=should_stop))
    return made[-1]

  yield make
  for each in made:
    if each._process:
      each._process.end()


def answer(linked):
  """Waits for news, or what ends the hub."""
  deadline = time.monotonic() + 300
  while not (found := linked.found()):
    assert time.monotonic() < deadline
  return found


def test_what_it_is_told_it_answers_once(make):
  linked = make('join')
  linked.join([0])
  linked.join([1])  # It has.
  for what in ('a', 'b'):
    assert linked.get_ready([2])
    linked.tell(what)
    assert not linked.get_ready([2])
    assert answer(linked) == [what, [0]]
  assert linked.found() == []


def test_the_first_that_cannot_join_is_the_user_s(make):
  with pytest.raises(errors.UserError, match='no cluster') as caught:
    make('refuse').join([0])
  assert caught.value.exit_code == 69


@pytest.mark.slow
@pytest.mark.long
def test_one_that_is_lost_is_followed_by_another(make, monkeypatch):
  def wait(begun):
    while not linked.get_ready([begun]):
      linked.found()

  def tell(what):
    seconds = 0.5 if what == 'hang' else 300.0
    monkeypatch.setattr(link, '_ANSWER_SECONDS', seconds)
    linked.tell(what)

  linked = make('join')
  linked.join([0])
  for begun, (what, why) in enumerate(
    {
      'die': 'its process ended with signal 9',
      'raise': 'it raised ValueError: odd',
      'hang': 'it does not answer',
    }.items()
  ):
    wait(begun)
    tell(what)
    with pytest.raises(link.HubLost, match=why):
      answer(linked)
    assert not linked.get_ready([begun + 1])  # It has only begun.
  wait(3)
  tell('a')
  assert answer(linked) == ['a', [3]]
  linked._arguments = ('refuse',)  # Which is not the user's any more.
  tell('die')
  with pytest.raises(link.HubLost):
    answer(linked)
  with pytest.raises(link.HubLost, match='no cluster'):
    wait(4)


def test_a_signal_is_not_kept_waiting(make, monkeypatch):
  linked = make('join', should_stop=lambda: True)
  linked.join([0])
  waited = []
  monkeypatch.setattr(linked._process, 'has_answered', waited.append)
  assert linked.found() == []
  assert waited == [limits.TICK]


@pytest.mark.slow
def test_a_hub_has_time_to_close(make, tmp_path):
  closed = tmp_path / 'closed'
  linked = make(str(closed))
  linked.close()  # There is none.
  linked.join([0])
  linked.close()
  assert closed.exists()
