"""The benchmark's tables, in Markdown."""

import itertools


def print_computations(rows, peaks):
  """Prints measurements as a table, and their shares of the device's rates."""
  table = []
  for row in rows:
    cells = [row['name'], row.get('dtype', ''), milliseconds(row), '', '', '']
    if 'operations' in row:
      rate = row['operations'] / row['median_s']
      cells[3:] = [
        f'{row["operations"] / 1e9:.1f}',
        f'{rate / 1e9:.0f}',
        f'{rate / peaks[row["dtype"]]:.0%}',
      ]
    table.append(cells)
  print_table(['', 'type', 'ms', 'GFLOP', 'GFLOP/s', 'of the peak'], table)


def milliseconds(row):
  """Returns a median and its quartiles as a text."""
  median, low, high = (
    1e3 * row[f'{name}_s'] for name in ('median', 'quartile1', 'quartile3')
  )
  return f'{median:.1f} ({low:.1f} to {high:.1f})'


def print_table(header, rows):
  """Prints a table in Markdown."""
  print()
  for row in itertools.chain([header, ['---'] * len(header)], rows):
    print('| ' + ' | '.join(row) + ' |', flush=True)
