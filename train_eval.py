"""Trains and evaluates an agent: `python train_eval.py --gin_file=gin/X.gin`.

The same command again continues the run.
"""

import contextlib
import dataclasses
import itertools
import sys

# The package comes first: it keeps TensorFlow's chatter off the screen.
# isort: off
from slac import console, errors
from slac.agents import policies
from slac.config import bindings
from slac.environments import checked
from slac.reporting import report, summary
from slac.storage import checkpoints, disk, run_folder, versions
from slac.training import (
  collecting,
  compiled,
  devices,
  evaluation,
  experiment,
  faults,
  memory,
  replay,
  schedule,
  stopping,
)
from slac.environments import rendering
# isort: on

import tensorflow as tf


class Run:
  """The parts of a run, the loop over them, and what a checkpoint holds."""

  def __init__(self, parts, replay, folder, stop):
    self._agent = agent = parts.agent
    self._schedule = parts.schedule
    self._replay = replay
    self._stop = stop
    self._evaluators = [
      evaluation.Evaluator(parts.eval_environment, policy, parts.seed)
      for policy in (agent.policy, agent.greedy_policy)
    ]
    random_policy = parts.random_policy(
      agent.time_step_spec,
      agent.action_spec,
      generator=policies.spawn_generators([parts.seed, 1], 1)[0],
    )
    self._random_policy = compiled.EagerPolicy(random_policy)
    self._collect_policy = compiled.EagerPolicy(agent.collect_policy)
    self._train = compiled.Update(agent.train)
    if agent.model:
      self._train_model = compiled.Update(agent.train_model)
    self._watch = faults.Watch(folder)
    self._checkpoints = checkpoints.Checkpoints(
      folder / 'checkpoints',
      tf.train.Checkpoint(agent=agent, random_policy=random_policy),
      replay,
    )
    restored = self._checkpoints.restore()
    state = restored[1] if restored else None
    self._counters = schedule.Counters(parts.schedule.action_repeat)
    if state:
      self._counters = schedule.Counters(**state['counters'])
      print(f'Continuing at {self._counters.env_steps:,} environment steps.')
    self._report = report.Report(
      folder,
      parts,
      self._counters,
      agent.trace(parts.schedule.batch_size),
      state and state['report'],
    )
    self._collector = collecting.Collector(
      parts.environment,
      replay,
      agent.training_data_spec,
      self._report.stopwatch,
    )
    if state and not self._collector.set_state(state['collector']):
      print('The environment cannot be restored: a new episode begins.')

  def loop(self):
    """Algorithm 1, until the budget is spent or a signal has come."""
    save = stopping.Autosave(self._save, self._schedule.checkpoint_seconds)
    with contextlib.closing(self._report):
      while not self._stop.requested:
        if self._counters.env_steps >= self._counters.next_evaluation:
          self._evaluate()
        elif self._counters.env_steps < self._schedule.env_steps:
          self._turn()
        else:
          break
        save.if_due()
      self._save()

  def _turn(self):
    """One agent step and the updates after it, or one pretraining update."""
    counters, schedule = self._counters, self._schedule
    phase = schedule.phase(counters)
    self._report.enter(phase)
    if phase == 'random data':
      self._collect(self._random_policy)
    elif phase == 'pretraining':
      self._update(self._train_model, self._agent.model_batch_size)
      counters.model_updates += 1
      if counters.model_updates % schedule.picture_interval == 0:
        self._attempt('picture', self._draw_pretraining)
    else:
      self._collect(self._collect_policy)
      for _ in range(schedule.gradient_steps):
        self._update(self._train, schedule.batch_size)
        counters.gradient_steps += 1
    self._report.advance()

  def _collect(self, policy):
    """Takes an agent step, in another episode where the environment fails."""
    while True:
      try:
        finished = self._collector.step(policy)
        break
      except checked.Failure as failure:
        self._count_failure(failure)
    self._counters.agent_steps += 1
    if finished:
      self._counters.episodes += 1
      self._counters.failures_in_a_row = 0
      self._report.add_episode(*finished)

  def _count_failure(self, failure):
    """Warns that an episode has failed; saves and stops if too many have."""
    counters = self._counters
    counters.failed_episodes += 1
    counters.failures_in_a_row += 1
    console.warn(
      f'After {counters.env_steps:,} environment steps an episode ends, as '
      f'{failure}.'
    )
    if counters.failures_in_a_row >= faults.LIMIT:
      self._save()
      raise errors.UserError(
        f'{counters.failures_in_a_row} episodes in a row have failed, the last '
        f'as {failure}; all is saved, so mend the environment and start the '
        'same command again.',
        failure.exit_code,
      )

  def _update(self, train, batch_size):
    self._watch.check()
    with self._report.stopwatch('sampling'):
      experience = compiled.from_arrays(self._replay.sample(batch_size))
    with self._report.stopwatch('training'):
      names, values = train(experience)
    self._report.add_metrics(names, values)
    self._watch.add(self._counters, experience, names, values)

  def _evaluate(self):
    """Reports returns and pictures; a signal leaves it to the next start."""
    counters, schedule = self._counters, self._schedule
    with self._report.stopwatch('evaluation'):
      evaluated = self._attempt('evaluation', self._run_evaluation)
    if self._stop.requested:
      return
    if evaluated:
      self._report.evaluated(*evaluated)
    while counters.next_evaluation <= counters.env_steps:
      counters.next_evaluation += schedule.eval_interval

  def _run_evaluation(self):
    """Returns the episodes of the stochastic and of the greedy policy."""
    counters, schedule = self._counters, self._schedule
    stochastic, greedy = self._evaluators
    episodes = []
    for episode in self._episodes(stochastic, schedule.eval_episodes):
      episodes.append(episode)
      # At once, as the whole evaluation can take minutes; and only once,
      # also if it is broken off here and repeated.
      if counters.drawn_at < counters.env_steps:
        self._report.draw('evaluation', counters.env_steps, episode)
        counters.drawn_at = counters.env_steps
    greedy_episodes = self._episodes(greedy, schedule.greedy_eval_episodes)
    return episodes, list(greedy_episodes)

  def _draw_pretraining(self):
    for episode in self._episodes(self._evaluators[0], 1):
      self._report.draw('pretraining', self._counters.model_updates, episode)

  def _attempt(self, name, call):
    counters = self._counters
    name = (
      f'The {name} after {counters.env_steps:,} environment steps and '
      f'{counters.model_updates:,} model updates'
    )
    return faults.attempt(name, call)

  def _episodes(self, evaluator, n):
    episodes = evaluator.episodes(
      self._counters.env_steps, lambda: self._stop.requested
    )
    return itertools.islice(episodes, n)

  def _save(self):
    self._watch.check()
    self._checkpoints.save(
      self._counters.iterations,
      {
        'counters': dataclasses.asdict(self._counters),
        'collector': self._collector.get_state(),
        'report': self._report.get_state(),
      },
    )


