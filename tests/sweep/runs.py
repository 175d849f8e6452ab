"""Made-up runs with the table that tells how fast they were."""

import json
import platform

COLUMNS = 'agent_steps,model_updates,gradient_steps,wall_seconds,other'
# Every 10 agent steps or updates: random data at 0.1 s a step, 30 updates of
# pretraining at 1 s, training at 2 s a step. The second row has two phases.
ROWS = (
  *('10,0,0,31,', '20,0,0,32,', '25,5,0,36,', '25,15,0,46,', '25,25,0,56,'),
  *('30,30,5,70,', '40,30,15,90,', '50,30,25,110,'),
)


def write(folder, config, rows=ROWS, host=None):
  """Writes a run on this machine, or on another; returns its folder."""
  folder.mkdir(parents=True)
  (folder / 'config.json').write_text(json.dumps(config))
  starts = [{'host': platform.node()}, {'host': host or platform.node()}]
  (folder / 'version.json').write_text(json.dumps(starts))
  text = '\n'.join([COLUMNS, *rows]) + '\n'
  (folder / 'train.csv').write_text(text)
  return folder
