"""Charts as pictures."""

import numpy as np

from slac.agents import returns

_INCHES, _DPI = (8, 4), 100


def returns_of_episode(estimates: returns.Estimates) -> np.ndarray:
  """Draws what is said of returns along an episode, beside those seen.

  Returns:
    A picture, uint8 `[H, W, 3]`.
  """
  # Loading them takes half a second, which few agents need.
  from matplotlib import figure
  from matplotlib.backends import backend_agg

  drawn = figure.Figure(_INCHES, _DPI, layout='constrained')
  axes = drawn.add_subplot()
  for label, values, style in (
    ('the discounted return that followed', estimates.seen, '-'),
    ('Q', estimates.q, '--'),
    ('the bound', estimates.bound, ':'),
  ):
    axes.plot(values, style, label=label)
  axes.set_xlabel('agent step')
  axes.grid(alpha=0.3)
  axes.legend()
  canvas = backend_agg.FigureCanvasAgg(drawn)
  canvas.draw()
  return np.asarray(canvas.buffer_rgba())[..., :3]
