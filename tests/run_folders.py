"""Reading back the folder of a run, to compare it with that of another."""

import csv
import hashlib
import json
import re

import numpy as np
import tensorflow as tf


def newest(folder):
  """The iterations of the newest checkpoint, and its folder."""
  found = [
    (*map(int, path.name.split('-')[1:]), path)
    for path in (folder / 'checkpoints').glob('checkpoint-*')
  ]
  # One of the same step has a number behind it, from 1.
  step, *_, path = max(found, key=lambda f: f[:-1], default=(0, None))
  return step, path


def digests(folder):
  """Checksums of what a run's newest checkpoint holds, part by part."""
  _, checkpoint = newest(folder)
  parts = {}
  reader = tf.train.load_checkpoint(str(checkpoint / 'variables'))
  for name in sorted(reader.get_variable_to_shape_map()):
    if 'OBJECT_GRAPH' not in name:
      parts[name] = np.asarray(reader.get_tensor(name)).tobytes()
  for name, values in rows(folder).items():
    parts[f'replay/{name}'] = values.tobytes()
  with np.load(checkpoint / 'arrays.npz', allow_pickle=False) as arrays:
    parts.update({name: arrays[name].tobytes() for name in arrays})
  state = state_of(checkpoint)
  report = state['state']['report']
  del report['wall_seconds'], report['logs']
  parts['state'] = json.dumps(state, sort_keys=True).encode()
  return {k: hashlib.sha256(v).hexdigest() for k, v in parts.items()}


def rows(folder):
  """The replay of a run's newest checkpoint, an array of each field.

  How the steps are cut into files depends on when there was a checkpoint.
  """
  _, checkpoint = newest(folder)
  manifest = json.loads((checkpoint / 'manifest.json').read_text())
  chunks = {}
  for segment in manifest['segments']:
    path = folder / 'checkpoints' / 'replay' / segment['name']
    skipped = max(0, manifest['oldest_row'] - segment['start'])
    with np.load(path, allow_pickle=False) as arrays:
      for name in arrays:
        chunks.setdefault(name, []).append(arrays[name][skipped:])
  return {name: np.concatenate(values) for name, values in chunks.items()}


def state_of(checkpoint):
  """The state in a checkpoint's folder, without its arrays."""
  return json.loads((checkpoint / 'state.json').read_text())


def table(folder, name):
  """A CSV file's rows, without what is measured by the clock."""
  return [
    {
      key: value
      for key, value in row.items()
      if not re.match('wall_seconds|seconds/|speed/', key)
    }
    for row in raw_table(folder, name)
  ]


def raw_table(folder, name):
  """A CSV file's rows, as they are."""
  with open(folder / f'{name}.csv') as file:
    return list(csv.DictReader(file))
