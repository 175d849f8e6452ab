"""Trains and evaluates an agent: `python train_eval.py --gin_file=gin/X.gin`.

The same command again continues the run.
"""

import contextlib
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

from slac.cluster import remote_collector
from slac.config import bindings
from slac.deployment import exporting
from slac.reporting import evaluation_worker, report, summary
from slac.storage import checkpoints, disk, locks, names, run_folder, starts
from slac.training import (
  collecting,
  compiled,
  devices,
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
    agent = parts.agent
    self._parts = parts
    self._folder = folder
    self._schedule = parts.schedule
    self._replay = ring
    self._stop = stop
    self.counters = schedule.Counters(parts.schedule.action_repeat)
    self._updates = {
      name: compiled.CompiledUpdate(update)
      for name, update in agent.updates(parts.schedule.batch_size).items()
    }
    self._random_policy = compiled.CompiledPolicy(parts.random_policy)
    self._collect_policy = compiled.CompiledPolicy(agent.collect_policy)
    self._finite_check = faults.FiniteCheck(folder)
    logged = [
      *agent.trace(parts.schedule.batch_size),
      *remote_collector.names(parts.collection.workers),
    ]
    self._report = report.Report(folder, parts, self.counters, logged)
    self._evaluations = evaluation_worker.make(
      parts, self.counters, self._report, lambda: stop.requested
    )
    self._collector = self._make_collector(parts)
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

  def _make_collector(self, parts):
    if parts.collection.workers:
      return remote_collector.RemoteCollector(
        parts,
        self._replay,
        self._collect_policy,
        self.counters,
        self._report.stopwatch,
        self._report.add,
      )
    return collecting.Collector(
      parts.environments,
      self._replay,
      parts.agent.training_data_spec,
      self._report.stopwatch,
      parts.limit,
      parts.seed,
    )

  def loop(self):
    """Algorithm 1, until the budget is spent or a signal has come."""
    counters, plan = self.counters, self._schedule
    autosave = stopping.Autosave(self._save, plan.checkpoint_seconds)
    was_mended = self._report.open()
    with (
      contextlib.closing(self._parts),  # The last to be closed.
      contextlib.closing(self._report),
      contextlib.closing(self._evaluations),
      contextlib.closing(self._collector),
    ):
      # What has logged anything is never without a checkpoint that knows it.
      if not counters.iterations or was_mended:
        self._save()
      while not self._stop.requested:
        self._evaluations.collect()
        if counters.env_steps >= counters.next_evaluation:
          self._evaluations.begin()
        elif plan.is_assessment_due(counters):
          self._evaluations.assess_pretraining()
        elif counters.env_steps < plan.env_steps:
          self._turn(plan.phase(counters))
        elif self._evaluations.is_under_way:
          self._evaluations.wait()
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
    else:
      num_steps, failures = self._collect(self._collect_policy)
      for _ in range(num_steps * plan.gradient_steps):
        self._update('train')
        counters.gradient_steps += 1
    if advanced := counters.iterations - before:
      self._report.advance(advanced)
    faults.count(failures, counters, self._save)

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
      metric_names, values = update(experience)
    self._report.add_metrics(metric_names, values)
    self._finite_check.add(self.counters, experience, metric_names, values)

  def _save(self):
    self._finite_check.check()
    locks.check(self._folder)
    goes_on = self.counters.env_steps < self._schedule.env_steps
    failures = self._collector.prepare()
    # A run that ends here needs no more episodes: failures do not count.
    if goes_on and not self._stop.requested:
      faults.count(failures, self.counters, self._write)
    self._write()

  def _write(self):
    state = {name: part.get_state() for name, part in self._stateful.items()}
    if under_way := self._evaluations.get_state():
      state['evaluation'] = under_way
    self._checkpoints.save(self.counters.iterations, state)

  def _restore(self):
    """Continues from the newest checkpoint; a new run has none."""
    if state := self._checkpoints.restore():
      with checkpoints.restoring(self._folder):
        for name, part in self._stateful.items():
          part.set_state(state[name])
        self._evaluations.set_state(state.get('evaluation'))
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
  memory.keep_freed()
  seed = arguments.seed
  bindings.load(
    arguments.gin_file,
    [*arguments.gin_param, f'Experiment.seed = {seed}  # Given by --seed.'],
    arguments.allow_gin_imports,
  )
  init = arguments.init_from, arguments.init_parts
  name = names.run_name(
    arguments.gin_file,
    arguments.gin_param,
    seed,
    arguments.root_dir,
    init,
    arguments.name,
  )
  folder = pathlib.Path(arguments.root_dir, name)
  origin = transfer.Origin(None if arguments.fresh else folder, *init)
  resolved = bindings.resolved()
  if not arguments.fresh:
    has_finished = exporting.has_finished(folder, resolved)
    starts.warn_of_other_code(folder)
    if has_finished:
      print(folder, 'A larger Schedule.env_steps would extend it.', sep='\n')
      return _say_finished(folder)
  devices.prepare()
  tf.keras.utils.set_random_seed(seed)
  with bindings.translate_gin_errors():
    needs.check()
    parts = experiment.Experiment(should_stop=lambda: stop.requested)
    ring = parts.make_replay()
  bindings.check_all_used(lambda: parts.agent.trace(parts.schedule.batch_size))
  version = versions.version(devices.names(), parts.agent.compute_dtype)
  origin.load(parts.agent)
  if origin.noted:
    version['init_from'] = origin.noted
  folder = run_folder.open_run(folder, arguments.fresh, resolved, version)
  streams.keep_in(folder / 'run.log')
  print(folder, summary.of_run(parts, ring, origin.noted), sep='\n', flush=True)
  disk.check(folder, parts.disk_bytes(ring))
  run = Run(parts, ring, folder, stop)
  stop.defer()
  run.loop()
  stop.release()
  if stop.requested:
    how = 'the same command continues'
    if arguments.fresh:  # It would begin anew.
      how = f'--name={folder.name} without --fresh continues'
    print(f'Stopped and saved; {how}.')
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
