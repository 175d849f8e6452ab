"""Trains and evaluates an agent: `python train_eval.py --gin_file=gin/X.gin`.

The same command again continues the run.
"""

import contextlib
import functools
import pathlib
import sys

from slac import errors
from slac.installation import packages, streams, versions
from slac.training import flags

PROGRAM = 'train_eval.py'


if __name__ == '__main__':
  # TensorFlow takes seconds; what is wrong with the command is said before.
  early = packages.start(PROGRAM, lambda: flags.parse(__doc__))
  with errors.reported_by(PROGRAM):
    from slac.config import bindings

    bindings.check_files(early.gin_file)

import tensorflow as tf

from slac.config import bindings
from slac.deployment import exporting
from slac.environments import rendering
from slac.reporting import pictures, report, summary
from slac.storage import checkpoints, disk, locks, names, run_folder
from slac.training import (
  assessment,
  collecting,
  compiled,
  devices,
  evaluation,
  experiment,
  faults,
  memory,
  needs,
  schedule,
  stopping,
  transfer,
)


class Run:
  """Algorithm 1 over the parts of an experiment, saved and continued."""

  def __init__(self, parts, ring, folder, stop):
    self._agent = agent = parts.agent
    self._folder = folder
    self._schedule = parts.schedule
    self._replay = ring
    self._stop = stop
    self.counters = schedule.Counters(parts.schedule.action_repeat)
    self._updates = {
      name: compiled.CompiledUpdate(update)
      for name, update in agent.updates(parts.schedule.batch_size).items()
    }
    self._random_policy = compiled.EagerPolicy(parts.random_policy)
    self._collect_policy = compiled.EagerPolicy(agent.collect_policy)
    self._evaluator, self._greedy_evaluator = (
      evaluation.Evaluator(
        parts.eval_environment, policy, parts.seed, parts.limit
      )
      for policy in (agent.policy, agent.greedy_policy)
    )
    self._finite_check = faults.FiniteCheck(folder)
    trace = agent.trace(parts.schedule.batch_size)
    self._report = report.Report(folder, parts, self.counters, trace)
    self._collector = collecting.Collector(
      parts.environments,
      ring,
      agent.training_data_spec,
      self._report.stopwatch,
      parts.limit,
    )
    self._checkpoints = checkpoints.Checkpoints(
      folder / 'checkpoints',
      tf.train.Checkpoint(agent=agent, random_policy=parts.random_policy),
      ring,
    )
    # What a checkpoint holds beside variables and replay.
    self._stateful = {
      'counters': self.counters,
      'collector': self._collector,
      'report': self._report,
    }
    self._restore()

  def loop(self):
    """Algorithm 1, until the budget is spent or a signal has come."""
    counters, plan = self.counters, self._schedule
    autosave = stopping.Autosave(self._save, plan.checkpoint_seconds)
    self._report.open()
    with contextlib.closing(self._report):
      if not counters.iterations:
        self._save()  # What has logged anything is never without a checkpoint.
      while not self._stop.requested:
        if counters.env_steps >= counters.next_evaluation:
          self._evaluate()
        elif counters.env_steps < plan.env_steps:
          self._turn(plan.phase(counters))
        else:
          break
        autosave.if_due()
      self._save()

  def _turn(self, phase):
    """Agent steps and the updates after them, or one pretraining update."""
    counters, plan = self.counters, self._schedule
    before, failures = counters.iterations, []
    self._report.enter(phase)
    if phase == 'random data':
      _, failures = self._collect(self._random_policy)
    elif phase == 'pretraining':
      self._update('train_model')
      counters.model_updates += 1
      if counters.model_updates % plan.picture_interval == 0:
        self._draw_pretraining()
    else:
      num_steps, failures = self._collect(self._collect_policy)
      for _ in range(num_steps * plan.gradient_steps):
        self._update('train')
        counters.gradient_steps += 1
    if advanced := counters.iterations - before:
      self._report.advance(advanced)
    for failure in failures:
      faults.count(failure, counters, self._save)

  def _collect(self, policy):
    """Takes a step in each environment; returns how many, and what failed."""
    turn = self._collector.step(policy)
    self.counters.agent_steps += turn.num_steps
    for finished in turn.finished:
      self.counters.finish_episode()
      self._report.add_episode(*finished)
    return turn.num_steps, turn.failures

  def _update(self, name):
    """Draws a batch, and has the agent compute one of its updates."""
    self._finite_check.check()
    update = self._updates[name]
    with self._report.stopwatch('sampling'):
      experience = compiled.as_tensors(self._replay.sample(update.batch_size))
    with self._report.updating(update.is_compiled):
      names, values = update(experience)
    self._report.add_metrics(names, values)
    self._finite_check.add(self.counters, experience, names, values)

  def _evaluate(self):
    """Reports the returns; a signal leaves all of it to the next start."""
    counters, interval = self.counters, self._schedule.eval_interval
    with self._report.evaluating():
      episodes = faults.attempt('evaluation', counters, self._run_policies)
      if self._stop.requested:
        return
      assessed = episodes and self._assess(assessment.of_episodes, episodes[0])
    if episodes:
      self._report.evaluated(*episodes, assessed)
    counters.next_evaluation = (counters.env_steps // interval + 1) * interval

  def _assess(self, function, episodes):
    call = functools.partial(function, self._agent, episodes)
    return faults.attempt('assessment', self.counters, call) or {}

  def _run_policies(self):
    """Returns episodes of the stochastic policy, and of the greedy one."""
    plan = self._schedule
    return (
      self._run(self._evaluator, plan.eval_episodes, self._draw_evaluation),
      self._run(self._greedy_evaluator, plan.greedy_eval_episodes),
    )

  def _run(self, evaluator, num_episodes, *on_episode):
    return evaluator.run(
      num_episodes,
      self.counters.env_steps,
      lambda: self._stop.requested,
      *on_episode,
    )

  def _draw_evaluation(self, episode):
    """Draws the first episode at once, as the others can take minutes."""
    counters = self.counters
    if counters.drawn_at < counters.env_steps:  # An evaluation may be repeated.
      self._draw('evaluation', counters.env_steps, episode)
      counters.drawn_at = counters.env_steps

  def _draw_pretraining(self):
    counters = self.counters
    draw = functools.partial(self._draw, 'pretraining', counters.model_updates)
    run = functools.partial(self._run, self._evaluator, 1, draw)
    if episodes := faults.attempt('picture', counters, run):
      assessed = self._assess(assessment.of_model, episodes)
      self._report.assessed_in_pretraining(assessed)

  def _draw(self, name, step, episode):
    drawn = pictures.of_episode(self._agent, episode, [0, step])
    self._report.draw(name, step, drawn)

  def _save(self):
    self._finite_check.check()
    locks.check(self._folder)
    self._collector.prepare()  # What fails here, the next step meets again.
    state = {name: part.get_state() for name, part in self._stateful.items()}
    self._checkpoints.save(self.counters.iterations, state)

  def _restore(self):
    """Continues from the newest checkpoint; a new run has none."""
    if restored := self._checkpoints.restore():
      _, state = restored
      with checkpoints.restoring(self._folder):
        for name, part in self._stateful.items():
          part.set_state(state[name])
      steps = f'{self.counters.env_steps:,}'
      print(f'Continuing at {steps} environment steps.', flush=True)
    else:
      run_folder.refuse_to_forget(self._folder)


def main():
  """Runs the command line."""
  streams.guard()
  arguments = flags.parse(__doc__)
  with errors.reported_by(PROGRAM):
    sys.exit(train_eval(arguments))


def train_eval(arguments):
  """Begins or continues a run; returns the exit code."""
  stop = stopping.StopRequest()
  memory.keep_small()
  seed = arguments.seed
  bindings.load(
    arguments.gin_file,
    [*arguments.gin_param, f'Experiment.seed = {seed}  # Given by --seed.'],
    arguments.allow_gin_imports,
  )
  init = arguments.init_from, arguments.init_parts
  name = names.run_name(
    *(arguments.gin_file, arguments.gin_param, seed, arguments.root_dir),
    *(init, arguments.name),
  )
  folder = pathlib.Path(arguments.root_dir, name)
  origin = transfer.Origin(None if arguments.fresh else folder, *init)
  resolved = bindings.resolved()
  if not arguments.fresh and exporting.has_finished(folder, resolved):
    print(folder, 'A larger Schedule.env_steps would extend it.', sep='\n')
    return _say_finished(folder)
  rendering.choose_backend(is_needed=False)
  devices.prepare()
  tf.keras.utils.set_random_seed(seed)
  with bindings.translate_gin_errors():
    needs.check()
    parts = experiment.Experiment(should_stop=lambda: stop.requested)
    ring = parts.make_replay()
  bindings.check_all_used()
  version = versions.version(devices.names(), parts.agent.compute_dtype)
  origin.load(parts.agent)
  if origin.noted:
    version['init_from'] = origin.noted
  folder = run_folder.open_run(
    arguments.root_dir,
    name,
    arguments.fresh,
    resolved,
    version,
  )
  streams.keep_in(folder / 'run.log')
  print(folder, summary.of_run(parts, ring, origin.noted), sep='\n', flush=True)
  disk.check(folder, parts.disk_bytes(ring))
  run = Run(parts, ring, folder, stop)
  stop.defer()
  run.loop()
  stop.release()
  if stop.requested:
    print('Stopped and saved; the same command continues.')
    return stop.exit_code
  if not exporting.is_current(folder / 'policy', run.counters.env_steps):
    print('Exporting the policy.', flush=True)
    exporting.export(parts, folder / 'policy', run.counters.env_steps)
  return _say_finished(folder)


def _say_finished(folder):
  print(f'Finished; to watch it: python -m slac.play {folder}')
  return 0


if __name__ == '__main__':
  main()
