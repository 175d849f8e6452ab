"""Calls a command in this process."""

import sys

import gin
import pytest


def of(main, monkeypatch, capsys):
  """Returns what calls `main` with words, and tells code, output and error."""

  def run(*arguments):
    words = ['__main__.py', *map(str, arguments)]
    monkeypatch.setattr(sys, 'argv', words)
    with pytest.raises(SystemExit) as caught:
      main()
    gin.clear_config()
    return (caught.value.code, *capsys.readouterr())

  return run
