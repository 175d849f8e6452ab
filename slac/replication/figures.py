"""Learning curves, ours over the published ones if given, as PNG and SVG."""

import functools
import math
import pathlib
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib import axes, figure, ticker

from slac.replication import aggregate, comparison, reported, statistics

# These colours differ in grey too, and for eyes that confuse red and green.
_PUBLISHED = '#0072b2'
_OURS = ('#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000')
_REPORTED = '#777777'
_LINES = ('-', '--', ':', '-.')  # Of as many variants as there are colours.
_LABEL_WIDTH = 45  # Letters in a line of a legend.
_LINES_INSIDE = 6  # A legend of more lines is below, where it hides no curve.
_LINE_HEIGHT = 0.18  # Inches that the page is then higher for each line.
_COLUMNS = 3
_SIZE = (5.0, 3.6)  # Of one set of axes, in inches.
# How far the x axis reaches, in environment steps.
_WITHOUT_OURS = 1_000_000
_AT_LEAST = 100_000
_BEYOND_OURS = 1.25
# The returns of the DeepMind Control Suite. Others are not bounded, and at
# least these are seen.
_RETURNS = (0, 1000)
_OTHER_RETURNS = (0, 1)
_INTERQUARTILE = 'IQM and 95 % interval'


def write(
  comparisons: Sequence[comparison.Comparison],
  over_tasks: aggregate.Aggregate | None,
  out: pathlib.Path,
) -> dict[str, pathlib.Path]:
  """Writes a figure of each task, one of all, and one over all.

  Returns:
    The path of each figure without its suffix, which is .png or .svg, by task;
    that of all tasks under 'all', that of the curves over them, if there are
    any, under 'aggregate'.
  """
  colours = _styles(comparisons)
  drawing = {
    item.task: functools.partial(draw, item=item, styles=colours)
    for item in comparisons
  }
  paths = {}
  for task, function in drawing.items():
    name = re.sub(r'[^\w-]', '_', task, flags=re.ASCII)
    while out / name in paths.values():  # As of 'lab/Reach' and 'lab.Reach'.
      name += '_'
    paths[task] = out / name
    _save([function], 1, paths[task])
  paths['all'] = out / 'all'
  _save(list(drawing.values()), min(_COLUMNS, len(drawing)), paths['all'])
  if over_tasks and over_tasks.curves:
    paths['aggregate'] = out / 'aggregate'
    function = functools.partial(
      draw_aggregate, item=over_tasks, styles=colours
    )
    _save([function], 1, paths['aggregate'])
  return paths


