"""Made-up runs and published curves, as small as they can be."""

import csv
import json
import pathlib

from slac.replication import ours, published, trials

PNG = b'\x89PNG\r\n\x1a\n and the rest'
CONFIG = {
  'DmControlEnvironment.action_repeat': '4',
  'DmControlEnvironment.domain': "'cartpole'",
  'DmControlEnvironment.task': "'swingup'",
  'Experiment.environment': '@DmControlEnvironment',
  'Experiment.seed': '0',
  'Schedule.action_repeat': '4',
  'Schedule.env_steps': '100',
  'SlacModel.decoder_variance': '0.1',
}
# One trial with one evaluation, in the order of the columns.
ROW = ('cartpole', 'swingup', '4.0', 0.1, 0, 50.0, 30_000)


def write_published(folder, rows=(ROW,), columns=published.COLUMNS):
  """Writes rows of values as the authors' tables are; returns the path."""
  path = folder / 'curves.csv'
  with open(path, 'w', encoding='utf-8', newline='') as file:
    writer = csv.writer(file)
    writer.writerow(['', *columns, 'NumberOfEpisodes'])
    for number, row in enumerate(rows):
      writer.writerow([number, *row, 10.0])
  return path


def write_run(folder, returns, starts=(), **settings):
  """Writes a run of action repeat 4; returns its folder.

  Settings are by the last part of a binding's name, None leaves one out.
  """
  (folder / 'videos').mkdir(parents=True)
  config = {}
  for name, text in CONFIG.items():
    text = settings.get(name.replace('.', '_'), text)
    if text is not None:
      config[name] = text
  (folder / 'config.json').write_text(json.dumps(config))
  (folder / 'version.json').write_text(json.dumps(list(starts)))
  lines = ['env_steps,agent_steps,average_return']
  lines += [f'{step},{step // 4},{value}' for step, value in returns.items()]
  (folder / 'eval.csv').write_text('\n'.join(lines) + '\n')
  return folder


def trial(returns, variance=0.1, task='cartpole swingup', action_repeat=4):
  """Returns a published trial."""
  return trials.Trial(task, action_repeat, variance, 'name', returns)


def run(returns, task='cartpole swingup', action_repeat=4):
  """Returns a run of ours, without settings."""
  trial = (task, action_repeat, None, 'name', returns)
  return ours.Run(*trial, pathlib.Path('name'), 0, {}, [])
