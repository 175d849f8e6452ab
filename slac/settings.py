"""Types of settings, checked by `config.load` when a run starts."""

import dataclasses
from typing import Annotated, Literal


@dataclasses.dataclass(frozen=True)
class Range:
  """The numbers from `low` to `high`; `above` excludes `low` itself."""

  low: float
  high: float = float('inf')
  above: bool = False


Count = Annotated[int, Range(1)]
WholeNumber = Annotated[int, Range(0)]
Positive = Annotated[float, Range(0, above=True)]
NonNegative = Annotated[float, Range(0)]
Fraction = Annotated[float, Range(0, 1)]
ComputeDtype = Literal['float32', 'bfloat16']
