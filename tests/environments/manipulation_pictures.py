"""Draws the pictures of the manipulation tasks in docs/environments.md.

`python -m tests.environments.manipulation_pictures` draws of each a strip of
images as an agent sees them, and a film at 256 pixels. The Sawyer is moved by
Meta-World's scripts, and the claw by random actions.
"""

import gin
import numpy as np
from PIL import Image

from slac.config import bindings
from slac.environments import claw, sawyer
from slac.training import experiment  # noqa: F401  # Gin finds all by it.
from tests.environments import manipulated, sawyer_test

FOLDER = bindings.ROOT / 'docs'
FILM_SIZE = (256, 256)
NUM_IMAGES = 8  # In a strip.
NUM_COLOURS = 200
EVERY = 2  # Agent steps from one frame of a film to the next.
MILLISECONDS = 1000 * EVERY // 16  # Of a frame: about as fast as it is.


def draw(name: str, environment, policy) -> None:
  """Writes NAME.png and NAME.gif."""
  step, images, frames = environment.reset(), [], []
  while True:
    images.append(step.observation['pixels'])
    if (len(images) - 1) % EVERY == 0:
      frames.append(environment.draw_for_film(FILM_SIZE))
    if step.is_last():
      break
    step = environment.step(np.asarray(policy(), np.float32))
  chosen = np.linspace(0, len(images) - 1, NUM_IMAGES).astype(int)
  strip = np.concatenate([images[index] for index in chosen], axis=1)
  Image.fromarray(strip).save(FOLDER / f'{name}.png', optimize=True)
  # One palette of all frames; this method keeps the colours of small things.
  palette = Image.fromarray(np.concatenate(frames)).quantize(
    NUM_COLOURS, Image.Quantize.MAXCOVERAGE
  )
  frames = [
    Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
    for frame in frames
  ]
  path = FOLDER / f'{name}.gif'
  frames[0].save(
    path,
    save_all=True,
    append_images=frames[1:],
    duration=MILLISECONDS,
    loop=0,
  )
  success = 'success' if environment.is_success() else 'no success'
  print(f'{path}: {success}, {path.stat().st_size:,} bytes')


def make(name: str, seed: int):
  """Returns the environment of a gin file."""
  bindings.load([f'gin/{name}.gin'])
  environment = gin.query_parameter('Experiment.environment')
  made = environment.scoped_configurable_fn()
  made.seed(seed)
  return made


def main():
  """Draws all of them."""
  for task in sawyer.TASKS:
    environment = make(f'sawyer_{task}', seed=1)
    policy = sawyer_test.script(environment, task)
    draw(f'sawyer_{task}', environment, policy)
  for task in claw.GOALS:
    environment = make(f'claw_{task}', seed=3)
    draw(f'claw_{task}', environment, manipulated.uniform(environment))


if __name__ == '__main__':
  main()
