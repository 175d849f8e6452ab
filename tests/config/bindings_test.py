"""Tests of slac/config/bindings.py: names, values, and what has no effect."""

import abc
import enum
import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import gin
import pytest
from gin import config as gin_config

from slac import errors
from slac.config import bindings, settings


class Tool(abc.ABC):
  @abc.abstractmethod
  def use(self):
    """Does something."""


@gin.configurable(module='slac_test')
class Ladder(Tool):
  use = print


class Shape(Protocol):
  size: int


gin.configurable('HalfATool', module='slac_test')(type('X', (Tool,), {}))


@gin.configurable(module='slac_test')
def ladder() -> Ladder:
  return Ladder()


@gin.configurable(module='slac_test')
def number() -> int:
  return 3


@gin.configurable(module='slac_test')
def some_tool() -> Any:
  return Ladder()


@gin.configurable(module='slac_test')
def some_object() -> object:
  return Ladder()


@gin.configurable(module='slac_test')
class Painter:
  """Has a parameter of each checked kind."""

  def __init__(
    self,
    batch_size: settings.Count = gin.REQUIRED,
    rate: settings.Positive = 0.5,
    share: settings.Fraction = 0.0,
    greedy: bool = False,
    task: str = 'walk',
    layers: Sequence[settings.Count] = (1,),
    limit: settings.Count | None = None,
    depth: int | None = None,
    brush=None,
    paint: Callable = print,
    tool: Callable[..., Tool] = Ladder,
    anything: Callable[..., Any] = print,
    nothing: Callable[[int], None] = print,
    either: Callable[..., Tool | None] = print,
    shaped: Callable[..., Shape] = print,
    compute_dtype: settings.ComputeDtype = 'float32',
    image_size: settings.ImageSize = (64, 64),
  ):
    self.batch_size = batch_size
    self.rate = rate
    self.task = task
    self.layers = layers
    self.brush = brush


@gin.configurable(module='slac_test')
class HousePainter(Painter):
  def __init__(self, floors: settings.Count = 1, **kwargs):
    super().__init__(**kwargs)
    self.floors = floors


@gin.configurable(module='slac_test')
def brush(width, hair: 'settings.WholeNumber' = 3):
  if hair == 13:
    raise errors.UserError('13 hairs bring bad luck.', 65)
  return width


gin.configurable('twin', module='slac_test.one')(lambda size=1: size)
gin.configurable('twin', module='slac_test.two')(lambda size=1: size)


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(sys, 'path', ['', *sys.path])
  yield
  gin.clear_config()


def fault(function, *arguments):
  """Returns the message and the exit code of a UserError."""
  with pytest.raises(errors.UserError) as caught:
    function(*arguments)
  message = str(caught.value)
  assert '\n' not in message and message.endswith('.')
  return message, caught.value.exit_code


def load_params(*params):
  bindings.load([], params)


def test_later_files_and_params_win(tmp_path):
  (tmp_path / 'a.gin').write_text(
    'Painter.batch_size = 1\nPainter.rate = 1.0\nPainter.task = "a"\n'
  )
  (tmp_path / 'b.gin').write_text('Painter.rate = 2.0\nPainter.task = "b"\n')
  bindings.load(['a.gin', 'b.gin'], ["Painter.task = 'c'"])
  painter = Painter()
  assert (painter.batch_size, painter.rate, painter.task) == (1, 2.0, 'c')
  bindings.load(['a.gin'])
  assert Painter().task == 'a'


def test_files_are_found_from_the_repository_root(tmp_path, monkeypatch):
  root = tmp_path / 'repository'
  (root / 'gin').mkdir(parents=True)
  (root / 'gin/base.gin').write_text('Painter.batch_size = 3\n')
  (root / 'gin/top.gin').write_text("include 'gin/base.gin'\n")
  monkeypatch.setattr(bindings, 'ROOT', root)
  monkeypatch.setattr(gin_config, '_LOCATION_PREFIXES', ['', str(root)])
  bindings.load(['gin/top.gin'])
  assert Painter().batch_size == 3


def test_the_repository_root_holds_the_package():
  assert (bindings.ROOT / 'slac' / 'config' / 'bindings.py').exists()
  assert str(bindings.ROOT) in gin_config._LOCATION_PREFIXES


