"""A run that is killed and interrupted many times.

`python -m tests.faults --kills 200` does more of the same to a run that has a
model, and also fails if a stop takes long or kills miss the saves; on a busy
machine that says nothing.
"""

import pytest

from tests.faults import kills, tiny_runs

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.mark.parametrize(
  ('kind', 'kills_of_it'), [(tiny_runs.SAC, 5), (tiny_runs.ALM, 2)]
)
def test_kills_and_signals_leave_no_trace(kind, kills_of_it, tmp_path, capsys):
  ok = kills.survives(tmp_path, kind, kills=kills_of_it, signals=2, full=1)
  assert ok, capsys.readouterr().out
