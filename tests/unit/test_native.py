"""The switch between kernel and Python."""

from __future__ import annotations

import sys

import pytest

from pipeline import native
from tests.both_ways import use


def test_the_kernel_is_found_where_it_was_built(monkeypatch: pytest.MonkeyPatch) -> None:
    use("kernel", monkeypatch)
    assert native.kernel() is not None
    assert native.running().startswith("native kernel ")


@pytest.mark.parametrize("word", ["off", "OFF", " off "])
def test_it_is_left_alone_where_it_is_switched_off(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.SWITCH, word)
    assert native.kernel() is None
    assert native.is_switched_off()


def test_without_it_python_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.SWITCH, "")
    monkeypatch.setitem(sys.modules, "pipeline.kernel", None)
    assert native.kernel() is None
    assert not native.is_switched_off()
    assert native.running() == "Python (the native kernel is not built)"
