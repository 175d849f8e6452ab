"""How the trials of a method went: a row of the table, and what was lost."""

import collections


class Outcome:
  """Counts trials, and in which way the run survived each."""

  def __init__(self, name: str):
    """Takes the name of the method."""
    self._name = name
    self._ways = collections.Counter()
    self._lost = []

  def survived(self, way: str):
    """Counts a trial after which nothing was lost."""
    self._ways[way] += 1

  def lost(self, trial: str, reason: str):
    """Counts a trial that the run did not survive as it should."""
    self._lost.append(f'{trial}: {reason}')
    # Many trials take minutes.
    print(f'  lost: {self._lost[-1]}', flush=True)

  def add(self, trial: str, way: str, fault: str):
    """Counts a trial, which is lost if it has a fault."""
    if fault:
      self.lost(trial, fault)
    else:
      self.survived(way)

  def report(self) -> bool:
    """Prints the row of the table; returns whether all was survived."""
    survived = self._ways.total()
    ways = ', '.join(f'{way} {n}' for way, n in sorted(self._ways.items()))
    print(
      f'{self._name + ":":<28}tried {survived + len(self._lost)}, survived '
      f'{survived}' + (f' ({ways})' if ways else ''),
      flush=True,
    )
    return not self._lost


def not_tried(name: str, reason: str) -> bool:
  """Prints that this machine lacks what a method needs, which is no loss."""
  print(f'{name + ":":<28}not tried: {reason}', flush=True)
  return True
