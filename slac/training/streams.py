"""Which steps of the replay's ring follow one another.

Several environments side by side add their steps in turns: each is a stream of
the ring, and a sequence is of one of them.
"""

import numpy as np


def make(num_streams: int, sequence_length: int, capacity: int) -> 'OneStream':
  """Returns what keeps the order of steps in a ring.

  Args:
    num_streams: of how many streams they are.
    sequence_length: T + 1.
    capacity: how many steps the ring holds.
  """
  if num_streams == 1:
    return OneStream(sequence_length, capacity)
  return SeveralStreams(sequence_length, capacity, num_streams)


class OneStream:
  """Every step follows the one added before it."""

  nbytes = 0  # Of memory, beside `fields`.

  def __init__(self, sequence_length: int, capacity: int):
    """Takes what `make` does."""
    self._sequence_length = sequence_length
    self._capacity = capacity
    # What a step in the ring needs beside its own values, by name.
    self.fields: dict[str, np.ndarray] = {}

  def put(self, slot: int, stream: int):
    """Says of which stream the step in a slot is; `extend` follows."""

  def extend(self, start: int, stop: int):
    """Takes the steps numbered `start` to `stop` - 1, which are put already."""

  def before(self, numbers: np.ndarray) -> np.ndarray:
    """Returns the numbers of the steps before, or negative ones, `[n]`."""
    return numbers - 1

  def can_end(
    self, pairs: np.ndarray, oldest: int, num_joined: int
  ) -> np.ndarray:
    """Returns in which slots a sequence can end, `[capacity]`.

    Args:
      pairs: how many successive pairs of steps, up to the one in each slot, are
        of one episode each, `[capacity]`. Where a step before is gone they may
        be wrong: no sequence ends there.
      oldest: the number of the oldest step in the ring.
      num_joined: how many such pairs a sequence is to end with, 1 to T.
    """
    can_end = pairs >= num_joined
    can_end[self._too_early(oldest)] = False
    return can_end

  def sequences(self, ends: np.ndarray) -> np.ndarray:
    """Returns the numbers of the steps that end at `ends`, `[B, T + 1]`."""
    steps = [ends]
    for _ in range(self._sequence_length - 1):
      steps.append(self.before(steps[-1]))
    return np.stack(steps[::-1], axis=1)

  def _too_early(self, oldest):
    """Returns an index of the slots with too few steps before them."""
    numbers = np.arange(oldest, oldest + self._sequence_length - 1)
    return numbers % self._capacity


class SeveralStreams(OneStream):
  """Every step follows the one of its stream that was added before it."""

  def __init__(self, sequence_length: int, capacity: int, num_streams: int):
    """Takes what `make` does."""
    super().__init__(sequence_length, capacity)
    self._stream = np.empty(capacity, np.int32)
    self.fields = {'stream': self._stream}
    # The numbers of a step's predecessor, and of the one T steps before it.
    self._before = np.full(capacity, -1)
    self._begin = np.full(capacity, -1)
    # Those of the last T steps of each stream.
    self._last = np.full([num_streams, sequence_length - 1], -1)
    self.nbytes = self._before.nbytes + self._begin.nbytes

  def put(self, slot: int, stream: int):
    """Says of which stream the step in a slot is; `extend` follows."""
    self._stream[slot] = stream

  def extend(self, start: int, stop: int):
    """Takes the steps numbered `start` to `stop` - 1, which are put already."""
    steps = np.arange(start, stop)
    streams = self._stream[steps % self._capacity]
    for stream in np.unique(streams):  # Mostly one of many.
      last = self._last[stream]
      numbers = steps[streams == stream]
      chain = np.concatenate([last, numbers])
      slots = numbers % self._capacity
      self._begin[slots] = chain[: len(numbers)]
      self._before[slots] = chain[len(last) - 1 : -1]
      self._last[stream] = chain[len(numbers) :]

  def before(self, numbers: np.ndarray) -> np.ndarray:
    """Returns the numbers of the steps before, or negative ones, `[n]`."""
    return self._before[numbers % self._capacity]

  def _too_early(self, oldest):
    return self._begin < oldest