def test_missing_file_names_the_nearest(tmp_path):
  (tmp_path / 'gin').mkdir()
  (tmp_path / 'gin/walker.gin').write_text('')
  message, code = fault(bindings.load, ['gin/waker.gin'])
  assert code == 66
  assert 'gin/waker.gin (did you mean walker.gin?)' in message
  # They have five of ten letters in common, and the end.
  (tmp_path / 'gin/hopper.gin').write_text('')
  message, _ = fault(bindings.load, ['gin/nothere.gin'])
  assert '(there are ' in message and 'did you mean' not in message
  assert 'ant.gin, ' in message


def test_a_name_that_no_file_can_have():
  message, code = fault(bindings.load, ['w' * 300])
  assert message == (
    f'The gin file {"w" * 48}...{"w" * 48} cannot be read (File name too '
    'long): restore it or name another one.'
  )
  assert code == 66


def test_missing_and_circular_includes(tmp_path):
  (tmp_path / 'a.gin').write_text("include 'b.gin'\n")
  message, code = fault(bindings.load, ['a.gin'])
  assert code == 66
  assert 'b.gin (included by a.gin)' in message
  (tmp_path / 'b.gin').write_text("include 'a.gin'\n")
  message, _ = fault(bindings.load, ['a.gin'])
  assert 'a.gin includes itself (included by b.gin)' in message


@pytest.mark.parametrize(
  'line, expected',
  [
    (
      'Paintr.rate = 1.0',
      'nothing configurable is named Paintr (did you mean Painter?)',
    ),
    (
      'Painter.brush = @brushh()',
      'nothing configurable is named brushh (did you mean brush?)',
    ),
    (
      'Painter.batchsize = 1',
      'Painter has no parameter batchsize (did you mean batch_size?)',
    ),
    (
      'twin.size = 1',
      'twin is ambiguous; write slac_test.one.twin or slac_test.two.twin',
    ),
    ('Painter.task = walker', 'walker is not a value; a string needs quotes'),
    ('Painter.rate 1', "expected ':' or '='"),
  ],
)
def test_faults_in_names_and_syntax(tmp_path, line, expected):
  message, code = fault(bindings.load, [], [line])
  assert message.startswith(f'--gin_param="{line}": ')
  assert expected in message
  assert code == 78
  (tmp_path / 'a.gin').write_text(f'# Comment.\n{line}\n')
  (tmp_path / 'b.gin').write_text("include 'a.gin'\n")
  message, _ = fault(bindings.load, ['b.gin'])
  assert expected in message
  assert message.startswith('a.gin, line 2: ')


def test_a_bracket_that_is_not_closed(tmp_path):
  (tmp_path / 'a.gin').write_text('Painter.layers = (1,\n\n')
  message, code = fault(bindings.load, ['a.gin'])
  # Where the file ends or, since Python 3.12, where the statement does.
  line = 2 if sys.version_info >= (3, 12) else 3
  assert message == (
    f'a.gin, line {line}: a bracket or a quote is not closed before the end.'
  )
  assert code == 78


def test_where_nothing_is_near_the_names_are_listed():
  message, _ = fault(bindings.load, [], ['brush.zzzz = 1'])
  assert message.endswith(
    'brush has no parameter zzzz (there are hair, width).'
  )
  message, _ = fault(bindings.load, [], ['Zzzz.zzzz = 1'])
  assert re.search(r'named Zzzz \(there are (\w+, )+', message)


def test_own_names_are_preferred_to_other_ones():
  gin.configurable('Painte', module='elsewhere')(lambda size=1: size)
  message, _ = fault(bindings.load, [], ['Paint.rate = 1'])
  assert '(did you mean Painter' in message
  assert 'Painte ' not in message and 'Painte?' not in message


