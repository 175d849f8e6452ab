"""Measures what a run's time goes into: `python -m slac.benchmark`.

In one process: a method's updates, SLAC's in each data type and as the authors'
code organises them too; acting, sampling, a whole turn of the loop, memory with
a full replay; every task's environment, and several side by side, which are
processes. Prints tables and writes them as JSON.
"""

import functools
import os
import pathlib
import resource
from collections.abc import Sequence
from typing import Any

from slac import errors
from slac.installation import packages, versions

PROGRAM = 'slac.benchmark'
METHODS = ('slac', 'alm')  # Of `subjects`, which loads TensorFlow.


def parse_arguments():
  """Returns the flags."""
  parser = errors.ArgumentParser(
    prog='python -m slac.benchmark', description=__doc__
  )
  parser.add_argument(
    '--agent',
    choices=METHODS,
    default='slac',
    help='the method whose runs are measured',
  )
  parser.add_argument(
    '--repeats',
    type=errors.count,
    default=15,
    help='how often each is measured',
  )
  parser.add_argument(
    '--gin_param', action='append', default=[], help='one binding'
  )
  parser.add_argument(
    '--out', type=pathlib.Path, default=pathlib.Path('benchmark.json')
  )
  return parser.parse_args()


if __name__ == '__main__':
  packages.start(PROGRAM, parse_arguments)  # TensorFlow takes seconds.

import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec

from slac.benchmark import environments, measuring, run_time, subjects, tables
from slac.config import bindings
from slac.environments import rendering
from slac.storage import files
from slac.training import (
  collecting,
  compiled,
  devices,
  experiment,
  memory,
  metrics,
  schedule,
)

SIDE_BY_SIDE = (1, 2, 4)
FRAMES = 300  # Agent steps that are recorded, and repeated to fill the replay.
REFERENCE = ', as the reference'


def main():
  """Runs the command line."""
  arguments = parse_arguments()
  with errors.reported_by(PROGRAM):
    errors.check_can_write(arguments.out, '--out')
    subject = subjects.SUBJECTS[arguments.agent]
    report = benchmark(subject, arguments.gin_param, arguments.repeats)
    with errors.written(arguments.out, '--out'):
      files.write_json(arguments.out, report)
  print(f'\nWrote {arguments.out}.')


def benchmark(
  subject: subjects.Subject, gin_params: Sequence[str], repeats: int
) -> dict[str, Any]:
  """Measures everything, prints it, and returns it for a JSON file.

  Raises:
    UserError: what `Subject.check` raises, or a setting has no effect.
  """
  subject.check(gin_params)
  memory.keep_freed()
  rendering.choose_backend()
  devices.prepare()
  version = versions.version(devices.names())
  load = os.getloadavg()[0]
  print(
    f'{version["cpus"]} cores, {", ".join(version["devices"])}; {load=:.1f}'
  )
  timer = measuring.Timer(repeats)
  # This comes first, as it measures the most memory that is ever taken.
  loop, sizes, ring, agent = measure_loop(timer, subject, gin_params)
  default = agent.compute_dtype
  peaks = {
    dtype: measuring.matrix_product_rate(timer, dtype)
    for dtype in subject.dtypes
  }
  tables.print_table(
    ['matrix products', 'GFLOP/s'],
    [[dtype, f'{rate / 1e9:.0f}'] for dtype, rate in peaks.items()],
  )
  updates = measure_updates(timer, subject, gin_params, ring)
  tables.print_computations(loop + updates, peaks)
  updates_s = {(r['name'], r['dtype']): r['median_s'] for r in updates}
  ratio = None
  if subject.reference:
    reference_s = updates_s[run_time.FULL + REFERENCE, 'float32']
    ratio = reference_s / updates_s[run_time.FULL, default]
    print(f'\nThe reference takes {ratio:.2f} times as long as {default}.')
  print('\n'.join(f'{name}: {value:.2f}' for name, value in sizes.items()))
  seconds = {row['name']: row['median_s'] for row in loop} | {
    name: updates_s.get((name, default), 0.0)
    for name in run_time.UPDATES.values()
  }
  # A step takes milliseconds, an update hundreds.
  step_timer = measuring.Timer(4 * repeats)
  observed = list(agent.time_step_spec.observation)
  tasks = []
  for task in subject.tasks:
    subject.load(gin_params, task)
    tasks.append({'task': task, **measure_task(step_timer, observed, seconds)})
  tables.print_table(
    ['task', 'environment step, ms', 'of it rendering, ms', 'hours'],
    [
      [
        row['task'],
        tables.milliseconds(row['environment']),
        tables.milliseconds(row['rendering']),
        f'{row["hours"]:.1f}',
      ]
      for row in tasks
    ],
  )
  side_by_side = [
    environments.measure(
      step_timer,
      functools.partial(subject.build, gin_params, environments=n),
    )
    for n in SIDE_BY_SIDE
  ]
  environments.print_table(side_by_side)
  return {
    'version': version,
    'gin_params': list(gin_params),
    'task': subject.task,
    'load': load,
    'repeats': repeats,
    'matrix_product_flops_per_s': peaks,
    'loop': loop,
    'updates': updates,
    'default_dtype': default,
    'reference_ratio': ratio,
    'memory': sizes,
    'tasks': tasks,
    'side_by_side': side_by_side,
  }


