"""Damage to every file of a run's folder in turn, in seven ways.

A run that was stopped is copied, one file of the copy is damaged, and the same
command starts it again. It ends as if nothing had happened, or with a warning
that names the file if something is lost; or it refuses to begin in one sentence
that names the file, and has changed nothing but its record of starts.
"""

import collections
import hashlib
import json
import os
import pathlib
import shutil

from tests.faults import outcome, results, tiny_runs

NAME = 'damaged files'
AGENT_STEPS = 190  # The next evaluation would be after 200.
SECONDS = 1.0  # Between two saves, so that there are few segments.
# What each start writes, whether it then continues or not.
OF_A_START = ('.lock', 'version.json', 'run.log')


def flip(path: pathlib.Path, elsewhere: pathlib.Path):
  """Turns over a bit in the middle."""
  del elsewhere
  data = bytearray(path.read_bytes())
  if data:
    data[len(data) // 2] ^= 1
  path.write_bytes(data)


def cut(path: pathlib.Path, elsewhere: pathlib.Path):
  """Loses the second half."""
  del elsewhere
  os.truncate(path, path.stat().st_size // 2)


def empty(path: pathlib.Path, elsewhere: pathlib.Path):
  """Loses all of the content."""
  del elsewhere
  os.truncate(path, 0)


def delete(path: pathlib.Path, elsewhere: pathlib.Path):
  """Removes the file."""
  del elsewhere
  path.unlink()


def link(path: pathlib.Path, elsewhere: pathlib.Path):
  """Puts a link to the file in its place."""
  os.rename(path, elsewhere)
  path.symlink_to(elsewhere)


def folder(path: pathlib.Path, elsewhere: pathlib.Path):
  """Puts a folder in its place."""
  os.rename(path, elsewhere)
  path.mkdir()


def pipe(path: pathlib.Path, elsewhere: pathlib.Path):
  """Puts a pipe in its place, whose reader would wait for ever."""
  os.rename(path, elsewhere)
  os.mkfifo(path)


WAYS = (flip, cut, empty, delete, link, folder, pipe)


def survives(root: pathlib.Path) -> bool:
  """Damages copies of a run under `root`; returns if it survived all."""
  row = outcome.Outcome(NAME)
  runs = tiny_runs.TinyRuns(root, AGENT_STEPS, checkpoint_seconds=SECONDS)
  stopped = runs.stop_late('stopped')
  shutil.copytree(stopped, runs.folder_of('straight'))
  expected = _content(runs.finish('straight'))
  files = sorted(
    p.relative_to(stopped) for p in stopped.rglob('*') if p.is_file()
  )
  for file in files:
    for way in WAYS:
      shutil.copytree(stopped, runs.folder_of('copy'))
      found, fault = _try(runs, file, way, expected)
      row.add(f'{file}, {way.__name__}', found, fault)
      shutil.rmtree(runs.folder_of('copy'))
      (root / 'elsewhere').unlink(missing_ok=True)
  return row.report()


def _try(runs, file, way, expected) -> tuple[str, str]:
  """Damages a file of the copy; returns how the run survived, and a fault."""
  copy = runs.folder_of('copy')
  way(copy / file, runs.root / 'elsewhere')
  before = _hashes(copy)
  process = runs.start('copy')
  process.join(tiny_runs.SECONDS)
  code, said = process.exitcode, runs.said('copy')
  if code is None:
    process.kill()
    process.join()
    return '', 'it hangs'
  is_named = str(file) in said
  if code == 0:
    return _after_the_end(copy, file, is_named, expected)
  sentence = tiny_runs.sentence(said)
  if not sentence:
    return '', f'exit code {code} with {said.splitlines()[-1:]}'
  if not is_named:
    return '', f'exit code {code} without its name: {sentence}'
  if before - _hashes(copy):
    return '', f'exit code {code} with files changed'
  return 'refused in a sentence', ''


def _after_the_end(copy, file, is_named, expected) -> tuple[str, str]:
  """Returns how a run that came to its end survived, and a fault."""
  content = _content(copy)
  different = [name for name in expected if content[name] != expected[name]]
  if not different:
    return 'ended as without damage', ''
  if different != [_part(file)]:
    return '', f'it ended with other {" and ".join(different)}'
  if not is_named:
    return '', f'{different[0]} were lost without a word'
  return 'said what was lost', ''


def _part(file) -> str:
  """Returns the part of a run's content that is in a file, or ''."""
  if file.name.startswith('events.'):
    return 'points'
  parts = {'videos': 'pictures'}
  parts |= {'version.json': 'starts', 'train.csv': 'train', 'eval.csv': 'eval'}
  return parts.get(file.parts[0], '')


def _content(folder):
  """Returns results, and how many starts of the run are on record."""
  starts = json.loads((folder / 'version.json').read_text())
  return {**results.results(folder), 'starts': len(starts)}


def _hashes(folder) -> collections.Counter:
  """Returns how often each content is there, of all that no start writes."""
  return collections.Counter(
    hashlib.sha256(path.read_bytes()).hexdigest()
    for path in folder.rglob('*')
    if path.is_file() and path.name not in OF_A_START
  )