def draw(
  area: axes.Axes,
  item: comparison.Comparison,
  styles: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
  """Draws a task's curves.

  One variant beside the published trials is drawn as the paper draws: mean,
  standard deviation, and each trial thin. Variants side by side are drawn as
  interquartile means with their intervals.

  Args:
    area: where to.
    item: what.
    styles: the colour and line of each side, if other tasks have more.
  """
  styles = styles or _styles([item])
  ylabel = 'average return'
  if not item.is_like_the_papers:
    ylabel += f', {_INTERQUARTILE}'
  for name, selection in item.sides.items():
    if not len(selection.curves.steps):
      continue
    if item.is_like_the_papers:
      label = f'{name}: {selection}'
      _draw_mean(area, selection.curves, label, styles[name])
    else:
      band = statistics.band([selection.curves])
      _draw_band(area, band, f'{name}: {selection.number}', styles[name])
  reach = _reach({n: s.curves.steps for n, s in item.sides.items()})
  rows = [row.until(reach) for row in item.reported]
  rows = [row for row in rows if row.steps]
  for marker, row in zip('os^v', rows, strict=False):
    area.errorbar(
      *row[1:],
      fmt=marker,
      color=_REPORTED,
      capsize=3,
      label=textwrap.fill(
        f'reported: {row.label}, {reported.SEEDS} seeds', _LABEL_WIDTH
      ),
    )
  area.set_title(item.title)
  area.set_ylabel(ylabel)
  area.set_ylim(*_range(item, rows))
  _finish(area, reach)


def draw_aggregate(
  area: axes.Axes,
  item: aggregate.Aggregate,
  styles: Mapping[str, Mapping[str, str]],
) -> None:
  """Draws the curves over several tasks."""
  for name, curve in item.curves.items():
    _draw_band(area, curve.band, f'{name}: {curve.number}', styles[name])
  title = f'{len(item.tasks)} tasks: {", ".join(item.tasks)}'
  area.set_title(textwrap.fill(title, 50), fontsize='medium')
  ylabel = f'normalised return, {_INTERQUARTILE}'
  lines = [ylabel, *textwrap.wrap(item.scale, _LABEL_WIDTH)]
  area.set_ylabel('\n'.join(lines), fontsize='small')
  area.set_ylim(0, 1)
  _finish(
    area, _reach({n: curve.band.steps for n, curve in item.curves.items()})
  )


def _styles(comparisons) -> dict[str, dict[str, str]]:
  """Returns how each side is drawn, in all figures alike."""
  names = dict.fromkeys(name for item in comparisons for name in item.sides)
  names.pop(comparison.PUBLISHED, None)
  styles = {comparison.PUBLISHED: {'color': _PUBLISHED, 'linestyle': '-'}}
  for number, name in enumerate(names):
    line, colour = divmod(number, len(_OURS))
    styles[name] = {
      'color': _OURS[colour],
      'linestyle': _LINES[line % len(_LINES)],
    }
  return styles


def _finish(area, reach):
  """Draws what is around the curves."""
  area.set_xlabel('environment steps')
  area.xaxis.set_major_formatter(ticker.EngFormatter(sep=''))
  area.set_xlim(0, reach)
  area.grid(alpha=0.3)
  if _has_legend_below(area):
    area.legend(
      loc='upper center',
      bbox_to_anchor=(0.5, 0),
      borderaxespad=5,  # Letters, of which the axis's own label needs some.
      fontsize='small',
    )
  elif _num_lines(area):
    area.legend(loc='best', fontsize='small')


def _num_lines(area) -> int:
  """Returns how many lines a legend has."""
  _, labels = area.get_legend_handles_labels()
  return sum(label.count('\n') + 1 for label in labels)


def _has_legend_below(area) -> bool:
  """Whether a legend would hide something: curves are seen to, points not."""
  return _num_lines(area) > _LINES_INSIDE or bool(area.containers)


def _draw_mean(area, curves, label, style):
  """Draws a mean, a standard deviation, and each trial."""
  # A NaN interrupts a line: steps that a trial lacks are not bridged.
  for returns in curves.returns:
    area.plot(curves.steps, returns, **style, linewidth=0.5, alpha=0.35)
  low, high = curves.mean - curves.stddev, curves.mean + curves.stddev
  _fill(area, curves.steps, low, high, style)
  _line(area, curves.steps, curves.mean, label, style)


def _draw_band(area, band, label, style):
  """Draws an interquartile mean with its interval, if it has one."""
  if band.has_interval:
    _fill(area, band.steps, band.low, band.high, style)
  else:
    label = f'{label}, no interval'
  _line(area, band.steps, band.iqm, label, style)


def _fill(area, steps, low, high, style):
  area.fill_between(
    steps, low, high, color=style['color'], alpha=0.18, linewidth=0
  )


def _line(area, steps, values, label, style):
  area.plot(
    steps,
    values,
    **style,
    linewidth=2,
    # One evaluation alone would be a line without length.
    marker='o' if len(steps) == 1 else None,
    label=textwrap.fill(label, _LABEL_WIDTH),
  )


def _reach(steps: Mapping[str, np.ndarray]) -> float:
  """Returns where the x axis ends: a little beyond our last evaluation.

  Args:
    steps: the environment steps of each side.
  """
  ours = [s for n, s in steps.items() if n != comparison.PUBLISHED and len(s)]
  if not ours:
    return _WITHOUT_OURS
  last = max(found[-1] for found in ours)
  if comparison.PUBLISHED not in steps:
    return max(1, last)
  return max(_AT_LEAST, _BEYOND_OURS * last)


def _range(
  item: comparison.Comparison, rows: Iterable[reported.Reported]
) -> tuple[float, float]:
  """Returns where the y axis begins and ends, so that all of it is seen."""
  returns = [
    value
    for selection in item.sides.values()
    for trial in selection.trials
    for value in trial.returns.values()
  ]
  for row in rows:
    for mean, stddev in zip(row.means, row.stddevs, strict=True):
      returns += [mean + sign * np.nan_to_num(stddev) for sign in (-1, 1)]
  is_of_control = aggregate.is_of_control(item)
  returns += _RETURNS if is_of_control else _OTHER_RETURNS
  return min(returns), max(returns)


def _save(drawing, columns, path):
  """Writes what each function draws, side by side, as `path`.png and .svg."""
  rows = math.ceil(len(drawing) / columns)
  width, height = _SIZE
  # A figure of its own, not pyplot's: that would look for a display.
  page = figure.Figure(
    figsize=(columns * width, rows * height), layout='constrained'
  )
  grid = page.subplots(rows, columns, squeeze=False).ravel()
  for area, function in zip(grid, drawing, strict=False):
    function(area)
  below = [_num_lines(area) for area in grid if _has_legend_below(area)]
  if below:
    page.set_figheight(rows * (height + _LINE_HEIGHT * max(below)))
  for area in grid[len(drawing) :]:
    area.set_axis_off()
  page.savefig(path.with_suffix('.png'), dpi=150)
  # The same curves give the same bytes.
  with matplotlib.rc_context({'svg.hashsalt': 'slac'}):
    page.savefig(path.with_suffix('.svg'), metadata={'Date': None})
