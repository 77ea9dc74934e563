"""Commands that only read, while another job replaces the files that they read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.ops import views
from pipeline.ops.recomputed import figures
from pipeline.ops.rollup import run
from tests.unit.cli.commands.tiny import Tiny

COUNT = "SELECT count(*)::INT AS n FROM api_request"


def seal_once(tiny: Tiny, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[str]:
    """Let a seal replace every file before or after the first call of a function."""
    done: list[str] = []
    original = getattr(module, name)

    def raced(*args: Any, **options: Any) -> Any:
        result = original(*args, **options)
        if not done:
            done.append("sealed")
            assert tiny.call("seal")["days"]
        return result

    monkeypatch.setattr(module, name, raced)
    return done


def test_a_query_is_asked_again_of_the_files_that_replaced_its_own(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = seal_once(tiny, monkeypatch, views, "open_views")
    assert tiny.call("sql", COUNT) == [{"n": 1500}]
    assert done


@pytest.mark.parametrize(
    ("module", "name", "command"),
    [(run, "load", ("rollup",)), (figures, "parts_of", ("audit",))],
)
def test_what_computes_figures_goes_by_a_newer_snapshot(
    tiny: Tiny,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    command: tuple[str, ...],
) -> None:
    if command == ("audit",):
        tiny.say("rollup")
    done = seal_once(tiny, monkeypatch, module, name)
    assert tiny.call(*command)
    assert done


def test_a_mistake_in_a_query_is_told_at_once(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Callable[..., Any]] = []
    original = views.open_views

    def counted(*args: Any, **options: Any) -> Any:
        asked.append(original)
        return original(*args, **options)

    monkeypatch.setattr(views, "open_views", counted)
    tiny.refused("sql", "SELECT nothing FROM api_request", code=2)
    assert len(asked) == 1
