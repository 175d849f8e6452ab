"""The replay: a ring of single steps from which sequences are drawn."""

import dataclasses
import math
from collections.abc import Sequence
from concurrent import futures
from typing import Annotated, Any

import gin
import numpy as np
import tree
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts

from slac import errors
from slac.config import settings
from slac.training import memory, recency, streams


@dataclasses.dataclass
class _Draw:
  """A batch of sequences that is being copied out of the ring."""

  indices: np.ndarray  # Of steps since the first ever added, [B, T + 1].
  generator_state: dict[str, Any]  # Before the choice.
  batch: futures.Future  # Of a list of arrays, [B, T + 1, ...] each.


@gin.configurable
class Replay:
  """The last `capacity` steps, each stored once, first in first out.

  Each batch is drawn while the update before it runs: `sample` hands over the
  batch that is ready and starts on the next one, which therefore does not know
  the steps that are added in between. `get_state` returns it too, so a resumed
  run draws the same batches.

  A step's number is how many were added before it. Step i lies in slot i modulo
  `capacity`. It is of one of several streams, and so is each sequence.
  """

  def __init__(
    self,
    spec: Any,
    sequence_length: int,
    seed: int,
    capacity: settings.Count = gin.REQUIRED,
    joined: Sequence[int] = (1,),
    num_streams: int = 1,
    recency: Annotated[float, settings.Range(1, 100)] = 1.0,
  ):
    """Allocates the ring, whose pages are committed only as it fills.

    Args:
      spec: a nest of the specs of one step, with a field `step_type`, such as
        a TF-Agents `Trajectory`.
      sequence_length: T + 1, at least 2.
      seed: decides which sequences are drawn.
      capacity: the number of steps kept.
      joined: for each of the equal parts of a batch, how many of a sequence's
        last pairs of steps must each lie within one episode, 1 to T.
      num_streams: how many environments' steps there are.
      recency: how much rather newer sequences are drawn; see `recency.places`.

    Raises:
      errors.UserError: there is not enough memory for `capacity` steps.
    """
    self._spec = spec
    self._sequence_length = sequence_length
    self._capacity = capacity
    leaves = [
      ('/'.join(map(str, path)), leaf.shape, leaf.dtype)
      for path, leaf in tree.flatten_with_path(tensor_spec.to_array_spec(spec))
    ]
    self._joined, self._recency = joined, recency
    self._order = streams.make(num_streams, sequence_length, capacity)
    step = 1 + sum(math.prod(s) * dtype.itemsize for _, s, dtype in leaves)
    memory.check_fits('Replay.capacity', capacity, step)
    self._rows = {
      name: np.empty((capacity, *shape), dtype) for name, shape, dtype in leaves
    }
    self._stored = self._rows | self._order.fields
    # How many pairs of steps in a row, up to a slot's, are of one episode each.
    self._pairs = np.zeros(capacity, np.min_scalar_type(max(joined)))
    self._start = self._num_added = 0
    self._generator = np.random.Generator(np.random.PCG64(seed))
    self._worker = futures.ThreadPoolExecutor(1, thread_name_prefix='replay')
    self._pending: _Draw | None = None

  @property
  def num_added(self) -> int:
    """The number of steps ever added."""
    return self._num_added

  @property
  def size(self) -> int:
    """The number of steps that can be drawn."""
    return min(self._num_added - self._start, self._capacity)

  @property
  def capacity(self) -> int:
    """The largest number of steps kept."""
    return self._capacity

  @property
  def nbytes(self) -> int:
    """Bytes of memory that the full ring takes."""
    rows = sum(array.nbytes for array in self._stored.values())
    return rows + self._pairs.nbytes + self._order.nbytes

  def add(self, step: Any, stream: int = 0):
    """Adds a stream's next step, in place of the oldest of all if it is full.

    Args:
      step: a nest like `spec` of values without a batch dimension.
      stream: which of the streams, from 0.
    """
    self._wait()
    slot = self._num_added % self._capacity
    values = tree.flatten_up_to(self._spec, step, check_types=False)
    for (name, array), value in zip(self._rows.items(), values, strict=True):
      if np.shape(value) != array.shape[1:]:
        raise ValueError(
          f'{name} has shape {np.shape(value)}, not {array.shape[1:]}'
        )
      np.copyto(array[slot, ...], value, casting='same_kind')
    self._order.put(slot, stream)
    self._num_added += 1
    self._mark(self._num_added - 1, self._num_added)

  def sample(self, batch_size: int) -> Any:
    """Draws sequences, all valid ones of a part alike or newer ones rather.

    A sequence is T + 1 successive steps. It may run over the end of an
    episode, but its last pair may not: z_{T+1} would not follow from z_T.

    Args:
      batch_size: a multiple of the number of parts, which it has in turn.

    Returns:
      A nest like `spec` of new arrays [batch_size, T + 1, ...].

    Raises:
      errors.UserError: no sequence can be drawn yet.
    """
    if self._pending and len(self._pending.indices) != batch_size:
      self._wait()
      self._generator.bit_generator.state = self._pending.generator_state
      self._pending = None
    batch = (self._pending or self._draw(batch_size)).batch.result()
    self._pending = self._draw(batch_size)
    return tree.unflatten_as(self._spec, batch)

  def rows(self, start: int, stop: int) -> dict[str, np.ndarray]:
    """Returns copies of the steps numbered `start` to `stop` - 1 by field."""
    if not self._num_added - self.size <= start <= stop <= self._num_added:
      raise IndexError(f'steps {start} to {stop} are not in the replay')
    slots = np.arange(start, stop) % self._capacity
    return {name: array[slots] for name, array in self._stored.items()}

  def restore_rows(self, start: int, arrays: dict[str, np.ndarray]):
    """Puts back what `rows` returned; parts are put back oldest first.

    Args:
      start: the number of the first step.
      arrays: [n, ...] by field.

    Raises:
      errors.UserError: the fields are not the ones of this replay.
    """
    self._check_same_fields(arrays)
    self._wait()
    if not self.size:
      self._start = self._num_added = start
    if start != self._num_added:
      raise ValueError(f'step {start} does not follow {self._num_added - 1}')
    stop = start + len(arrays['step_type'])
    first = max(start, stop - self._capacity)
    slots = np.arange(first, stop) % self._capacity
    for name, array in self._stored.items():
      array[slots] = arrays[name][first - start :]
    self._num_added = stop
    self._mark(first, stop)

  def get_state(self) -> dict[str, Any]:
    """Returns all that `rows` does not: the generator and the batch at work.

    That batch is kept as the numbers of its steps. The ring may have lost
    some of them since they were chosen, so these are kept whole.
    """
    state: dict[str, Any] = {'capacity': self._capacity, 'pending': None}
    if self._pending:
      batch = self._pending.batch.result()
      lost = self._pending.indices < self._num_added - self.size
      state['pending'] = {
        'indices': self._pending.indices,
        'lost': {
          name: array[lost]
          for name, array in zip(self._rows, batch, strict=True)
        },
        'generator': self._pending.generator_state,
      }
    return {**state, 'generator': self._generator.bit_generator.state}

  def set_state(self, state: dict[str, Any]):
    """Takes over what `get_state` returned, after `restore_rows`.

    Raises:
      errors.UserError: the state is that of a replay of another capacity.
    """
    if state['capacity'] != self._capacity:
      raise errors.UserError(
        f'The checkpoint holds a replay of {state["capacity"]} steps: set '
        f'Replay.capacity = {state["capacity"]} instead of {self._capacity}.'
      )
    self._wait()
    self._generator.bit_generator.state = state['generator']
    pending = state['pending']
    self._pending = pending and self._copy_out(
      pending['indices'], pending['generator'], pending['lost']
    )

  def _draw(self, batch_size) -> _Draw:
    """Chooses sequences and starts to copy them.

    The choice takes a tenth of a millisecond for a ring of 100,000 steps, and
    is made here, so that the worker only reads the ring.
    """
    generator_state = self._generator.bit_generator.state
    size = batch_size // len(self._joined)
    ends = np.concatenate([self._choose(size, n) for n in self._joined])
    return self._copy_out(self._order.sequences(ends), generator_state)

  def _choose(self, size, num_joined):
    """Returns the numbers of the steps that sequences end with, `[size]`."""
    oldest = self._num_added - self.size
    can_end = self._order.can_end(self._pairs, oldest, num_joined)
    slots = np.flatnonzero(can_end)
    if not slots.size:
      ahead = f', or look fewer steps ahead than {num_joined}'
      raise errors.UserError(
        f'The {self.size} steps in the replay hold no sequence of '
        f'{self._sequence_length} steps: raise Schedule.random_agent_steps, or '
        f'Replay.capacity = {self._capacity}{ahead * (num_joined > 1)}.'
      )
    places = recency.places(self._generator, slots.size, size, self._recency)
    places += np.searchsorted(slots, oldest % self._capacity)
    return oldest + (slots[places % slots.size] - oldest) % self._capacity

  def _copy_out(self, indices, generator_state, lost=None) -> _Draw:
    """Starts to copy steps `indices`, those no longer there from `lost`."""
    slots = indices % self._capacity
    is_lost = indices < self._num_added - self.size

    def copy():
      batch = []
      for name, array in self._rows.items():
        values = array[slots]  # Without the interpreter's lock.
        if lost is not None:
          values[is_lost] = lost[name]
        batch.append(values)
      return batch

    return _Draw(indices, generator_state, self._worker.submit(copy))

  def _wait(self):
    """Waits until the worker no longer reads the ring."""
    if self._pending:
      futures.wait([self._pending.batch])

  def _mark(self, start, stop):
    """Counts the pairs of one episode up to the steps from `start` to `stop`.

    An episode ends without a LAST step where a run was resumed but its
    environment could not be restored.
    """
    self._order.extend(start, stop)
    numbers = np.arange(start, stop)
    step_type = self._rows['step_type']
    slots = numbers % self._capacity
    before = self._order.before(numbers) % self._capacity
    continues = step_type[slots] != ts.StepType.FIRST
    continues &= step_type[before] != ts.StepType.LAST
    for slot, previous, is_joined in zip(slots, before, continues, strict=True):
      pairs = int(self._pairs[previous]) + 1 if is_joined else 0
      self._pairs[slot] = min(pairs, max(self._joined))

  def _check_same_fields(self, arrays):
    """Raises a UserError if `arrays` are not of this replay's fields."""
    here, there = (
      {name: f'{array.dtype} {list(array.shape[1:])}' for name, array in rows}
      for rows in (self._stored.items(), arrays.items())
    )
    for name in sorted({*here, *there}):
      if here.get(name) != there.get(name):
        raise errors.UserError(
          f'The replay in the checkpoint does not fit: {name} is '
          f'{there.get(name, "missing")} there and '
          f'{here.get(name, "missing")} here.'
        )