def test_imports_look_into_the_working_directory(tmp_path, monkeypatch):
  monkeypatch.setattr(sys, 'path', [path for path in sys.path if path])
  (tmp_path / 'my_painting.py').write_text(
    'import gin\n'
    "@gin.configurable(module='my_painting')\n"
    'def my_brush(): return 7\n'
  )
  (tmp_path / 'a.gin').write_text(
    'import my_painting\nPainter.batch_size = 1\nPainter.brush = @my_brush()\n'
  )
  message, code = fault(bindings.load, ['a.gin'])
  assert message == (
    "a.gin, line 1: 'import my_painting' runs the code of a module; if you "
    'trust it, add --allow_gin_imports.'
  )
  assert code == 78
  assert 'my_painting' not in sys.modules
  bindings.load(['a.gin'], allow_imports=True)
  assert Painter().brush == 7
  resolved = bindings.resolved()
  assert resolved['import'] == 'import my_painting'
  message, _ = fault(bindings.load_resolved, resolved)
  assert '(import my_painting)' in message
  assert '--allow_gin_imports' in message
  bindings.load_resolved(resolved, allow_imports=True)
  assert Painter().brush == 7
  assert bindings.resolved() == resolved


def test_a_failing_import_says_where(tmp_path):
  (tmp_path / 'a.gin').write_text('import no_such_module\n')
  message, code = fault(bindings.load, ['a.gin'], [], True)
  assert message.startswith('a.gin, line 1: the import failed: No module named')
  assert code == 78
  (tmp_path / 'my_broken.py').write_text('x = 1\ny = undefined_name\n')
  message, _ = fault(bindings.load, [], ['import my_broken'], True)
  assert 'NameError in my_broken.py, line 2' in message
  (tmp_path / 'my_typo.py').write_text('x = = 1\n')
  message, _ = fault(bindings.load, [], ['import my_typo'], True)
  assert 'my_typo.py, line 1' in message
  (tmp_path / 'my_exit.py').write_text('import sys\nsys.exit(3)\n')
  message, _ = fault(bindings.load, [], ['import my_exit'], True)
  assert 'the import failed: SystemExit in my_exit.py, line 2: 3 (' in message


A_TOOL = 'a configurable that makes some Tool, written @NAME without ()'


@pytest.mark.parametrize(
  'line, expected',
  [
    ("batch_size = 'abc'", 'a whole number of at least 1'),
    ('batch_size = 0', 'a whole number of at least 1'),
    ('batch_size = 2.0', 'a whole number of at least 1'),
    ('batch_size = True', 'a whole number of at least 1'),
    ('batch_size = @brush', 'a whole number of at least 1'),
    ('batch_size = %gin.REQUIRED', 'given a value'),
    ('rate = 0', 'a finite number above 0'),
    ('batch_size = 1' + 400 * '0', 'at most 1000000000000'),
    ('batch_size = 0x' + 5000 * 'f', 'at most 1000000000000'),
    ('rate = 1e999', 'at most 1000000000000'),
    ('rate = 1' + 400 * '0', 'at most 1000000000000'),
    ('rate = -1e999', 'a finite number above 0'),
    ('share = 1.5', 'at most 1'),
    ("share = 'all'", 'a finite number of at least 0 and at most 1'),
    ('depth = 1e999', 'a whole number, or None'),
    ('greedy = 1', 'True or False'),
    ('task = 3', 'a string, in quotes'),
    ('layers = 3', 'a list'),
    ('layers = (3, 0)', 'a list, each item a whole number of at least 1'),
    ('limit = 0', 'a whole number of at least 1, or None'),
    ('depth = 1.5', 'a whole number, or None'),
    ('paint = 3', 'a configurable, written @NAME without ()'),
    ("paint = 'brush'", 'a configurable, written @NAME without ()'),
    ('paint = @Painter()', 'a configurable, written @NAME without ()'),
    ('tool = 3', A_TOOL),
    ('tool = @Painter', A_TOOL),
    ('tool = @Ladder()', A_TOOL),
    ('tool = @HalfATool', 'a class that defines use, too'),
    ('tool = @number', A_TOOL),
    ("compute_dtype = 'float16'", "'float32' or 'bfloat16'"),
    ('compute_dtype = [1]', "'float32' or 'bfloat16'"),
    ('image_size = 64', 'a list'),
    ('image_size = (64,)', 'a list of 2'),
    ('image_size = (64, 64, 3)', 'a list of 2'),
    ('image_size = (64, 256)', 'a list, each item at most 128'),
    *(
      (
        f'image_size = {size}',
        'a list, each item a whole number of at least 32 and at most 128, a '
        'multiple of 16',
      )
      for size in ('(64, 100)', '(16, 64)', '(64.0, 64)')
    ),
  ],
)
def test_unsuitable_values(line, expected):
  message, code = fault(load_params, f'Painter.{line}')
  assert f'Painter.{line.split(" =")[0]} = ' in message
  assert message.endswith(f': must be {expected}.')
  assert code == 78