def main():
  """Runs the command line."""
  arguments = parse_arguments()
  with errors.reported_by('train_eval.py'):
    sys.exit(train_eval(arguments))


def parse_arguments():
  """Returns the flags."""
  parser = errors.ArgumentParser(description=__doc__)
  parser.add_argument(
    '--gin_file',
    action='append',
    required=True,
    help='a task; each further file overlays those before it',
  )
  parser.add_argument(
    '--gin_param',
    action='append',
    default=[],
    help="one binding, such as 'SlacAgent.model_batch_size = 16'",
  )
  parser.add_argument(
    '--allow_gin_imports',
    action='store_true',
    help='let gin files import modules, and so run their code',
  )
  parser.add_argument('--root_dir', default='runs', help='where runs are kept')
  parser.add_argument('--name', help="the run's folder, in place of its own")
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
    '--fresh',
    action='store_true',
    help='begin anew in a new folder, whatever is there',
  )
  return parser.parse_args()


def train_eval(arguments):
  """Begins or continues a run; returns the exit code."""
  stop = stopping.StopRequest()
  memory.keep_small()
  seed = arguments.seed
  bindings.load(
    arguments.gin_file,
    [*arguments.gin_param, f'Experiment.seed = {seed}  # Of --seed.'],
    arguments.allow_gin_imports,
  )
  name = run_folder.run_name(
    arguments.gin_file, arguments.gin_param, seed, arguments.name
  )
  rendering.choose_backend()
  devices.prepare()
  tf.keras.utils.set_random_seed(seed)
  with bindings.translate_gin_errors():
    parts = experiment.Experiment()
    ring = replay.Replay(
      parts.agent.training_data_spec, parts.agent.train_sequence_length, seed
    )
  bindings.check_all_used()
  folder = run_folder.open_run(
    arguments.root_dir,
    name,
    arguments.fresh,
    bindings.resolved(),
    versions.version(devices.names(), parts.agent.compute_dtype),
  )
  print(folder)
  print(summary.describe(parts, ring), flush=True)
  num_parameters = sum(parts.agent.num_parameters.values())
  disk.check(folder, experiment.needed(ring, parts.schedule, num_parameters))
  run = Run(parts, ring, folder, stop)
  stop.defer()
  run.loop()
  stop.release()
  if stop.requested:
    print('Stopped and saved; the same command continues.')
    return stop.exit_code
  policies.export(parts.agent.policy, str(folder / 'policy'))
  return 0


if __name__ == '__main__':
  main()
