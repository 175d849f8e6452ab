"""Has the parts of a run that was trained before, as it was last saved."""

import pathlib

import tensorflow as tf

from slac.config import bindings
from slac.storage import checkpoints, run_folder, segments
from slac.training import collection, devices, experiment, replay


def load_settings(
  folder: pathlib.Path, allow_imports: bool = False
) -> dict[str, str]:
  """Loads a run's settings, to train in no environment; returns what is loaded.

  Raises:
    errors.UserError: there is no such run (66), its config.json is damaged
      (74), or is not to be loaded here (78).
  """
  run_folder.check_is_run(folder)
  run_folder.refuse_what_no_run_makes(folder)
  config = run_folder.read_config(folder / 'config.json')
  config |= collection.ELSEWHERE
  bindings.load_resolved(config, allow_imports)
  return config


def restore(folder: pathlib.Path) -> tuple[experiment.Experiment, int]:
  """Builds a run's parts by the settings that are loaded, and restores these.

  No file is changed.

  Returns:
    The parts, and the environment steps that the run had come to.

  Raises:
    errors.UserError: the settings have a fault (78), or no checkpoint is whole
      (66, 74).
  """
  devices.prepare()
  with bindings.translate_gin_errors():
    parts = experiment.Experiment()
  state = checkpoints.restore_variables(
    folder / 'checkpoints', tf.train.Checkpoint(agent=parts.agent)
  )
  agent_steps = state['counters']['agent_steps']
  return parts, agent_steps * parts.schedule.action_repeat


def make_replay(
  parts: experiment.Experiment, folder: pathlib.Path
) -> replay.Replay:
  """Returns a replay of a run's last steps, to train an agent of parts on.

  What the steps have besides, such as a state that the agent does not observe,
  is left out.

  Raises:
    errors.UserError: no checkpoint is whole (66, 74), or its steps lack what
      the agent is trained on (78).
  """
  config = run_folder.read_config(folder / 'config.json')
  counts = ('Collection.environments', 'Collection.workers')
  with checkpoints.restoring(folder):
    ring = parts.make_replay(num_streams=max(int(config[n]) for n in counts))
  checkpoint, manifest = checkpoints.newest(folder / 'checkpoints', replay=True)
  with checkpoints.restoring(checkpoint):
    segments.Segments(folder / 'checkpoints' / 'replay', ring).restore(
      manifest['segments'], manifest['oldest_row'], fields=ring.rows(0, 0)
    )
  return ring