def test_suitable_values():
  load_params(
    'Painter.batch_size = 1',
    'Painter.rate = 2',
    'Painter.share = 1',
    'Painter.greedy = True',
    "Painter.task = 'walk'",
    'Painter.layers = (3, 4)',
    'Painter.limit = None',
    'Painter.depth = None',
    'Painter.brush = @brush()',
    'Painter.paint = @brush',
    'brush.hair = 0',
  )
  load_params(
    'Painter.limit = 2',
    'Painter.batch_size = @brush()',
    'Painter.paint = @brush()',  # May return a function.
  )


@pytest.mark.parametrize(
  'made_by',
  ['Ladder', 'ladder', 'some_tool', 'some_object', 'brush', 'brush()'],
)
def test_who_may_make_a_kind(made_by):
  load_params(f'Painter.tool = @{made_by}')


def test_what_is_no_class_is_no_kind():
  load_params(
    'Painter.anything = @Ladder',
    'Painter.nothing = @Ladder',
    'Painter.either = @number',
    'Painter.shaped = @Ladder',
  )


def test_long_values_are_cut():
  message, _ = fault(load_params, f'Painter.batch_size = 1{"0" * 4000}')
  zeros = '0' * 48
  assert message == (
    f'Painter.batch_size = 1{zeros[1:]}...{zeros}: must be at most '
    '1000000000000.'
  )
  # Python reads no number of 5,000 digits.
  message, _ = fault(load_params, f'Painter.batch_size = {"9" * 5000}')
  nines = f'{"9" * 48}...{"9" * 48}'
  assert f'"Painter.batch_size = {"9" * 27}...{"9" * 48}": {nines} ' in message
  message, _ = fault(load_params, f'Painter.layers = {[0] * 9000}')
  assert len(message) < 200
  message, _ = fault(load_params, f'Painter.task {"a" * 9000}')
  assert len(message) < 400


def test_ten_faults_are_told_and_the_others_counted():
  params = [f'Painter.x{n} = 1' for n in range(2000)]
  message, _ = fault(load_params, *params)
  *told, more = message.split('; ')
  assert [text[:26] for text in told] == [
    f'--gin_param="Painter.x{n} = ' for n in range(10)
  ]
  assert more == 'and 1,990 more.'
  bindings.load([], [f's{n}/brush.hair = 1' for n in range(2000)])
  message, _ = fault(bindings.check_all_used)
  assert message.count('nothing in this run') == 10
  assert message.endswith('s9/brush.hair; and 1,990 more.')


def test_annotations_given_as_strings_count():
  message, _ = fault(load_params, 'brush.hair = -1')
  assert 'brush.hair = -1: must be a whole number of at least 0' in message


def test_faults_of_all_kinds_are_in_one_message(tmp_path):
  (tmp_path / 'a.gin').write_text(
    'Painter.batchsize = 1\n'
    'Paintr:\n'
    '  rate = 1.0\n'
    '  task = "a"\n'
    'Painter.rate = 1.0\n'
    'slac_test.Painter.rate = 2.0\n'
    'Painter.batch_size = "abc"\n'
    'Painter.brush = [@brushh(), @twin]\n'
    'Painter.share = 2.0\n'
    'Painter.greedy 1\n'
  )
  message, code = fault(bindings.load, ['a.gin'], ['SIZE = 1'])
  assert message.rstrip('.').split('; ') == [
    'a.gin, line 1: Painter has no parameter batchsize (did you mean '
    'batch_size?)',
    'a.gin, line 2: nothing configurable is named Paintr (did you mean '
    'Painter?)',
    'a.gin, line 6: slac_test.Painter.rate is bound a second time, after '
    'a.gin, line 5: keep one of the two',
    'a.gin, line 8: nothing configurable is named brushh (did you mean brush?)',
    'a.gin, line 8: twin is ambiguous',
    'write slac_test.one.twin or slac_test.two.twin',
    "a.gin, line 10: Couldn't parse statement, expected ':' or '=' in "
    "'Painter.greedy 1'",
    "Painter.batch_size = 'abc': must be a whole number of at least 1",
    'Painter.share = 2.0: must be at most 1',
    'nothing refers to the macro SIZE',
  ]
  assert code == 78


