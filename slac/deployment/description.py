"""What stands beside an exported policy, in policy.json."""

import pathlib
from typing import Any

from slac import errors
from slac.storage import files

NAME = 'policy.json'
FORMAT = 1  # Of the file and of the SavedModel's functions.
_ARRAY = {'shape': [int], 'dtype': str}
_SCHEMA = {
  'format': int,
  'task': str,
  'env_steps': int,  # After how many the policy was exported.
  'action_repeat': int,
  'greedy': bool,
  'observation': {str: _ARRAY},
  'action': {**_ARRAY, 'minimum': [float], 'maximum': [float]},
  'state': {str: _ARRAY},
  'version': str,  # Of this project.
}


def read(folder: pathlib.Path) -> dict[str, Any]:
  """Returns the description of the policy in a folder.

  Raises:
    errors.UserError: (66) if there is no folder or no policy in it; (65) if it
      is a policy of another version, or damaged.
  """
  path = folder / NAME
  if not folder.is_dir():
    raise errors.UserError(
      f'There is no folder {folder}: name one that slac.play --export has '
      "written, or policy/ in a finished run's.",
      66,
    )
  if not path.exists() or not (folder / 'saved_model.pb').exists():
    missing = NAME if not path.exists() else 'saved_model.pb'
    raise errors.UserError(
      f'{folder} holds no {missing}, so it is no policy that can be loaded '
      'here: export one with slac.play RUN --export DIR.',
      66,
    )
  try:
    version = files.read_json(path, {'format': int})['format']
    if version == FORMAT:
      return files.read_json(path, _SCHEMA)
  except (OSError, ValueError) as error:
    raise errors.UserError(
      f'{path} is damaged ({error}): export the policy again with slac.play '
      'RUN --export DIR.',
      65,
    ) from error
  raise errors.UserError(
    f'{path} has format {version}, and this version of the project knows '
    f'format {FORMAT}: export the policy again, or load it with the version '
    'that wrote it.',
    65,
  )
