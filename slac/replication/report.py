"""One HTML file that holds all there is to see, and nothing that runs."""

import base64
import html
import pathlib
import shlex
from collections.abc import Mapping, Sequence

from slac.replication import aggregate, comparison, ours, table
from slac.sweep import progress

_STYLE = """
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 75em;
  padding: 0 1em; color: #222; background: #fff; }
img { max-width: 100%; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: 0.2em 0.7em; border-bottom: 1px solid #ddd;
  text-align: right; }
th:first-child, td:first-child, td:last-child { text-align: left; }
tr.task td { border-top: 2px solid #888; }
td.within { background: #e2f3e2; }
td.below { background: #fbe3d6; }
td.above { background: #e0ecf8; }
pre { background: #f4f4f4; padding: 0.7em; white-space: pre-wrap;
  overflow-wrap: anywhere; }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_PNG = b'\x89PNG\r\n\x1a\n'


def html_page(
  comparisons: Sequence[comparison.Comparison],
  over_tasks: aggregate.Aggregate | None,
  figure_paths: Mapping[str, pathlib.Path],
  command: str,
) -> str:
  """Returns the page.

  Args:
    comparisons: what it is about.
    over_tasks: the curves over all tasks, if there are several.
    figure_paths: of `figures.write`.
    command: the one that makes this page again.
  """
  has_published = any(item.published for item in comparisons)
  what = 'ours and the published curves' if has_published else 'our curves'
  body = [
    f'<h1>SLAC: {what}</h1>',
    f'<pre>{html.escape(command)}</pre>',
    *_selections(comparisons, has_published),
    _figure(figure_paths['all'], 'All tasks'),
    *(_aggregate(over_tasks, figure_paths) if over_tasks else ()),
    '<h2>At the same environment steps</h2>',
    *_table(table.rows(comparisons)),
    *(f'<p>{html.escape(text)}</p>' for text in table.legends(comparisons)),
    *_reported(comparisons),
  ]
  for item in comparisons:
    body.append(f'<h2>{html.escape(item.task)}</h2>')
    body.append(_figure(figure_paths[item.task], item.task))
    for selection in item.ours.values():
      for run in selection.trials:
        body.extend(_run(run))
  return (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
    f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
    f'<title>SLAC replication</title>\n<style>{_STYLE}</style></head>\n<body>\n'
    + '\n'.join(body)
    + '\n</body></html>\n'
  )


def newest_strip(folder: pathlib.Path) -> pathlib.Path | None:
  """Returns the picture of Fig. 14 that a run wrote last, if there is one.

  A folder that was copied keeps no times. The names have steps, of which
  pretraining has its own: they come after the evaluations of random data alone.
  """
  strips = (folder / 'videos').glob('*dream*.png')
  evaluated = progress.last_row(folder / 'eval.csv') or {}
  last = 'evaluation'
  if evaluated.get('model_updates') == '0':
    last = 'pretraining'
  return max(
    strips,
    key=lambda path: (path.name.startswith(last), path.name),
    default=None,
  )


def _selections(comparisons, has_published) -> list[str]:
  """Says what is compared with what, and what is missing."""
  lines = []
  for item in comparisons:
    sides = {comparison.PUBLISHED: table.NO_DATA} if has_published else {}
    if not item.ours:
      sides[comparison.OURS] = table.NO_DATA
    sides |= item.sides
    texts = [f'{side}: {selection}' for side, selection in sides.items()]
    alone = [
      name
      for name, selection in item.sides.items()
      if not item.is_like_the_papers and len(selection.trials) == 1
    ]
    if alone:
      texts.append(f'a single trial has no interval: {", ".join(alone)}')
    text = html.escape(f'{item.title}: ' + '; '.join(texts))
    lines.append(f'<li>{text}</li>')
  return ['<ul>', *lines, '</ul>']


def _aggregate(over_tasks, figure_paths) -> list[str]:
  """Shows the curves over all tasks, and says what to know of them."""
  tasks = f'{", ".join(over_tasks.tasks)}. {over_tasks.scale}.'
  lines = ['<h2>Over all tasks</h2>']
  if over_tasks.curves:
    lines.append(_figure(figure_paths['aggregate'], 'Over all tasks'))
    lines.extend(_table(table.aggregate_rows(over_tasks)))
  notes = [tasks, *over_tasks.notes]
  return [*lines, *(f'<p>{html.escape(note)}</p>' for note in notes)]


def _reported(comparisons) -> list[str]:
  """Shows the numbers that authors report, if there are any."""
  if not any(item.reported for item in comparisons):
    return []
  rows = _table(table.reported_rows(comparisons))
  return [*rows, f'<p>{html.escape(table.REPORTED_LEGEND)}</p>']


def _table(lines) -> list[str]:
  """Returns a table; what begins with another task is set off."""
  names, *rows = lines
  header = ''.join(f'<th>{html.escape(name)}</th>' for name in names)
  texts, before = [f'<table><tr>{header}</tr>'], None
  for row in rows:
    cells = ''.join(f'<td>{html.escape(cell)}</td>' for cell in row[:-1])
    last = html.escape(row[-1])
    marked = f' class="{last}"' if row[-1] in table.VERDICTS else ''
    texts.append(
      f'<tr{"" if row[0] == before else " class=task"}>{cells}'
      f'<td{marked}>{last}</td></tr>'
    )
    before = row[0]
  return [*texts, '</table>']


def _run(run: ours.Run) -> list[str]:
  last = f'{max(run.returns):,}' if run.returns else table.NO_DATA
  config = '\n'.join(f'{name} = {value}' for name, value in run.config.items())
  summary = f'seed {run.seed}, last evaluation at environment step {last}'
  lines = [
    f'<h3>{html.escape(run.name)}</h3>',
    f'<p>{html.escape(summary)}</p>',
    f'<pre>{html.escape(_starts(run))}</pre>',
    f'<details><summary>configuration</summary><pre>{html.escape(config)}</pre>'
    '</details>',
  ]
  try:
    strip = newest_strip(run.folder)
    data = strip.read_bytes() if strip else None
  except OSError:  # The rest of the page is worth having without it.
    data = None
  if data is None:
    return [*lines, f'<p>Fig. 14: {table.NO_DATA}</p>']
  if not data.startswith(_PNG):
    return [*lines, f'<p>Fig. 14: {html.escape(strip.name)} is no PNG</p>']
  return [
    *lines,
    f'<p>Fig. 14, {html.escape(strip.name)}: truth, posterior, conditional '
    'prior, prior</p>',
    _image(data, 'png', strip.name),
  ]


def _starts(run: ours.Run) -> str:
  """Returns the commands of a run, and what they ran with."""
  texts = []
  for start in run.starts:
    command = start.get('command')
    words = command if isinstance(command, list) else [command]
    packages = start.get('packages')
    packages = packages if isinstance(packages, dict) else {}
    git = start.get('git') if isinstance(start.get('git'), dict) else {}
    commit = git.get('commit', 'unknown')
    changed = ' with changes' if git.get('dirty') else ''
    texts.append(
      f'$ python {shlex.join(str(word) for word in words)}\n'
      f'# started {start.get("started")}, commit {commit}{changed}\n'
      f'# devices {start.get("devices")}, {start.get("cpus")} CPUs, '
      f'Python {start.get("python")}\n'
      f'# {", ".join(f"{name} {packages[name]}" for name in packages)}'
    )
  return '\n'.join(texts) or f'command and versions: {table.NO_DATA}'


def _figure(path: pathlib.Path, title: str) -> str:
  return _image(path.with_suffix('.svg').read_bytes(), 'svg+xml', title)


def _image(data: bytes, kind: str, title: str) -> str:
  text = base64.b64encode(data).decode()
  source = f'data:image/{kind};base64,{text}'
  return f'<img alt="{html.escape(title)}" src="{source}">'
