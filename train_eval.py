"""Trains and evaluates an agent: `python train_eval.py --gin_file=gin/X.gin`.

The same command again continues the run.
"""

import argparse
import dataclasses
import itertools
import sys
import time

# The package comes first: it keeps TensorFlow's chatter off the screen.
# isort: off
from slac import (
  checkpoints,
  collecting,
  config,
  devices,
  errors,
  evaluation,
  experiment,
  logs,
  pictures,
  policies,
  progress,
  replay,
  runs,
  schedule,
  stopping,
  summary,
)
from slac.environments import rendering
# isort: on

import numpy as np
import psutil
import tensorflow as tf

COUNTERS = (
  'env_steps',
  'agent_steps',
  'model_updates',
  'gradient_steps',
  'episodes',
  'wall_seconds',
)
EVALUATION = (
  'average_return',
  'stddev_of_return',
  'average_length',
  'greedy_average_return',
)
EPISODE = ('training/episode_return', 'training/episode_length')
SECONDS = (
  'environment',
  'rendering',
  'acting',
  'sampling',
  'training',
  'evaluation',
)
SPEED = ('speed/updates_per_second', 'speed/resident_gigabytes')
DREAMS = 6  # Stretches of an episode in a film of Fig. 14.


class Run:
  """The parts of a run, the loop over them, and what a checkpoint holds."""

  def __init__(self, parts, replay, folder, stop):
    self._agent = agent = parts.agent
    self._environment = parts.environment
    self._schedule = parts.schedule
    self._stop = stop
    self._counters = schedule.Counters()
    self._averages = logs.Averages()
    self._stopwatch = logs.Stopwatch()
    self._evaluators = [
      evaluation.Evaluator(parts.eval_environment, policy, parts.seed)
      for policy in (agent.policy, agent.greedy_policy)
    ]
    random_policy = policies.TanhGaussianPolicy(
      agent.time_step_spec,
      agent.action_spec,
      generator=policies.spawn_generators([parts.seed, 1], 1)[0],
    )
    self._random_policy = policies.eager(random_policy)
    self._collect_policy = policies.eager(agent.collect_policy)
    self._replay = replay
    self._collector = collecting.Collector(
      parts.environment, self._replay, agent.training_data_spec, self._stopwatch
    )
    self._checkpoints = checkpoints.Checkpoints(
      folder / 'checkpoints',
      tf.train.Checkpoint(agent=agent, random_policy=random_policy),
      self._replay,
    )
    self._columns = (
      *EPISODE,
      *agent.trace(self._schedule.batch_size),
      *SPEED,
      *(f'seconds/{name}' for name in SECONDS),
    )
    self._start(folder)

  def _start(self, folder):
    """Continues from the newest whole checkpoint, or begins."""
    restored = self._checkpoints.restore()
    state = restored[1] if restored else None
    columns = {
      'train': (*COUNTERS, *self._columns),
      'eval': (*COUNTERS, *EVALUATION),
    }
    logs.Logs.rewind(folder, state and dict(state['logs']), columns)
    self._began = time.monotonic()
    if state:
      self._began -= state['wall_seconds']
      self._counters = schedule.Counters(**state['counters'])
      self._averages.set_state(state['averages'])
      print(f'Continuing at {self.env_steps:,} environment steps.')
      if not self._collector.set_state(state['collector']):
        print('The environment cannot be restored: a new episode begins.')
    self._logs = logs.Logs(folder, columns)
    if not state:
      self._logs.text('settings', summary.settings_table())
    self._progress = progress.Progress(
      self._schedule.iterations, self._counters.iterations
    )
    self._phase = None
    self._enter_phase()
    self._mark()

  @property
  def env_steps(self) -> int:
    """Environment steps so far, random data included."""
    return self._counters.agent_steps * self._schedule.action_repeat

  def loop(self):
    """Algorithm 1, until the budget is spent or a signal has come."""
    saved = time.monotonic()
    while not self._stop.requested:
      if self.env_steps >= self._counters.next_evaluation:
        self._evaluate()
      elif self.env_steps < self._schedule.env_steps:
        self._turn()
      else:
        break
      if time.monotonic() - saved > self._schedule.checkpoint_seconds:
        self._save()
        saved = time.monotonic()
    self._save()
    self._progress.close()

  def _turn(self):
    """One agent step and the updates after it, or one pretraining update."""
    counters, schedule = self._counters, self._schedule
    phase = self._enter_phase()
    if phase == 'random data':
      self._collect(self._random_policy)
    elif phase == 'pretraining':
      self._update(self._agent.train_model, self._agent.model_batch_size)
      counters.model_updates += 1
      if counters.model_updates % schedule.picture_interval == 0:
        self._draw_pretraining()
    else:
      self._collect(self._collect_policy)
      for _ in range(schedule.gradient_steps):
        self._update(self._agent.train, schedule.batch_size)
        counters.gradient_steps += 1
    self._progress.advance()
    if counters.iterations % schedule.log_interval == 0:
      self._log()

  def _enter_phase(self):
    phase = self._schedule.phase(self._counters)
    if phase != self._phase:
      self._phase = phase
      self._progress.phase(phase)
    return phase

  def _collect(self, policy):
    finished = self._collector.step(policy)
    self._counters.agent_steps += 1
    if finished:
      self._counters.episodes += 1
      self._averages.add(dict(zip(EPISODE, finished, strict=True)))
      self._progress.show(episode_return=finished.episode_return)

  def _update(self, train, batch_size):
    with self._stopwatch('sampling'):
      batch = self._replay.sample(batch_size)
      experience = tf.nest.map_structure(tf.constant, batch)
    with self._stopwatch('training'):
      self._averages.add(train(experience).extra)

  def _evaluate(self):
    """Logs returns and pictures; a signal leaves it to the next start."""
    schedule = self._schedule
    stochastic, greedy = self._evaluators
    with self._stopwatch('evaluation'):
      episodes = self._run_episodes(stochastic, schedule.eval_episodes)
      greedy_episodes = self._run_episodes(
        greedy, schedule.greedy_eval_episodes
      )
    if self._stop.requested:
      return
    returns = [episode.episode_return for episode in episodes]
    values = {
      'average_return': np.mean(returns),
      'stddev_of_return': np.std(returns),
      'average_length': np.mean([episode.length for episode in episodes]),
    }
    if greedy_episodes:
      values['greedy_average_return'] = np.mean(
        [episode.episode_return for episode in greedy_episodes]
      )
    self._logs.row('eval', self._counts() | values)
    self._logs.scalars(
      self.env_steps, {f'evaluation/{k}': v for k, v in values.items()}
    )
    self._progress.message(
      f'{self.env_steps:,} environment steps: average return '
      f'{values["average_return"]:.1f} of {len(returns)} episodes'
    )
    while self._counters.next_evaluation <= self.env_steps:
      self._counters.next_evaluation += self._schedule.eval_interval

  def _run_episodes(self, evaluator, n):
    episodes = []
    for episode in itertools.islice(self._episodes(evaluator), n):
      episodes.append(episode)
      # At once, as the whole evaluation can take minutes; and only once, also
      # if it is broken off here and repeated.
      if self._counters.drawn_at < self.env_steps:
        self._draw('evaluation', self.env_steps, episode)
        self._counters.drawn_at = self.env_steps
    return episodes

  def _episodes(self, evaluator):
    return evaluator.episodes(self.env_steps, lambda: self._stop.requested)

  def _draw_pretraining(self):
    for episode in itertools.islice(self._episodes(self._evaluators[0]), 1):
      self._draw('pretraining', self._counters.model_updates, episode)

  def _draw(self, name, step, episode):
    """Writes the film of an episode and Fig. 14 of stretches of it."""
    self._logs.gif(
      step, f'{name}/episode', pictures.thin(episode.pixels), pictures.FPS
    )
    length = self._agent.train_sequence_length
    stretches = evaluation.windows(episode, length, DREAMS)
    if stretches:
      seed = tf.constant([0, step])
      rows = self._agent.model.dream(*stretches, seed).numpy()
      self._logs.gif(step, f'{name}/dreams', pictures.film(rows), pictures.FPS)
      self._logs.image(step, f'{name}/dream', pictures.strip(rows[:, 0]))

  def _log(self):
    """Writes what was gathered since the last time."""
    seconds = self._stopwatch.seconds()
    # The environment tells how much of its time it spent rendering.
    rendered = getattr(self._environment, 'render_seconds', 0.0)
    seconds['rendering'] = rendered - self._rendered
    seconds['environment'] = (
      seconds.get('environment', 0.0) - seconds['rendering']
    )
    elapsed = time.monotonic() - self._marked
    updates_per_second = (self._updates - self._updates_before) / elapsed
    values = {
      **self._averages.result(),
      'speed/updates_per_second': updates_per_second,
      'speed/resident_gigabytes': psutil.Process().memory_info().rss / 1e9,
      **{
        f'seconds/{name}': seconds.get(name, 0.0) / self._schedule.log_interval
        for name in SECONDS
      },
    }
    self._mark()
    self._logs.row('train', self._counts() | values)
    if self._phase == 'pretraining':
      # Environment steps stand still then.
      values = {f'pretraining/{k}': v for k, v in values.items()}
      self._logs.scalars(self._counters.model_updates, values)
    else:
      self._logs.scalars(self.env_steps, values)
    self._progress.show(
      env_steps=self.env_steps, updates_per_second=updates_per_second
    )

  def _mark(self):
    """Begins what the next log entry is about."""
    self._marked = time.monotonic()
    self._updates_before = self._updates
    self._rendered = getattr(self._environment, 'render_seconds', 0.0)

  @property
  def _updates(self):
    return self._counters.model_updates + self._counters.gradient_steps

  def _counts(self):
    return {
      'env_steps': self.env_steps,
      **{name: getattr(self._counters, name) for name in COUNTERS[1:-1]},
      'wall_seconds': round(time.monotonic() - self._began, 3),
    }

  def _save(self):
    self._checkpoints.save(
      self._counters.iterations,
      {
        'counters': dataclasses.asdict(self._counters),
        'averages': self._averages.get_state(),
        'collector': self._collector.get_state(),
        'logs': list(self._logs.get_state().items()),
        'wall_seconds': time.monotonic() - self._began,
      },
    )