def test_a_binding_may_be_repeated_only_in_another_file(tmp_path):
  (tmp_path / 'a.gin').write_text('Painter.rate = 1.0\nSIZE = 1\n')
  (tmp_path / 'b.gin').write_text(
    "include 'a.gin'\nPainter.rate = 2.0\nSIZE = 2\n"
    'scope/Painter.rate = 3.0\nPainter.batch_size = %SIZE\n'
  )
  bindings.load(['b.gin', 'a.gin'], ['Painter.rate = 4.0'])
  assert Painter().rate == 4.0
  message, _ = fault(
    bindings.load, ['b.gin'], ['Painter.rate = 4.0', 'Painter.rate = 5.0']
  )
  assert message == (
    '--gin_param="Painter.rate = 5.0": Painter.rate is bound a second time, '
    'after --gin_param="Painter.rate = 4.0": keep one of the two.'
  )
  (tmp_path / 'c.gin').write_text("include 'b.gin'\nSIZE = 3\nSIZE = 4\n")
  message, _ = fault(bindings.load, ['c.gin'])
  assert message.startswith('c.gin, line 3: SIZE is bound a second time')


def test_folders_binary_files_and_empty_parameters(tmp_path):
  (tmp_path / 'folder').mkdir()
  (tmp_path / 'folder/walker.gin').write_text('')
  message, code = fault(bindings.load, ['folder'])
  assert code == 66
  assert message == (
    "'folder' is a folder: name a gin file, such as folder/walker.gin."
  )
  (tmp_path / 'binary').write_bytes(bytes(range(256)))
  message, code = fault(bindings.load, ['binary'])
  assert code == 66 and 'binary cannot be read (it is no text' in message
  (tmp_path / 'zeros.gin').write_bytes(bytes(64))
  message, code = fault(bindings.load, ['zeros.gin'])
  assert code == 78 and message.startswith('zeros.gin, line 1: ')
  message, code = fault(bindings.load, [], [' '])
  assert code == 64 and '--gin_param is empty' in message


def test_macros_are_named_and_resolved():
  message, _ = fault(
    load_params, 'SIZE = %OTHER', 'OTHER = 0', 'Painter.batch_size = %SIZE'
  )
  assert 'Painter.batch_size = %SIZE (0): must be' in message
  message, _ = fault(load_params, 'SIZE = 1', 'Painter.batch_size = %SIZES')
  assert 'there is no macro SIZES (did you mean SIZE?)' in message
  message, _ = fault(load_params, 'A = %B', 'B = %A', 'Painter.task = %A')
  assert 'refers to itself' in message


def test_parameters_of_a_base_class_are_known_and_checked():
  load_params('HousePainter.batch_size = 1', 'HousePainter.floors = 1')
  message, _ = fault(load_params, 'HousePainter.batch_size = 0')
  assert 'at least 1' in message
  message, _ = fault(load_params, 'HousePainter.batchsize = 1')
  assert 'no such parameter (did you mean batch_size?)' in message


def test_check_all_used_names_what_has_no_effect():
  bindings.load(
    [],
    ['Painter.batch_size = 1', 'train/brush.hair = 1', 'brush.width = 2'],
  )
  Painter()
  message, code = fault(bindings.check_all_used)
  assert message == (
    'Without effect: nothing in this run reads train/brush.hair; nothing in '
    'this run reads brush.width.'
  )
  assert code == 78
  with gin.config_scope('train/inner'):
    brush()
  bindings.check_all_used()


def test_what_is_read_later_is_looked_for_only_if_something_is_unread():
  called = []

  def read_more():
    called.append(True)
    with gin.config_scope('train'):
      brush()

  params = ['Painter.batch_size = 1', 'brush.width = 2', 'train/brush.hair = 1']
  bindings.load([], params)
  Painter()
  bindings.check_all_used(read_more)
  bindings.check_all_used(read_more)
  assert len(called) == 1
  bindings.load([], [*params, 'trian/brush.hair = 1'])
  Painter()
  message, _ = fault(bindings.check_all_used, read_more)
  assert message == (
    'Without effect: nothing in this run reads trian/brush.hair.'
  )
  # What is called only now may ask for a value that nobody gave.
  bindings.load([], ['train/brush.hair = 1'])
  message, _ = fault(bindings.check_all_used, Painter)
  assert 'Painter.batch_size must be given a value' in message


