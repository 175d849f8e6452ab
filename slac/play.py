"""Plays a trained policy: `python -m slac.play RUN_DIR`.

Prints the returns of a few episodes, and writes pictures of the first: a film
of what the camera sees, and beside it what the model's posterior reconstructs;
and Fig. 14 of its first steps, as a strip and as a film: the images, their
reconstruction, what the model generates from the first image, and what it
generates from nothing, all with the same actions. Those are the T + 1 steps of
a training sequence, 9 of them by default. An agent without a model has a film
of the images alone. The run may have been stopped early.

`--pretrained NAME` plays a policy in pretrained/ in place of a run, says how it
was trained and what it returned then, and writes a film.
"""

import itertools
import pathlib
from collections.abc import Callable, Mapping

from slac import errors
from slac.installation import packages

PROGRAM = 'slac.play'


def parse_arguments():
  """Returns the flags."""
  parser = errors.ArgumentParser(
    prog='python -m slac.play', description=__doc__
  )
  parser.add_argument(
    'run_dir', type=pathlib.Path, nargs='?', help="a run's folder"
  )
  parser.add_argument(
    '--pretrained',
    help='a policy in pretrained/, or a folder that --half has written',
  )
  parser.add_argument(
    '--episodes',
    type=errors.whole_number,
    default=3,
    help='how many; 0 to export the policy and no more',
  )
  parser.add_argument(
    '--seed', type=errors.seed, default=0, help='decides every random draw'
  )
  choice = parser.add_mutually_exclusive_group()
  choice.add_argument(
    '--greedy',
    action='store_true',
    help="act at the policy's mode: the default",
  )
  choice.add_argument(
    '--sample',
    action='store_true',
    help='draw actions as evaluations in training do (of ALM, these draw none)',
  )
  parser.add_argument(
    '--video',
    type=pathlib.Path,
    help='the film (RUN_DIR/videos/play.gif, or NAME.gif); beside play.gif, '
    'Fig. 14 is play_fig14.png and play_fig14.gif',
  )
  parser.add_argument(
    '--export',
    type=pathlib.Path,
    help='write the policy there as a SavedModel, before the episodes',
  )
  parser.add_argument(
    '--carry_images',
    action='store_true',
    help='have the exported policy carry images from step to step, and encode '
    'them anew, instead of their features',
  )
  parser.add_argument(
    '--half',
    action='store_true',
    help="have the exported policy's parameters in 16 bits, play it, and write "
    'beside it how it was trained and what it returned',
  )
  parser.add_argument(
    '--allow_gin_imports',
    action='store_true',
    help='import the modules that the run was made with, and so run their code',
  )
  arguments = parser.parse_args()
  _check(parser, arguments)
  return arguments


def _check(parser, arguments):
  """Refuses flags that do not go together."""
  about_export = (
    arguments.carry_images or arguments.half or not arguments.episodes
  )
  if bool(arguments.run_dir) == bool(arguments.pretrained):
    parser.error(
      "name a run's folder (run_dir), or a policy with --pretrained, and not "
      'both'
    )
  if arguments.pretrained and (
    arguments.export or arguments.sample or about_export
  ):
    parser.error(
      '--pretrained plays a policy that was exported as it is: leave out '
      '--export, --sample, --carry_images, --half and --episodes=0'
    )
  if about_export and not arguments.export:
    parser.error(
      '--carry_images, --half and --episodes=0 are about an export: name its '
      'folder with --export'
    )
  if arguments.video and arguments.video.suffix.lower() != '.gif':
    parser.error(
      f'--video={arguments.video}: films are GIFs, so end the name in .gif'
    )
  if arguments.half and not arguments.episodes:
    parser.error(
      '--half writes down what the policy returns: play at least one episode'
    )


if __name__ == '__main__':
  # TensorFlow takes seconds; what is wrong with the command is said before.
  packages.start(PROGRAM, parse_arguments)

import numpy as np
import tensorflow as tf

from slac import deployment
from slac.config import bindings
from slac.deployment import exporting, playing, records
from slac.reporting import encoding, pictures
from slac.training import devices, evaluation, experiment, trained


def main():
  """Runs the command line."""
  arguments = parse_arguments()
  with errors.reported_by(PROGRAM):
    (play_pretrained if arguments.pretrained else play)(arguments)


def play_pretrained(arguments):
  """Plays a policy that was exported with a record, and writes its film."""
  folder = records.find(arguments.pretrained)
  record = records.read(folder)
  devices.prepare()  # Before anything is computed, which a load does.
  policy = deployment.load(folder)
  about, recorded = policy.about, record['evaluation']
  if arguments.greedy and not about['greedy']:
    raise errors.UserError(
      f'{folder} was exported with --sample and has no mode to act at: leave '
      'out --greedy.',
      64,
    )
  video = arguments.video or pathlib.Path(f'{folder.resolve().name}.gif')
  errors.check_can_write(video, '--video')
  bindings.load_resolved(record['config'], arguments.allow_gin_imports)
  with experiment.making():
    environment = experiment.make_environment(
      about['action_repeat'], about['observation'], record['config']
    )
  evaluator = evaluation.Evaluator(
    environment, playing.PlayedPolicy(policy), arguments.seed
  )
  returns = recorded['returns']
  print(
    f'{about["task"]}, after {about["env_steps"]:,} environment steps, '
    f'{records.sentence(record)}\n'
    f'  recorded: mean return {np.mean(returns):.1f} of {len(returns)} '
    f'episodes with --seed={recorded["seed"]}, the first {returns[0]:.1f}'
  )
  episodes = run(evaluator, arguments.episodes, about['env_steps'])
  images = pictures.as_rgb(episodes[0].pixels)
  show(episodes[0], lambda: {video: encode_film(episodes[0], images)})


