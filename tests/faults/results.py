"""What a run has left at its end, to be compared with that of another."""

import hashlib
import itertools
import json
import pathlib
from typing import Any

from tests import event_files, run_folders


def results(folder: pathlib.Path) -> dict[str, Any]:
  """Returns all that a run has computed and logged, or checksums of it."""
  return {
    'state': run_folders.digests(folder),
    'train': run_folders.table(folder, 'train'),
    'eval': run_folders.table(folder, 'eval'),
    'points': event_files.points(folder),
    'pictures': {
      path.name: hashlib.sha256(path.read_bytes()).hexdigest()
      for path in sorted((folder / 'videos').iterdir())
    },
  }


def checksum(folder: pathlib.Path) -> str:
  """Returns one sha256 over all that a run has computed and logged."""
  return hashlib.sha256(json.dumps(results(folder)).encode()).hexdigest()


def turns(row: dict[str, str]) -> int:
  """How often the loop had turned at a row of a CSV file."""
  return int(row['agent_steps']) + int(row['model_updates'])


def contradictions(folder: pathlib.Path) -> int:
  """Counts the steps in the logs that do not come after the one before."""
  sequences = [
    [turns(row) for row in run_folders.table(folder, name)]
    for name in ('train', 'eval')
  ]
  sequences += event_files.points(folder).values()
  return sum(
    b <= a for steps in sequences for a, b in itertools.pairwise(steps)
  )


def leftovers(folder: pathlib.Path) -> list[str]:
  """Files that no run leaves at its end, and that nothing refers to."""
  checkpoints = folder / 'checkpoints'
  needed = {
    segment['name']
    for manifest in checkpoints.glob('*/manifest.json')
    for segment in json.loads(manifest.read_text())['segments']
  }
  found = [p.name for p in folder.rglob('*') if 'tmp' in p.name]
  found += [p.name for p in checkpoints.glob('damaged-*')]
  return found + [
    p.name for p in (checkpoints / 'replay').iterdir() if p.name not in needed
  ]


def faults(folder: pathlib.Path, straight: pathlib.Path) -> str:
  """Returns in what a run differs from an undisturbed one, or ''."""
  found = []
  if checksum(folder) != checksum(straight):
    found.append('its results differ')
  if points := contradictions(folder):
    found.append(f'{points} points contradict those before')
  if rest := leftovers(folder):
    found.append(f'it leaves {", ".join(rest)}')
  return ', '.join(found)