def test_check_all_used_accepts_what_is_used():
  bindings.load(
    [],
    [
      'SIZE = 2',
      'Painter.batch_size = %SIZE',
      'Painter.brush = @a/brush()',
      'a/brush.width = 1',
    ],
  )
  Painter()
  bindings.check_all_used()


def test_a_binding_that_the_caller_or_a_scope_overrides_is_not_used():
  bindings.load([], ['Painter.batch_size = 2', 'Painter.rate = 1.0'])
  Painter(batch_size=1)
  message, _ = fault(bindings.check_all_used)
  assert 'Painter.batch_size' in message and 'Painter.rate' not in message
  bindings.load([], ['Painter.batch_size = 2', 'a/Painter.batch_size = 3'])
  with gin.config_scope('a'):
    assert Painter().batch_size == 3
  message, _ = fault(bindings.check_all_used)
  assert 'reads Painter.batch_size' in message and 'a/Painter' not in message


def test_included_files_hold_defaults_that_need_not_be_read(tmp_path):
  (tmp_path / 'base.gin').write_text(
    'train/brush.hair = 1\nSIZE = 1\nPainter.batch_size = 1\n'
  )
  (tmp_path / 'task.gin').write_text(
    "include 'base.gin'\nPainter.task = 'run'\n"
  )
  bindings.load(['task.gin'], ['Painter.rate = 1.0'])
  Painter()
  bindings.check_all_used()
  # What is named itself must be, a default that it replaces too.
  (tmp_path / 'base.gin').write_text(
    'train/brush.hair = 1\nPainter.batch_size = 1\n'
  )
  bindings.load(['task.gin', 'base.gin'])
  Painter()
  message, _ = fault(bindings.check_all_used)
  assert (
    message == 'Without effect: nothing in this run reads train/brush.hair.'
  )
  (tmp_path / 'overlay.gin').write_text('train/brush:\n  hair = 2\n')
  bindings.load(['task.gin', 'overlay.gin'])
  Painter()
  message, _ = fault(bindings.check_all_used)
  assert 'reads train/brush.hair' in message


def test_macros_that_nothing_refers_to(tmp_path):
  (tmp_path / 'base.gin').write_text('SIZE = 1\nPainter.batch_size = 1\n')
  (tmp_path / 'task.gin').write_text("include 'base.gin'\n")
  bindings.load(['task.gin'])
  message, _ = fault(bindings.load, ['base.gin'])
  assert message == 'nothing refers to the macro SIZE.'
  message, _ = fault(bindings.load, ['task.gin'], ['scope/SIZE = 2'])
  assert message == 'nothing refers to the macro scope/SIZE.'
  message, code = fault(bindings.load, ['task.gin'], ['SIZE = 2'])
  assert message == 'nothing refers to the macro SIZE.'
  assert code == 78


def test_a_resolved_configuration_may_hold_defaults_without_effect(tmp_path):
  (tmp_path / 'base.gin').write_text('brush.hair = 1\n')
  (tmp_path / 'task.gin').write_text(
    "include 'base.gin'\nPainter.batch_size = 1\n"
  )
  bindings.load(['task.gin'])
  bindings.load_resolved(bindings.resolved())
  assert gin.query_parameter('brush.hair') == 1
  Painter()
  bindings.check_all_used()


def test_resolved_is_sorted_and_loads_again():
  bindings.load(
    [],
    [
      'SIZE = 2',
      'Painter.layers = [%SIZE, 3]',
      'Painter.batch_size = %SIZE',
      'Painter.brush = @a/brush()',
      'a/brush.width = "wide"',
    ],
  )
  resolved = bindings.resolved()
  assert list(resolved.items()) == [
    ('Painter.batch_size', '2'),
    ('Painter.brush', '@a/brush()'),
    ('Painter.layers', '[2, 3]'),
    ('a/brush.width', "'wide'"),
  ]
  bindings.load_resolved(resolved, allow_imports=True)
  painter = Painter()
  assert (painter.batch_size, painter.layers, painter.brush) == (
    2,
    [2, 3],
    'wide',
  )


