"""Imports behind the screen: they give way to keys, and only they do."""

import importlib
import sys
import threading
import time

import pytest

from nexconsole.sources import importing
from nexconsole.sources.importing import Courtesy


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module that nobody has imported yet."""
    (tmp_path / "never_imported_before.py").write_text("done = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "never_imported_before"
    sys.modules.pop("never_imported_before", None)


def behind(courtesy: Courtesy, work) -> threading.Thread:
    """A thread that does this politely; returns when it has begun."""
    begun = threading.Event()

    def both() -> None:
        begun.set()
        work()

    thread = threading.Thread(target=courtesy.run, args=(both,), daemon=True)
    thread.start()
    assert begun.wait(5)
    return thread


def test_an_import_waits_until_the_key_is_answered(module, monkeypatch):
    monkeypatch.setattr(importing, "KEY_S", 0.3)
    courtesy, pressed, took = Courtesy(), threading.Event(), []

    def work() -> None:
        assert pressed.wait(5)
        began = time.monotonic()
        importlib.import_module(module)
        took.append(time.monotonic() - began)

    thread = behind(courtesy, work)
    courtesy.key()
    pressed.set()
    thread.join(5)
    assert 0.2 < took[0] < 2


def test_somebody_who_types_without_rest_gets_the_imports_nevertheless(module, monkeypatch):
    monkeypatch.setattr(importing, "KEY_S", 60.0)
    courtesy, pressed = Courtesy(), threading.Event()
    courtesy._left_s = 0.05

    def work() -> None:
        assert pressed.wait(5)
        importlib.import_module(module)

    thread = behind(courtesy, work)
    courtesy.key()
    pressed.set()
    thread.join(10)
    assert not thread.is_alive() and module in sys.modules


def test_nobody_else_waits(module, monkeypatch):
    monkeypatch.setattr(importing, "KEY_S", 60.0)
    courtesy, end = Courtesy(), threading.Event()
    thread = behind(courtesy, lambda: end.wait(5))
    courtesy.key()
    began = time.monotonic()
    importlib.import_module(module)
    assert time.monotonic() - began < 5
    end.set()
    thread.join(5)


def test_nothing_of_it_is_left_when_the_imports_are_done_or_have_failed():
    courtesy = Courtesy()
    with pytest.raises(ModuleNotFoundError):
        courtesy.run(lambda: importlib.import_module("no_such_module_anywhere"))
    assert courtesy not in sys.meta_path
