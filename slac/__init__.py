"""Stochastic Latent Actor-Critic in TensorFlow 2 and TF-Agents.

Importing this package, which is cheap, has TensorFlow choose Keras 2 and oneDNN
and load beside a renderer, and keeps the notices of the libraries it builds on
off the screen, so import it before them. Their errors and our own warnings
still show, and settings the user made in the environment win.
"""

import contextlib
import logging
import os
import platform
import re
import sys
import warnings

from slac.installation import loading

_CHATTY = (
  'dm_control|gin|glfw|gym|keras|tensorboard|tensorflow|'
  'tensorflow_probability|tf_agents|tf_keras'
)


def _is_worth_showing(record: logging.LogRecord) -> bool:
  """Whether a log record is an error or none of the chatty libraries' own."""
  chatty = re.search(rf'-packages/({_CHATTY})/', record.pathname)
  return not chatty or record.levelno >= logging.ERROR


# TensorFlow's C++ code logs 'Unable to register cuDNN factory' as an error.
# What truly goes wrong there reaches the user as a Python exception as well.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
# By itself TensorFlow computes with oneDNN only on processors that have
# instructions for neural networks; it pays with AVX2 (docs/performance.md).
if platform.machine() in ('x86_64', 'AMD64'):
  os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
# TF-Agents knows Keras 2 alone.
os.environ['TF_USE_LEGACY_KERAS'] = '1'
sys.meta_path.insert(0, loading.Finder())
logging.getLogger('tensorflow').setLevel(logging.ERROR)
# A package that is missing is for `python -m slac.doctor` to tell.
with contextlib.suppress(ImportError):
  # TF-Agents imports gym, which prints that it is no longer maintained.
  import gym_notices.notices

  gym_notices.notices.notices.clear()
with contextlib.suppress(ImportError):
  from absl import logging as absl_logging

  absl_logging.get_absl_logger().addFilter(_is_worth_showing)
# Appended, so that the user's own -W options come first.
warnings.filterwarnings('ignore', module=rf'({_CHATTY})(\.|$)', append=True)
