"""Plays a trained policy: `python -m slac.play RUN_DIR`.

Prints the returns of a few episodes, and writes a film of the first: what the
camera sees, and beside it what the model's posterior reconstructs.
"""

import itertools
import pathlib

import numpy as np
import tensorflow as tf

from slac import (
  checkpoints,
  config,
  devices,
  errors,
  evaluation,
  experiment,
  logs,
  pictures,
  policies,
  runs,
)


def main():
  """Runs the command line."""
  arguments = parse_arguments()
  with errors.reported_by('slac.play'):
    play(arguments)


def parse_arguments():
  """Returns the flags."""
  parser = errors.ArgumentParser(
    prog='python -m slac.play', description=__doc__
  )
  parser.add_argument('run_dir', type=pathlib.Path, help="a run's folder")
  parser.add_argument('--episodes', type=errors.count, default=3)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
    '--greedy', action='store_true', help="act at the policy's mode"
  )
  parser.add_argument(
    '--video', type=pathlib.Path, help='the GIF (RUN_DIR/videos/play.gif)'
  )
  parser.add_argument(
    '--export', type=pathlib.Path, help='write the policy as a SavedModel there'
  )
  parser.add_argument(
    '--allow_gin_imports',
    action='store_true',
    help='import the modules that the run was made with, and so run their code',
  )
  return parser.parse_args()


def play(arguments):
  """Loads the run, plays it, prints returns, writes the video."""
  folder = arguments.run_dir
  if not (folder / 'config.json').exists():
    raise errors.UserError(
      f'{folder} is not the folder of a run: it holds no config.json; name a '
      'folder that train_eval.py has printed.',
      66,
    )
  runs.refuse_links(folder)
  config.load_resolved(
    runs.read_config(folder / 'config.json'), arguments.allow_gin_imports
  )
  video = arguments.video or folder / 'videos' / 'play.gif'
  try:
    video.parent.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise errors.UserError(
      f'{video} cannot be written ({error.strerror}); choose another --video.',
      73,
    ) from error
  devices.prepare()
  with config.translate_gin_errors():
    parts = experiment.Experiment()
  agent = parts.agent
  _, state = checkpoints.restore_variables(
    folder / 'checkpoints', tf.train.Checkpoint(agent=agent)
  )
  agent_steps = state['counters']['agent_steps']
  env_steps = agent_steps * parts.schedule.action_repeat
  policy = agent.greedy_policy if arguments.greedy else agent.policy
  if arguments.export:
    policies.export(policy, str(arguments.export))
    print(f'Exported the policy to {arguments.export}.')
  evaluator = evaluation.Evaluator(
    parts.eval_environment, policy, arguments.seed
  )
  print(f'{parts.task}, after {env_steps:,} environment steps')
  episodes = []
  for episode in itertools.islice(
    evaluator.episodes(env_steps), arguments.episodes
  ):
    episodes.append(episode)
    print(
      f'  episode {len(episodes)}: return {episode.episode_return:.1f}, '
      f'{episode.length} agent steps',
      flush=True,
    )
  returns = [episode.episode_return for episode in episodes]
  print(f'  mean return {np.mean(returns):.1f}')
  frames = film(agent.model, episodes[0], agent.train_sequence_length)
  video.write_bytes(logs.encode_gif(pictures.thin(frames), pictures.FPS))
  print(f'Wrote {video}: the images, and their reconstructions beside them.')


def film(model, episode: evaluation.Episode, length: int) -> np.ndarray:
  """Returns images beside their reconstructions, uint8 `[n, 64, 128, 3]`.

  Args:
    model: a latent variable model.
    episode: of n steps, with the last.
    length: how many steps the posterior filters before it starts afresh.
  """
  n = len(episode.pixels)
  length = min(length, n)
  starts = np.minimum(np.arange(0, n, length), n - length)
  index = starts[:, np.newaxis] + np.arange(length)
  rows = model.dream(episode.pixels[index], episode.actions[index], [0, 0])
  reconstructions = np.empty_like(episode.pixels)
  reconstructions[index] = rows[pictures.ROWS.index('posterior')]
  return np.concatenate([episode.pixels, reconstructions], axis=2)


if __name__ == '__main__':
  main()