class Colour(enum.Enum):
  RED = 1


gin.constants_from_enum(Colour, module='slac_test')
gin.constant('slac_test.TOOL', Ladder())
gin.constant('slac_test.ENDLESS', math.inf)
gin.constant('slac_test.THIRD', (1, 'x'))
gin.constant('slac_test.SET', {1, 2})  # Python can read it, gin cannot.


def test_constants_that_are_no_literals_keep_their_names():
  bindings.load(
    [],
    [
      'PAINT = %Colour.RED',
      "Painter.brush = {'a': [%PAINT, 2], 'b': %THIRD}",
      'a/brush.width = %slac_test.TOOL',
      'b/brush.width = %ENDLESS',
      'c/brush.width = %SET',
    ],
  )
  resolved = bindings.resolved()
  assert resolved == {
    'Painter.brush': "{'a': [%slac_test.Colour.RED, 2], 'b': (1, 'x')}",
    'a/brush.width': '%slac_test.TOOL',
    'b/brush.width': '%slac_test.ENDLESS',
    'c/brush.width': '%slac_test.SET',
  }
  bindings.load_resolved(resolved)
  assert bindings.resolved() == resolved
  assert Painter(batch_size=1).brush == {
    'a': [Colour.RED, 2],
    'b': (1, 'x'),
  }
  message, _ = fault(load_params, 'Painter.rate = %ENDLESS')
  assert 'Painter.rate = %slac_test.ENDLESS (inf): must be ' in message


@pytest.mark.parametrize(
  ('value', 'shown'),
  [
    ('1e999', 'inf'),
    ('(-1e999, 2)', '(-inf, 2)'),
    ('0x' + 5000 * 'f', 'a number of thousands of digits'),
  ],
)
def test_what_no_later_start_could_read_is_refused(value, shown):
  message, code = fault(load_params, f'Painter.brush = {value}')
  assert message == (
    f'Painter.brush = {shown}: cannot be read again from config.json: write a '
    'finite number, a text, or %NAME of a constant.'
  )
  assert code == 78


def test_dynamic_registration_is_refused(tmp_path):
  (tmp_path / 'my_plain.py').write_text('def number(x=1): return x\n')
  (tmp_path / 'a.gin').write_text(
    'from __gin__ import dynamic_registration\n'
    'import my_plain\n'
    'my_plain.number.x = 3\n'
  )
  message, code = fault(bindings.load, ['a.gin'], [], True)
  assert message == (
    "'from __gin__ import dynamic_registration' gives names that cannot be "
    'read again from config.json: decorate what is to be set with '
    '@gin.configurable, and leave that line out.'
  )
  assert code == 78


def test_missing_values_are_user_errors():
  def construct():
    with bindings.translate_gin_errors():
      Painter()

  bindings.load([], ['Painter.rate = 1.0'])
  message, code = fault(construct)
  assert message.startswith('Painter.batch_size must be given a value')
  assert code == 78
  bindings.load([], ['Painter.batch_size = 1', 'Painter.brush = @brush()'])
  message, _ = fault(construct)
  assert message.startswith('brush.width must be given a value')


def test_user_errors_lose_what_gin_appends():
  bindings.load([], ['brush.width = 1', 'brush.hair = 13'])
  with (
    pytest.raises(errors.UserError) as caught,
    bindings.translate_gin_errors(),
  ):
    brush()
  assert str(caught.value) == '13 hairs bring bad luck.'
  assert caught.value.exit_code == 65


def test_user_errors_to_which_gin_appends_nothing_keep_their_type():
  class Fault(errors.UserError):
    pass

  fault = Fault('No hair.')
  with pytest.raises(Fault) as caught, bindings.translate_gin_errors():
    raise fault
  assert caught.value is fault


def test_other_errors_pass():
  with pytest.raises(TypeError), bindings.translate_gin_errors():
    (lambda x: x)()


@pytest.mark.parametrize('name', ['walker.gin', 'walker', 'else/walker.gin'])
def test_a_task_without_its_folder_is_told_where_it_is(name):
  with pytest.raises(errors.UserError) as caught:
    bindings.load([name])
  assert str(caught.value) == (
    f'There is no gin file {name} (did you mean gin/walker.gin?).'
  )
  assert caught.value.exit_code == 66