def measure_agent(timer, parts, ring, suffix=''):
  """Measures the updates of an experiment's agent."""
  agent = parts.agent
  updates = agent.updates(parts.schedule.batch_size)
  rows = []
  for name, label in run_time.UPDATES.items():
    if not (update := updates.get(name)):
      continue
    experience = compiled.as_tensors(ring.sample(update.batch_size))
    rows.append(
      measuring.computation(
        timer,
        label + suffix,
        agent.compute_dtype,
        functools.partial(update.function, experience=experience),
        agent.concrete(update),
      )
    )
  return rows


def measure_loop(timer, subject, gin_params):
  """Measures a run at work: each part of its loop, all of it, its memory.

  Returns:
    The measurements, the memory in gigabytes, the full replay, and the agent.
  """
  parts = subject.build(gin_params)
  agent, batch_size = parts.agent, parts.schedule.batch_size
  spec = agent.training_data_spec
  ring = parts.make_replay()
  agent.trace(batch_size)
  bindings.check_all_used()
  collector = collecting.Collector(
    parts.environments, ring, spec, metrics.Stopwatch()
  )
  policy = compiled.CompiledPolicy(agent.collect_policy)
  fill(ring, collector, policy)
  time_step = parts.environments[0].current_time_step()
  state = policy.get_initial_state()
  specs = tensor_spec.add_outer_dim(
    (agent.time_step_spec, agent.collect_policy.policy_state_spec), 1
  )
  acting = measuring.computation(
    timer,
    'acting',
    agent.compute_dtype,
    lambda: policy.action(time_step, state),
    tf.function(
      agent.collect_policy.action, autograph=False
    ).get_concrete_function(*specs),
  )

  train = agent.updates(batch_size)['train']
  update = compiled.CompiledUpdate(train)

  def sample():
    return compiled.as_tensors(ring.sample(train.batch_size))

  def turn():
    collector.step(policy)
    update(sample())

  rows = [
    acting,
    {'name': 'sampling', **timer(sample)},
    {'name': 'turn of the loop', **timer(turn)},
  ]
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  sizes = {
    'replay of it, GB': ring.nbytes / 1e9,
    'resident at most, GB, with a full replay': peak / 1e9,
  }
  return rows, sizes, ring, agent


def fill(ring, collector, policy):
  """Fills a replay with a few recorded steps, over and over."""
  for _ in range(min(FRAMES, ring.capacity)):
    collector.step(policy)
  while ring.num_added < ring.capacity:
    n = min(FRAMES, ring.capacity - ring.num_added)
    ring.restore_rows(ring.num_added, ring.rows(0, n))


def measure_updates(timer, subject, gin_params, ring):
  """Measures the updates in each data type, and as a reference does."""
  kinds = [(None, dtype, '') for dtype in subject.dtypes]
  if subject.reference:
    kinds.append((subject.reference, 'float32', REFERENCE))
  rows = []
  for agent, dtype, suffix in kinds:
    parts = subject.build(gin_params, agent, dtype)
    rows += measure_agent(timer, parts, ring, suffix)
  return rows


def measure_task(timer, observed, seconds):
  """Measures the bound task's environment, and how long its budget takes."""
  plan = schedule.Schedule()
  environment = experiment.make_environment(
    plan.action_repeat, observed, bindings.resolved()
  )
  environment.reset()
  spec = environment.action_spec()
  generator = np.random.default_rng(0)
  rendering_seconds = []

  def step():
    before = environment.render_seconds
    environment.step(generator.uniform(-1, 1, spec.shape).astype(spec.dtype))
    rendering_seconds.append(environment.render_seconds - before)

  row = {
    'environment': timer(step),
    'rendering': measuring.spread(rendering_seconds[measuring.WARM_UP :]),
  }
  environment.close()
  seconds = {**seconds, 'environment': row['environment']['median_s']}
  return {**row, 'hours': run_time.hours(plan, bindings.resolved(), seconds)}


if __name__ == '__main__':
  main()
