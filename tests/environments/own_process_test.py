"""An environment in its own process: the same answers, hangs, deaths, ends."""

import functools
import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from slac import errors
from slac.environments import (
  checked,
  limits,
  own_process,
  requirements,
  served,
)
from tests import misbehaving
from tests.environments import gymnasium_environment_test

pytestmark = pytest.mark.slow

SECONDS = 300  # After so many nothing happens any more, on a busy machine too.


def action(value):
  return np.float32([value])


def make(should_stop=lambda: False, seconds=1.0, made=misbehaving.Misbehaving):
  environment = own_process.ProcessEnvironment(
    made,
    misbehaving.Misbehaving(),
    100,
    lambda seed, start: seed * (start + 1),
    limits.Limit(seconds, should_stop),
  )
  environment.wait()
  return environment


@pytest.fixture
def remote():
  environment = make()
  yield environment
  environment.close()


def state(time_step):
  return time_step.observation['state'].tolist()


def test_answers_are_those_of_the_environment_itself(remote):
  here = misbehaving.Misbehaving()
  here.seed(100)
  assert remote.observation_spec() == here.observation_spec()
  assert remote.action_spec() == here.action_spec()
  for method, *arguments in [('reset',), ('step', action(0.25))] * 2:
    expected = getattr(here, method)(*arguments)
    found = getattr(remote, method)(*arguments)
    np.testing.assert_equal(found, expected)
    assert found.reward.dtype == np.float32


def test_it_goes_on_exactly_where_its_state_was_told(remote):
  remote.reset()
  remote.step(action(0.1))
  told = remote.get_state()
  expected = remote.step(action(0.2))
  remote.reset()
  remote.set_state(told)
  assert state(remote.current_time_step()) == [102]
  np.testing.assert_equal(remote.step(action(0.2)), expected)


@pytest.mark.parametrize(
  ('fault', 'says'),
  [
    (misbehaving.HANG, 'took too long to answer'),
    (misbehaving.DIE, 'ended with signal 9'),
    (misbehaving.LEAVE, 'ended with exit code 3'),
  ],
)
def test_after_a_hang_or_a_death_another_process_begins(remote, fault, says):
  remote.reset()
  with pytest.raises(checked.Failure, match=says):
    remote.step(action(fault))
  # It is the second, and seeded as such.
  assert state(remote.reset()) == [201]
  assert remote.get_state()['num_begun'] == 2


def closing(path, seconds):
  def close():
    time.sleep(seconds)
    with open(path, 'a') as file:
      file.write('closed ')
    raise OSError('no answer')

  own = gymnasium_environment_test.Counter(render_mode=None)
  own.close = close
  return requirements.prepare(own, 1)


def test_it_is_closed_in_the_time_of_a_step(tmp_path, capfd):
  path = tmp_path / 'closed'  # After more than an end at once would take.
  own = functools.partial(closing, path, served._CLOSE_SECONDS + 1)
  environment = make(made=own, seconds=300.0)
  with pytest.raises(checked.Failure, match='OSError: no answer'):
    environment.close()
  environment.close()
  assert path.read_text() == 'closed '  # Once.
  assert capfd.readouterr().err == ''


def test_one_that_hangs_in_its_close_is_ended(tmp_path):
  environment = make(made=functools.partial(closing, tmp_path, 1000.0))
  process = psutil.Process(environment._process.pid)
  with pytest.raises(checked.Failure, match='took too long to answer'):
    environment.close()
  assert not process.is_running()


def test_one_that_owes_an_answer_is_not_waited_for():
  environment = make(seconds=1000.0)
  environment.reset()
  environment._process.ask('step', action(misbehaving.HANG))
  process, began = psutil.Process(environment._process.pid), time.monotonic()
  environment.close()
  assert not process.is_running() and time.monotonic() - began < 300


def test_how_many_processes_there_were_is_part_of_the_state(remote):
  remote.reset()
  remote.set_state({**remote.get_state(), 'num_begun': 5})
  with pytest.raises(checked.Failure):
    remote.step(action(misbehaving.LEAVE))
  assert state(remote.reset()) == [601]


