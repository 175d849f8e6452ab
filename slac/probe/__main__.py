"""Says what a run's model knows: `python -m slac.probe RUN_DIR`.

The run's policy plays episodes, which no model is trained on. Printed are the
squared error of the reconstructed images per pixel, the same where something
stands before the background, and how well the simulator's state is read off
the latents linearly: R^2 of a ridge regression that is fitted to half of the
episodes, on the other half.

With --updates a new model is trained first, alone, on the steps in the run's
replay, with the run's settings or those of --gin_file. So models are compared
on the same data within minutes. No file of the run is changed.
"""

import functools
import pathlib
import textwrap
from collections.abc import Sequence

from slac import errors
from slac.installation import packages

PROGRAM = 'slac.probe'
# So many updates pass between the lines that are printed while a model learns.
_INTERVAL = 500


def parse_arguments():
  """Returns the flags."""
  parser = errors.ArgumentParser(
    prog='python -m slac.probe', description=__doc__
  )
  parser.add_argument('run_dir', type=pathlib.Path, help="a run's folder")
  parser.add_argument(
    '--updates',
    type=errors.whole_number,
    default=0,
    help="of a new model; 0 for the run's own model",
  )
  parser.add_argument(
    '--gin_file',
    action='append',
    default=[],
    help="the new model's settings, in place of the run's",
  )
  parser.add_argument(
    '--gin_param', action='append', default=[], help='one binding, over these'
  )
  parser.add_argument(
    '--episodes',
    type=functools.partial(errors.count, low=2),
    default=10,
    help='at least 2: the probe is fitted to half of them',
  )
  parser.add_argument(
    '--seed', type=errors.seed, default=0, help='decides every random draw'
  )
  parser.add_argument(
    '--allow_gin_imports',
    action='store_true',
    help='import the modules that gin files name, and so run their code',
  )
  arguments = parser.parse_args()
  if arguments.gin_file and not arguments.updates:
    parser.error(
      '--gin_file is for a new model: say with --updates how many it is '
      'trained for'
    )
  if arguments.gin_param and not arguments.gin_file:
    parser.error(
      "--gin_param is a binding over a task's: name that with --gin_file"
    )
  return arguments


if __name__ == '__main__':
  # TensorFlow takes seconds; what is wrong with the command is said before.
  packages.start(PROGRAM, parse_arguments)

import numpy as np
import tensorflow as tf

from slac.agents import base, slac_agent
from slac.config import bindings
from slac.probe import knowledge
from slac.training import (
  assessment,
  collection,
  compiled,
  evaluation,
  experiment,
  memory,
  needs,
  trained,
)


def main():
  """Runs the command line."""
  arguments = parse_arguments()
  with errors.reported_by(PROGRAM):
    probe(arguments)


def probe(arguments):
  """Loads the run, trains a new model if asked to, plays, and says all."""
  memory.keep_freed()
  folder = arguments.run_dir
  config = trained.load_settings(folder, arguments.allow_gin_imports)
  parts, env_steps = trained.restore(folder)
  with experiment.making():
    environment = experiment.make_environment(
      parts.schedule.action_repeat, None, config
    )
  if arguments.updates:
    agent = train(arguments, parts)
  else:
    agent = parts.agent
    check_has_model(agent)
  evaluator = evaluation.Evaluator(
    environment, parts.agent.policy, arguments.seed
  )
  episodes = evaluator.run(arguments.episodes, env_steps, is_filmed=False)
  length = agent.train_sequence_length
  if short := [each for each in episodes if each.length < length]:
    raise errors.UserError(
      f'An episode has {short[0].length} steps, which is less than a sequence '
      f'of {length}: give another --seed, or a run whose episodes are longer.'
    )
  returns = [episode.episode_return for episode in episodes]
  print(
    f'{parts.task}, after {env_steps:,} environment steps\n'
    f'  {len(episodes)} episodes return {np.mean(returns):.1f} on average\n'
    f'  {agent.num_parameters["model"]:,} parameters of the model',
    flush=True,
  )
  tell(agent, episodes)


def train(arguments, run: experiment.Experiment) -> base.Agent:
  """Returns an agent whose model, a new one, was trained on the run's steps.

  Without --gin_file it has the settings that are loaded, which are the run's,
  but for the seed.

  Args:
    arguments: the flags.
    run: the run's parts, with whose task and steps new settings must agree.
  """
  own = {'Experiment.seed': str(arguments.seed), **collection.ELSEWHERE}
  if arguments.gin_file:
    bindings.load(
      arguments.gin_file,
      [*arguments.gin_param, *map(' = '.join, own.items())],
      arguments.allow_gin_imports,
    )
  else:
    bindings.load_resolved(
      {**bindings.resolved(), **own}, arguments.allow_gin_imports
    )
  tf.keras.utils.set_random_seed(arguments.seed)
  with bindings.translate_gin_errors():
    needs.check()
    parts = experiment.Experiment()
  check_has_model(parts.agent)
  check_keeps_pixels(run.agent)
  if parts.task != run.task:
    raise errors.UserError(
      f'--gin_file has {parts.task}, and the run is of {run.task}: name the '
      "gin file of the run's task first."
    )
  ring = trained.make_replay(parts, arguments.run_dir)
  batch_size = parts.schedule.batch_size
  if arguments.gin_file:
    bindings.check_all_used(lambda: parts.agent.trace(batch_size))
  updates = parts.agent.updates(batch_size)
  update = compiled.CompiledUpdate(updates['train_model'])
  found = []
  for number in range(1, arguments.updates + 1):
    experience = compiled.as_tensors(ring.sample(update.batch_size))
    names, values = update(experience)
    found.append(values[names.index(assessment.ERROR)])
    if number % _INTERVAL == 0 or number == arguments.updates:
      print(
        f'  after {number:,} updates: squared error per pixel '
        f'{np.mean(found):.5f} in training',
        flush=True,
      )
      found = []
  return parts.agent


def check_has_model(agent: base.Agent):
  """Raises a UserError if an agent has no latent variable model."""
  if not agent.model:
    raise errors.UserError(
      f'{type(agent).__name__} has no latent variable model that could be '
      'probed: name a run, or a gin file, of one that has.'
    )


def check_keeps_pixels(agent: base.Agent):
  """Raises a UserError if the run of an agent has kept no images."""
  if 'pixels' not in agent.training_data_spec.observation:
    raise errors.UserError(
      f'The run of {type(agent).__name__} has kept no images to train a model '
      'on: train it anew with SacStateAgent.keeps_pixels = True, or name '
      'another run.'
    )


def tell(agent: slac_agent.SlacAgent, episodes: Sequence[evaluation.Episode]):
  """Prints what an agent's model knows of episodes."""
  behind = knowledge.background(episodes)
  seen = [knowledge.see(agent, episode, behind) for episode in episodes]
  found = knowledge.errors_of(seen)
  print(
    f'  squared error per pixel {found.all:.5f}; in the foreground, '
    f'{found.share:.1%} of the pixels, {found.foreground:.4f}'
  )
  if episodes[0].states is not None:
    r2 = knowledge.linear_probe(*knowledge.halves(seen, episodes))
    numbers = ' '.join('-' if np.isnan(x) else f'{x:.2f}' for x in r2)
    text = f'linear probe of the state, R^2 of each of its numbers: {numbers}'
    print(textwrap.indent(textwrap.fill(text, 78), '  '))


if __name__ == '__main__':
  main()
