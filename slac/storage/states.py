"""A run's state, nested values and arrays, as state.json and arrays.npz."""

import json
import pathlib
import re
from typing import Any

import numpy as np

from slac import errors
from slac.storage import files

# The key of a dict that stands for a list, a tuple or one of NumPy's numbers.
_KIND = '~kind'
_PLAIN = (str, bool, int, float, type(None))
# Keys that arrays.npz or `read` would take for others.
_UNFIT = re.compile(rf'\A{_KIND}\Z|\.npy\Z|[\0\ud800-\udfff]')


def write(folder: pathlib.Path, state: dict[str, Any]) -> None:
  """Writes a state to two files in `folder`, which the caller has to seal.

  Args:
    folder: A folder that is there.
    state: A dict of dicts, lists, tuples, arrays, numbers and texts.

  Raises:
    UserError: (78) if something else is in it.
  """
  arrays = {}
  rest = _take_out_arrays(state, (), arrays)
  (folder / 'state.json').write_text(json.dumps(rest))
  files.write_arrays(folder / 'arrays.npz', arrays)


def read(folder: pathlib.Path) -> dict[str, Any]:
  """Returns the state that `write` was given."""
  state = files.read_json(folder / 'state.json', dict)
  for name, array in files.read_arrays(folder / 'arrays.npz').items():
    *parents, key = [
      key.replace('~1', '/').replace('~0', '~') for key in name.split('/')
    ]
    inner = state
    for parent in parents:
      inner = inner[parent]
    inner[key] = array
  return _restored(state)


def _take_out_arrays(value: Any, path: tuple[str, ...], arrays: dict) -> Any:
  """Returns a value without its arrays, which are put into `arrays` by path.

  A path is a JSON pointer (RFC 6901), in which ~1 stands for a / within a key.
  """
  if isinstance(value, np.generic) and _is_stored(value.dtype):
    value = {_KIND: 'number', 'value': np.asarray(value)}
  elif type(value) is tuple or (
    type(value) is list and any(type(item) not in _PLAIN for item in value)
  ):
    items = {str(i): item for i, item in enumerate(value)}
    value = {_KIND: type(value).__name__, **items}
  elif type(value) is dict:
    for key in value:
      if not isinstance(key, str):
        raise _refusal(path, f'the key {key!r}, a {type(key).__name__}')
      if _UNFIT.search(key):
        raise _refusal(path, f'the key {key!r}')
  if type(value) is dict:
    rest = {}
    for key, item in value.items():
      here = (*path, key.replace('~', '~0').replace('/', '~1'))
      if type(item) is np.ndarray and _is_stored(item.dtype):
        arrays['/'.join(here)] = item
      else:
        rest[key] = _take_out_arrays(item, here, arrays)
    return rest
  if not isinstance(value, _PLAIN) and type(value) is not list:
    kind = type(value)
    of = f' of {value.dtype}' if isinstance(value, np.ndarray) else ''
    raise _refusal(path, f'a {kind.__module__}.{kind.__qualname__}{of}')
  return value


def _is_stored(dtype: np.dtype) -> bool:
  """Whether arrays.npz gives back this type, as not all libraries' own."""
  if dtype.hasobject:
    return False
  description = np.lib.format.dtype_to_descr(dtype)
  return np.lib.format.descr_to_dtype(description) == dtype


def _restored(value: Any) -> Any:
  """Returns a value with the lists, tuples and numbers that dicts stand for."""
  if not isinstance(value, dict):
    return value
  value = {key: _restored(item) for key, item in value.items()}
  kind = value.pop(_KIND, None)
  if kind == 'number':
    return value['value'][()]
  items = [value[str(i)] for i in range(len(value))] if kind else []
  return {'list': items, 'tuple': tuple(items)}.get(kind, value)


def _refusal(path: tuple[str, ...], what: str) -> errors.UserError:
  return errors.UserError(
    f'The state {"/".join(path)} holds {what}, which cannot be saved: have '
    'get_state return dicts, lists, tuples, arrays, numbers and texts only.'
  )