def test_it_can_be_seeded_again(remote):
  remote.seed(7)
  assert state(remote.reset()) == [8]
  # And so is the process after it, even of a run that goes on from here.
  told = remote.get_state()
  later = make()
  later.set_state(told)
  for environment in (remote, later):
    with pytest.raises(checked.Failure):
      environment.step(action(misbehaving.LEAVE))
    assert state(environment.reset()) == [15]
  later.close()
  # Once it was not told.
  del told['seed']
  remote.set_state(told)


def test_an_exception_leaves_the_process_as_it_is(remote):
  remote.reset()
  with pytest.raises(checked.Failure) as caught:
    remote.step(action(misbehaving.RAISE))
  assert 'raised KeyboardInterrupt: no luck (misbehaving.py:' in str(
    caught.value
  )
  with pytest.raises(errors.UserError, match=r'^plug it in$') as refusal:
    remote.step(action(misbehaving.REFUSE))
  assert refusal.value.exit_code == 69
  assert not isinstance(refusal.value, checked.Failure)
  with pytest.raises(checked.Failure, match=r'^there is no frame$'):
    remote.step(action(misbehaving.FAIL))
  assert state(remote.reset()) == [102]
  with pytest.raises(NotImplementedError):
    remote.render()


def test_a_state_that_cannot_be_sent_is_a_failure(remote):
  remote.reset()
  remote.step(action(misbehaving.LACK))
  with pytest.raises(checked.Failure, match='raised'):
    remote.get_state()
  assert state(remote.reset()) == [-8]


def test_once_the_run_is_to_stop_a_hang_is_soon_over(monkeypatch):
  monkeypatch.setattr(limits, '_GRACE', 0.5)
  remote = make(lambda: True, seconds=1000.0)
  remote.reset()  # What answers is still heard.
  began = time.monotonic()
  with pytest.raises(checked.Failure, match='too long'):
    remote.step(action(misbehaving.HANG))
  with pytest.raises(checked.Failure, match='has ended'):
    remote.reset()  # Nothing is begun any more.
  assert 0.5 <= time.monotonic() - began < 60


def refuse():
  raise LookupError('no robot')


def leave():
  os._exit(4)


@pytest.mark.parametrize(
  ('made', 'reason'),
  [
    (refuse, 'the environment raised LookupError: no robot (own_process_'),
    (leave, 'the process of the environment ended with exit code 4)'),
  ],
)
def test_what_cannot_be_made_is_said(made, reason):
  with pytest.raises(checked.Failure) as caught:
    make(made=made)
  assert str(caught.value).startswith(
    'the environment cannot be made in a process of its own, which has what '
    f'gin files import and no more ({reason}'
  )


def test_signals_of_the_run_do_not_end_it(remote):
  for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    os.kill(remote._process.pid, number)
  assert state(remote.reset()) == [101]


def test_signals_do_not_end_a_process_that_is_about_to_begin(capfd):
  made = served.Served(io.BytesIO, served.SPAWNED)
  for number in (signal.SIGINT, signal.SIGTERM):
    os.kill(made.pid, number)
  assert made.has_answered(100) and made.answer() is None
  made.ask('getvalue')
  assert made.answer() == b''
  made.close()
  assert 'Traceback' not in capfd.readouterr().err


PARENT = """
import sys
import numpy as np
from slac.environments import limits, own_process
from tests import misbehaving
environments = [
  own_process.ProcessEnvironment(
    misbehaving.Misbehaving,
    misbehaving.Misbehaving(),
    0,
    lambda seed, start: start,
    limits.Limit(1e3),
  )
  for _ in range(2)
]
for environment in environments:
  environment.wait()
  environment.reset()
print(*(e._process.pid for e in environments), flush=True)
environments[0].step(np.float32([misbehaving.HANG]))
"""


@pytest.mark.long
def test_processes_end_with_their_parent_however_it_ends():
  parent = subprocess.Popen(
    [sys.executable, '-c', PARENT], stdout=subprocess.PIPE, text=True
  )
  children = [psutil.Process(int(x)) for x in parent.stdout.readline().split()]
  assert len(children) == 2
  time.sleep(0.5)  # One of them hangs.
  parent.kill()
  assert parent.wait(SECONDS) == -signal.SIGKILL
  _, alive = psutil.wait_procs(children, SECONDS)
  assert not alive
