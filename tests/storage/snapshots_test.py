"""Tests of slac/storage/snapshots.py."""

import os

from slac.storage import snapshots


def write(path, text='x'):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text)


def files_of(folder):
  return {
    str(path.relative_to(folder)): path.read_text()
    for path in folder.rglob('*')
    if path.is_file()
  }


def test_what_is_half_written_or_a_process_own_is_left_out(tmp_path):
  run, target = tmp_path / 'run', tmp_path / 'target'
  kept = {
    'config.json': '{}',
    'checkpoints/checkpoint-0000000001/state.json': '1',
    'checkpoints/replay/rows-0-1.npz': 'rows',
  }
  others = ('.lock', '.config.json.tmp', 'checkpoints/tmp-checkpoint-2/state')
  for name, text in [*kept.items(), *((name, 'x') for name in others)]:
    write(run / name, text)
  target.mkdir()
  assert snapshots.take(run, target) == ['checkpoint-0000000001']
  assert files_of(target) == kept


def test_what_the_run_does_afterwards_does_not_reach_it(tmp_path):
  run, target = tmp_path / 'run', tmp_path / 'target'
  write(run / 'config.json', 'old')
  write(run / 'checkpoints/checkpoint-0000000001/state.json', '1')
  target.mkdir()
  snapshots.take(run, target)
  write(run / 'new', 'new')
  os.replace(run / 'new', run / 'config.json')
  (run / 'checkpoints/checkpoint-0000000001/state.json').unlink()
  assert files_of(target) == {
    'config.json': 'old',
    'checkpoints/checkpoint-0000000001/state.json': '1',
  }


def test_a_checkpoint_that_comes_meanwhile_has_all_done_again(
  tmp_path, monkeypatch
):
  run, target = tmp_path / 'run', tmp_path / 'target'
  first, second = (
    f'checkpoints/checkpoint-000000000{number}/state.json' for number in '12'
  )
  write(run / first)
  write(run / 'config.json')
  target.mkdir()
  link, calls = os.link, []

  def advancing(source, there):
    calls.append(source)
    if len(calls) == 1:  # The run saves, and removes what is too old.
      write(run / second)
      (run / first).unlink()
      (run / first).parent.rmdir()
    link(source, there)

  monkeypatch.setattr(os, 'link', advancing)
  assert snapshots.take(run, target) == ['checkpoint-0000000002']
  assert set(files_of(target)) == {'config.json', second}