def main():
  arguments = parse_arguments()
  try:
    sys.exit(train_eval(arguments))
  except errors.UserError as error:
    print(f'train_eval.py: {error}', file=sys.stderr)
    sys.exit(error.exit_code)


def parse_arguments():
  parser = argparse.ArgumentParser(description=__doc__)
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
  seed = arguments.seed
  config.load(
    arguments.gin_file, [*arguments.gin_param, f'Experiment.seed = {seed}']
  )
  config.check()
  rendering.choose_backend()
  devices.prepare()
  tf.keras.utils.set_random_seed(seed)
  with config.translate_gin_errors():
    parts = experiment.Experiment()
    ring = replay.Replay(
      parts.agent.training_data_spec, parts.agent.train_sequence_length, seed
    )
  config.check_all_used()
  name = runs.run_name(
    arguments.gin_file, arguments.gin_param, seed, arguments.name
  )
  folder = runs.open_run(
    arguments.root_dir,
    name,
    arguments.fresh,
    config.resolved(),
    runs.version(devices.names()),
  )
  print(folder)
  print(summary.describe(parts, ring), flush=True)
  run = Run(parts, ring, folder, stop)
  stop.defer()
  run.loop()
  if stop.requested:
    print('Stopped and saved; the same command continues.')
    return stop.exit_code
  policies.export(parts.agent.policy, str(folder / 'policy'))
  return 0


if __name__ == '__main__':
  main()
