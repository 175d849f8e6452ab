"""A progress bar for a whole run, and warnings above it."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

import tqdm


class Progress:
  """Shows how far a run is, its last results, and the time that is left.

  The bar counts loop iterations. As the phases of a run differ in speed, the
  time left assumes the present phase's rate. Where there is no terminal, a line
  is printed now and then instead.
  """

  def __init__(
    self,
    total: int,
    done: int = 0,
    file: TextIO | None = None,
    line_seconds: float = 30.0,
  ):
    file = file or sys.stderr
    is_terminal = file.isatty()
    bar = '{percentage:3.0f}%|{bar}|' if is_terminal else '{percentage:.1f}%'
    self._values = {}
    self._bar = _Bar(
      total=total,
      initial=min(done, total),
      file=file if is_terminal else _Lines(file),
      mininterval=0.5 if is_terminal else line_seconds,
      miniters=1,
      position=0,
      dynamic_ncols=is_terminal,
      bar_format=f'{{desc}} {bar} {{elapsed}}<{{remaining}}{{postfix}}',
    )

  def phase(self, name: str) -> None:
    """Starts a phase of the run, and measures its speed anew."""
    self._bar.start_phase()
    self._bar.set_description_str(f'{name}:')

  def expect(self, total: int) -> None:
    """Takes another total, as a phase may have ended early."""
    self._bar.total = total

  @contextlib.contextmanager
  def held_up(self, by: str) -> Iterator[None]:
    """Names what holds the bar up, from its beginning to its end."""
    name = self._bar.desc
    self._bar.set_description_str(f'{by}:')
    yield
    self._bar.set_description_str(name, refresh=False)

  def restart_rate(self) -> None:
    """Forgets how long the present phase has taken so far."""
    self._bar.start_phase()

  def advance(self, n: int = 1) -> None:
    """Counts `n` more iterations, though none beyond the total."""
    self._bar.update(min(n, self._bar.total - self._bar.n))

  def show(self, **values: int | float | str) -> None:
    """Shows values beside the bar, with the other values of earlier calls."""
    self._values.update(values)
    self._bar.set_postfix_str(
      ', '.join(
        f'{k.replace("_", " ")} {_text(v)}' for k, v in self._values.items()
      ),
      refresh=False,
    )

  def message(self, text: str) -> None:
    """Prints a line above the bar, to the standard output."""
    self._bar.write(text)
    sys.stdout.flush()

  def close(self) -> None:
    """Leaves the bar as it is and ends its line."""
    self._bar.close()


def warn(text: str) -> None:
  """Prints a line to the standard error, above a bar if there is one."""
  _Bar.write(text, file=sys.stderr)


class _Bar(tqdm.tqdm):
  """A bar whose rate is the average since the present phase began.

  A moving average would jump, as evaluations and checkpoints interrupt the
  iterations for seconds or minutes.
  """

  monitor_interval = 0  # A monitor thread would be of no use with miniters=1.
  _phase_begin = None

  def start_phase(self) -> None:
    self._phase_begin = (self.n, time.monotonic())

  @property
  def format_dict(self) -> dict[str, Any]:
    rate = 0.0
    if self._phase_begin:
      n, begin = self._phase_begin
      rate = (self.n - n) / max(time.monotonic() - begin, 1e-9)
    return {**super().format_dict, 'rate': rate}


class _Lines:
  """A file to which tqdm's frames are written as lines."""

  def __init__(self, file: TextIO):
    self._file = file

  def write(self, text: str) -> None:
    if text.strip():
      self._file.write(text.strip() + '\n')

  def flush(self) -> None:
    self._file.flush()


def _text(value: int | float | str) -> str:
  if isinstance(value, float):
    return f'{value:,.1f}' if abs(value) >= 10 else f'{value:.3g}'
  return f'{value:,}' if isinstance(value, int) else value