def play(arguments):
  """Loads the run, plays it, prints returns, writes the video."""
  folder = arguments.run_dir
  trained.load_settings(folder, arguments.allow_gin_imports)
  video = arguments.video or folder / 'videos' / 'play.gif'
  if arguments.episodes:  # To make the pictures takes minutes.
    errors.check_can_write(video, '--video')
  if arguments.export:
    exporting.check_can_replace(arguments.export)
    errors.check_can_create(arguments.export, '--export')
  parts, env_steps = trained.restore(folder)
  agent = parts.agent
  if arguments.export:
    exporting.export(
      *(parts, arguments.export, env_steps),
      greedy=not arguments.sample,
      images=arguments.carry_images,
      half=arguments.half,
    )
    print(f'Exported the policy to {arguments.export}.', flush=True)
  if not arguments.episodes:
    return
  policy = agent.policy if arguments.sample else agent.greedy_policy
  if arguments.half:  # What others will play.
    policy = playing.PlayedPolicy(deployment.load(arguments.export))
  evaluator = evaluation.Evaluator(
    parts.eval_environment, policy, arguments.seed
  )
  print(f'{parts.task}, after {env_steps:,} environment steps')
  episodes = run(evaluator, arguments.episodes, env_steps)
  if arguments.half:
    records.write(arguments.export, folder, arguments.seed, episodes)
  show(episodes[0], lambda: draw(agent, episodes[0], arguments.seed, video))


def run(
  evaluator: evaluation.Evaluator, num_episodes: int, env_steps: int
) -> list[evaluation.Episode]:
  """Plays episodes, and prints their returns as they end."""
  numbers = itertools.count(1)

  def tell(episode):
    success = {None: '', True: ', success', False: ', no success'}
    print(
      f'  episode {next(numbers)}: return {episode.episode_return:.1f}, '
      f'{episode.length} agent steps{success[episode.is_success]}',
      flush=True,
    )

  episodes = evaluator.run(num_episodes, env_steps, on_episode=tell)
  returns = [episode.episode_return for episode in episodes]
  print(f'  mean return {np.mean(returns):.1f}')
  if None not in (successes := [episode.is_success for episode in episodes]):
    print(f'  success rate {np.mean(successes):.0%}')
  return episodes


def show(
  episode: evaluation.Episode,
  drawn: Callable[[], Mapping[pathlib.Path, bytes]],
):
  """Writes the files that are drawn of an episode, if it could be seen."""
  if not pictures.was_seen(episode):
    print('There is no film: the task cannot be rendered here.')
    return
  files = drawn()
  for path, content in files.items():
    with errors.written(path, '--video'):
      path.write_bytes(content)
  print(f'Wrote {", ".join(str(path) for path in files)}.')


def draw(
  agent, episode: evaluation.Episode, seed: int, video: pathlib.Path
) -> dict[pathlib.Path, bytes]:
  """Returns the film of an episode and Fig. 14 of its first steps, as files.

  Args:
    agent: the agent; without a model there is only a film of the images.
    episode: the episode.
    seed: decides the model's random draws.
    video: the film's path, from which the names of the others are made.
  """
  if not agent.model:
    return {video: encode_film(episode, pictures.as_rgb(episode.pixels))}
  windows = pictures.covering_windows(
    len(episode.pixels), agent.train_sequence_length
  )
  # The model takes a tensor of 32 bits, whatever number --seed is.
  seed = np.random.SeedSequence(seed).generate_state(2).astype(np.int32)
  truth = pictures.as_rgb(episode.pixels)
  reconstructions = np.empty_like(truth)
  reconstructions[windows] = pictures.as_rgb(
    pictures.reconstructed(agent.model, episode, windows, seed)
  )
  images = np.concatenate([truth, reconstructions], axis=2)
  figure = video.with_name(f'{video.stem}_fig14.gif')
  first = windows[:1]
  rows = agent.model.dream(
    episode.observation(first), episode.actions[first], tf.constant(seed)
  ).numpy()
  rows = pictures.as_rgb(rows)
  return {
    video: encode_film(episode, images),
    figure.with_suffix('.png'): encoding.png(
      pictures.strip(rows[:, 0], first[0])
    ),
    figure: encoding.gif(pictures.film(rows, first)),
  }


def encode_film(episode: evaluation.Episode, images: np.ndarray) -> bytes:
  """Returns what `pictures.side_by_side` does, as a GIF."""
  return encoding.gif(pictures.side_by_side(episode, images))


if __name__ == '__main__':
  main()
