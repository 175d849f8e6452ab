"""Learning curves of ours over the published ones, as PNG and SVG."""

import math
import pathlib
from collections.abc import Sequence

import matplotlib
from matplotlib import axes, figure, ticker

from slac.replication import comparison

# These colours differ in grey too, and for eyes that confuse red and green.
_COLOURS = {'published': '#0072b2', 'ours': '#d55e00'}
_COLUMNS = 3
_SIZE = (5.0, 3.6)  # Of one set of axes, in inches.
# How far the x axis reaches, in environment steps.
_WITHOUT_OURS = 1_000_000
_AT_LEAST = 100_000
_BEYOND_OURS = 1.25
# The returns of the DeepMind Control Suite; those of Gym are not bounded.
_RETURNS = (0, 1000)


def write(
  comparisons: Sequence[comparison.Comparison], out: pathlib.Path
) -> dict[str, pathlib.Path]:
  """Writes a figure of each task, and one of all.

  Returns:
    The path of each figure without its suffix, which is .png or .svg, by task;
    that of all tasks under 'all'.
  """
  paths = {}
  for item in comparisons:
    paths[item.task] = out / item.task.replace(' ', '_')
    _save([item], 1, paths[item.task])
  paths['all'] = out / 'all'
  _save(comparisons, min(_COLUMNS, len(comparisons)), paths['all'])
  return paths


def draw(area: axes.Axes, item: comparison.Comparison) -> None:
  """Draws a task's curves: mean, standard deviation, and each trial thin."""
  for side, selection in item.sides.items():
    if selection and len(selection.curves.steps):
      _draw_selection(area, selection, f'{side}: {selection}', _COLOURS[side])
  area.set_title(f'{item.task} (action repeat {item.action_repeat})')
  area.set_xlabel('environment steps')
  area.set_ylabel('average return')
  area.xaxis.set_major_formatter(ticker.EngFormatter(sep=''))
  area.set_xlim(0, _reach(item))
  area.set_ylim(*_range(item))
  area.grid(alpha=0.3)
  if area.get_legend_handles_labels()[0]:
    area.legend(loc='best', fontsize='small')


def _draw_selection(area, selection, label, colour):
  curves = selection.curves
  # A NaN interrupts a line: steps that a trial lacks are not bridged.
  for returns in curves.returns:
    area.plot(curves.steps, returns, color=colour, linewidth=0.5, alpha=0.35)
  low, high = curves.mean - curves.stddev, curves.mean + curves.stddev
  area.fill_between(
    curves.steps, low, high, color=colour, alpha=0.18, linewidth=0
  )
  area.plot(
    curves.steps,
    curves.mean,
    color=colour,
    linewidth=2,
    # One evaluation alone would be a line without length.
    marker='o' if len(curves.steps) == 1 else None,
    label=label,
  )


def _reach(item: comparison.Comparison) -> float:
  """Returns where the x axis ends: a little beyond our last evaluation."""
  if not item.ours or not len(item.ours.curves.steps):
    return _WITHOUT_OURS
  return max(_AT_LEAST, _BEYOND_OURS * item.ours.curves.steps[-1])


def _range(item: comparison.Comparison) -> tuple[float, float]:
  """Returns where the y axis begins and ends, so that all trials are seen."""
  returns = [
    value
    for selection in item.sides.values()
    for trial in (selection.trials if selection else ())
    for value in trial.returns.values()
  ]
  return min([*_RETURNS, *returns]), max([*_RETURNS, *returns])


def _save(comparisons, columns, path):
  """Writes the curves of some tasks side by side as `path`.png and .svg."""
  rows = math.ceil(len(comparisons) / columns)
  width, height = _SIZE
  # A figure of its own, not pyplot's: that would look for a display.
  page = figure.Figure(
    figsize=(columns * width, rows * height), layout='constrained'
  )
  grid = page.subplots(rows, columns, squeeze=False).ravel()
  for area, item in zip(grid, comparisons, strict=False):
    draw(area, item)
  for area in grid[len(comparisons) :]:
    area.set_axis_off()
  page.savefig(path.with_suffix('.png'), dpi=150)
  # The same curves give the same bytes.
  with matplotlib.rc_context({'svg.hashsalt': 'slac'}):
    page.savefig(path.with_suffix('.svg'), metadata={'Date': None})
