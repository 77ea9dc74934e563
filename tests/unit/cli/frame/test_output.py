"""What is printed where: tables, JSON, progress, quiet, colour."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipeline.cli.frame import output
from pipeline.cli.frame.output import Output


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def plain_output(**options: Any) -> tuple[Output, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Output(out=out, err=err, **options), out, err


def test_a_table_is_aligned_text_with_numbers_to_the_right() -> None:
    told, out, _ = plain_output()
    told.table(
        ["route", "count", "p95", "day", "ok"],
        [["/a", 1234, 5.0, date(2026, 1, 2), True], ["/long", 7, 1.25, None, False]],
        title="Routes",
    )
    assert out.getvalue() == (
        "Routes\n"
        "route  count   p95  day         ok\n"
        "-----  -----  ----  ----------  ---\n"
        "/a     1,234  5.00  2026-01-02  yes\n"
        "/long      7  1.25  -           no\n"
    )


@pytest.mark.parametrize(
    ("column", "decimals"),
    [([1.0, 2.0], 0), ([1.5, 2.0], 1), ([1.25], 2), ([0.123456], 2), ([None, "a"], 0)],
)
def test_a_column_has_as_many_decimals_as_it_needs(
    column: list[output.Cell], decimals: int
) -> None:
    assert output.decimals_of(column) == decimals


def test_an_empty_table_has_its_header() -> None:
    told, out, _ = plain_output()
    told.table(["a", "b"], [])
    assert out.getvalue() == "a  b\n-  -\n"


def test_with_json_only_the_document_is_printed() -> None:
    told, out, err = plain_output(json=True)
    document = {
        "at": datetime(2026, 1, 2, 3, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "span": timedelta(seconds=90),
        "text": "é",
    }
    told.result(document, lambda: told.line("for people"))
    assert json.loads(out.getvalue()) == {
        "at": "2026-01-02T03:00:00Z",
        "day": "2026-01-02",
        "span": 90.0,
        "text": "é",
    }
    assert out.getvalue().count("\n") == 1
    assert err.getvalue() == ""


def test_messages_go_to_standard_error_and_quiet_silences_them() -> None:
    told, out, err = plain_output()
    told.say("message")
    told.detail("detail")
    told.warn("careful")
    assert (out.getvalue(), err.getvalue()) == ("", "message\nwarning: careful\n")
    quiet, out, err = plain_output(quiet=True)
    quiet.say("message")
    quiet.warn("careful")
    assert (out.getvalue(), err.getvalue()) == ("", "warning: careful\n")


def test_progress_in_a_log_is_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.0, 1.0, 10.0, 12.0, 20.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    told, out, err = plain_output()
    with told.progress("events", 500) as advance:
        for step in (100, 100, 100, 100):
            advance(step)
    assert err.getvalue() == "events: 200 of 500, 20/s\nevents: 400 of 500, 20/s\n"
    assert out.getvalue() == ""


@pytest.mark.parametrize("option", ["quiet", "json"])
def test_progress_is_silent_where_it_would_disturb(option: str) -> None:
    told, out, err = plain_output(**{option: True})
    with told.progress("events", 10) as advance:
        advance(10)
    assert out.getvalue() + err.getvalue() == ""


def test_on_a_terminal_progress_is_a_bar_or_a_running_count() -> None:
    out, err = io.StringIO(), Terminal()
    told = Output(out=out, err=err)
    with told.progress("events", 10) as advance:
        advance(10)
    assert "100%" in err.getvalue()
    err.truncate(0)
    with told.progress("events") as advance:
        advance(10)
    assert err.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize("color", [True, False])
def test_colour_is_for_terminals_that_want_it(color: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "wants_color", lambda: color)
    err = Terminal()
    Output(out=io.StringIO(), err=err).warn("careful")
    assert ("\x1b[" in err.getvalue()) is color


def test_long_paragraphs_are_wrapped() -> None:
    told, out, _ = plain_output()
    told.paragraph("word " * 50)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[1].startswith("  word")


def test_a_terminal_gets_a_ruled_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda _stream: True)
    monkeypatch.setattr(output, "wants_color", lambda: False)
    Output().table(["a"], [["[bold]x[/]"]])
    shown = capsys.readouterr().out
    assert "┃" in shown or "|" in shown
    assert "[bold]x[/]" in shown
