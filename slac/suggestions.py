"""Which names resemble one that does not exist, for the messages about it."""

import difflib
from collections.abc import Iterable


def did_you_mean(
  name: str,
  own: Iterable[str],
  others: Iterable[str] = (),
  cutoff: float = 0.6,
) -> str:
  """Returns ' (did you mean X?)' with the names nearest to `name`, or ''.

  Names in `others` are considered only where none in `own` is near, that is,
  where none has a similarity of at least `cutoff`.
  """

  def similarity(candidate: str) -> float:
    return difflib.SequenceMatcher(
      None, candidate.lower(), name.lower()
    ).ratio()

  for candidates in (own, others):
    scores = {candidate: similarity(candidate) for candidate in candidates}
    best = max(scores.values(), default=0.0)
    if best >= cutoff:
      near = sorted(c for c, score in scores.items() if score > best - 0.05)
      return f' (did you mean {" or ".join(near[:3])}?)'
  return ''


def did_you_mean_or_all(name: str, names: Iterable[str]) -> str:
  """Returns `did_you_mean`, or ' (it has X, Y)' with all where none is near."""
  names = sorted(names)
  everything = ', '.join(names) or 'none'
  return did_you_mean(name, names) or f' (it has {everything})'
