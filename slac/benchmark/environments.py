"""Measures how fast environments side by side are, by how many there are."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from slac.benchmark import measuring, run_time, tables
from slac.training import collecting, compiled, experiment, metrics


def measure(
  timer: measuring.Timer,
  build: Callable[[], experiment.Experiment],
) -> dict[str, Any]:
  """Returns how long turns of the loop take, without and with updates.

  Args:
    timer: measures a turn: a step in each environment, and as many updates as
      the schedule has for that.
    build: returns the parts of a run, whose environments are ended.
  """
  parts = build()
  agent, plan = parts.agent, parts.schedule
  num_environments = len(parts.environments)
  ring = parts.make_replay(
    capacity=run_time.num_frames(agent, num_environments)
  )
  collector = collecting.Collector(
    parts.environments,
    ring,
    agent.training_data_spec,
    metrics.Stopwatch(),
    parts.limit,
  )
  act = functools.partial(
    collector.step, compiled.CompiledPolicy(agent.collect_policy)
  )
  while ring.num_added < ring.capacity:
    act()
  update = compiled.CompiledUpdate(agent.updates(plan.batch_size)['train'])

  def turn():
    for _ in range(act().num_steps * plan.gradient_steps):
      update(compiled.as_tensors(ring.sample(update.batch_size)))

  row = {
    'environments': num_environments,
    'acting': timer(act),
    'turn': timer(turn),
  }
  for environment in parts.environments:
    environment.close()
  return row


def print_table(rows: Sequence[dict[str, Any]]):
  """Prints the agent steps per second of what `measure` has returned."""
  cells = []
  for row in rows:
    n = row['environments']
    rates = [f'{n / row[name]["median_s"]:.1f}' for name in ('acting', 'turn')]
    cells.append([str(n), *rates])
  tables.print_table(
    ['environments', 'agent steps per second', 'with their updates'], cells
  )
