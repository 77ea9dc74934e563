"""The API anonymizes as a run does, and has no way to a raw value."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import api
from pipeline.cli.main import main
from pipeline.errors import EnvironmentProblem, OptOutStale, SettingsError, UsageError
from pipeline.events.decode.decoder import Decoder
from pipeline.events.model import RawBatch, Slice
from pipeline.io.state_folder import StateFolder

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CANARY = "canary"
IDENTIFYING: dict[str, Any] = {
    "event_id": f"{CANARY}-event",
    "account_id": f"{CANARY}@example.com",
    "session_id": f"{CANARY}-session",
    "ip": "203.0.113.77",
    "user_agent": f"{CANARY}/1.0",
    "feature": f"{CANARY}-feature",
    "action": f"{CANARY}-action",
    "undeclared": f"{CANARY}-undeclared",
}
ROW = {"occurred_at": "2026-11-24T09:41:07Z", **IDENTIFYING}
LINE = json.dumps({"event": "feature_use", "version": 1, **ROW}).encode()
BAD = json.dumps({"event": "feature_use", "version": 1, **ROW, "account_id": [CANARY]}).encode()


def trial(event: str | None = "feature_use", **options: Any) -> api.Anonymizer:
    return api.open_anonymizer(event, trial=True, now=lambda: NOW, **options)


def state(folder: Path, **more: str) -> api.Settings:
    return api.load_settings(flags={"state.path": str(folder), **more}, environ={})


def everything(found: api.Anonymized) -> str:
    """All that a caller can get at, as one text, with the bytes of the buffers."""
    parts = [repr(found), str(found), str(found.dropped), str(found.nulled)]
    for batch in (found.rows, found.rejected):
        parts += [str(batch.to_pylist()), str(batch.schema)]
        for column in batch.columns:
            parts += [bytes(one).decode("latin-1") for one in column.buffers() if one is not None]
    return "\n".join(parts)


def test_nothing_that_a_caller_gets_holds_a_raw_value() -> None:
    lines = [LINE, BAD, b"not json " + CANARY.encode(), LINE.replace(b"2026", b"2019")]
    with trial() as anonymizer:
        for found in (
            anonymizer.lines(lines),
            anonymizer.batch(pa.RecordBatch.from_pylist([ROW, {**ROW, "occurred_at": CANARY}])),
        ):
            assert found.rows.num_rows == 1
            assert found.read == found.rows.num_rows + found.rejected.num_rows
            told = everything(found) + repr(anonymizer) + str(anonymizer.schema)
            assert CANARY not in told
            assert "203.0.113.77" not in told
            assert "09:41" not in told


def test_lines_and_the_rows_of_a_batch_are_stored_alike() -> None:
    typed = {**ROW, "occurred_at": datetime(2026, 11, 24, 9, 41, 7), "version": 1}
    with trial() as anonymizer:
        by_line = anonymizer.lines(LINE + b"\n").rows
        by_row = anonymizer.batch(pa.RecordBatch.from_pylist([typed])).rows
        assert by_line.to_pylist() == by_row.to_pylist()
        assert by_line.schema.equals(anonymizer.schema, check_metadata=True)
        assert by_line.schema.equals(api.schemas()["feature_use"], check_metadata=True)
    assert by_line.column("event_hour").to_pylist() == [9]


def test_rows_come_in_another_order_than_lines() -> None:
    hours = [json.dumps({**json.loads(LINE), "occurred_at": f"2026-11-24T{hour:02}:00:00Z"})
             for hour in range(12)]  # fmt: skip
    with trial() as anonymizer:
        orders = {
            tuple(anonymizer.lines(line.encode() for line in hours).rows["event_hour"].to_pylist())
            for _ in range(5)
        }
    assert orders != {tuple(range(12))}
    assert {tuple(sorted(order)) for order in orders} == {tuple(range(12))}


def test_a_defect_is_told_without_the_value_that_it_met(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = Decoder.decode

    def decode(self: Decoder, source: Slice) -> RawBatch:
        if 0 in source.offsets or len(source.data) > len(LINE) + 2:
            raise RuntimeError(source.data.decode())
        return real(self, source)

    monkeypatch.setattr(Decoder, "decode", decode)
    caplog.set_level(logging.DEBUG)
    with trial() as anonymizer:
        found = anonymizer.lines([LINE, b"[]"])
        assert found.rejected["reason"].to_pylist() == ["not_object", "internal"]
        assert CANARY not in everything(found) + caplog.text
        with pytest.raises(api.TelemetryError) as failure:
            anonymizer.lines([LINE] * 2)
    assert CANARY not in "".join(traceback.format_exception(failure.value))


def test_text_that_is_not_utf8_is_told_without_it() -> None:
    places, text = pa.py_buffer(bytes([0, 0, 0, 0, 7, 0, 0, 0])), pa.py_buffer(b"jane\xff.d")
    broken = pa.Array.from_buffers(pa.string(), 1, [None, places, text])
    with trial() as anonymizer, pytest.raises(api.TelemetryError) as failure:
        anonymizer.batch(pa.RecordBatch.from_arrays([broken], ["account_id"]))
    assert "jane" not in "".join(traceback.format_exception(failure.value))


@pytest.mark.parametrize(
    "give_away", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
def test_an_anonymizer_cannot_be_given_away(give_away: Any) -> None:
    with trial() as anonymizer:
        anonymizer.lines([LINE])
        with pytest.raises(UsageError, match="pickled or copied"):
            give_away(anonymizer)


def test_tokens_are_those_of_the_state_folder(tmp_path: Path) -> None:
    def subject(folder: str) -> str:
        settings = state(tmp_path / folder)
        with api.open_anonymizer("feature_use", settings=settings, now=lambda: NOW) as anonymizer:
            return str(anonymizer.lines([LINE]).rows["subject"][0])

    assert subject("one") == subject("one") != subject("two")


def test_who_opts_out_is_dropped_from_the_next_call_on(tmp_path: Path) -> None:
    folder = str(tmp_path / "state")
    settings = state(tmp_path / "state")
    with api.open_anonymizer("feature_use", settings=settings, now=lambda: NOW) as anonymizer:
        assert anonymizer.lines([LINE]).rows.num_rows == 1
        assert main(["optout", "add", IDENTIFYING["account_id"], "--state", folder]) == 0
        found = anonymizer.lines([LINE])
        assert (found.rows.num_rows, dict(found.dropped)) == (0, {"opt_out": 1})
        StateFolder(tmp_path / "state").optouts.write_text("damage\n")
        with pytest.raises(OptOutStale):
            anonymizer.lines([LINE])


def test_without_a_state_folder_only_a_trial_is_possible() -> None:
    with pytest.raises(SettingsError):
        api.open_anonymizer("feature_use", settings=api.Settings())


def test_a_state_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    with pytest.raises(EnvironmentProblem, match="open to other accounts"):
        api.open_anonymizer("feature_use", settings=state(tmp_path / "state"))


def test_a_format_says_the_event_and_reads_lines_alone() -> None:
    line = (
        f'203.0.113.77 - {CANARY} [24/Nov/2026:09:41:07 +0000] "GET /v1/jobs HTTP/1.1" 200 5 '
        f'"-" "{CANARY}/1"'
    )
    with trial(None, format="nginx_combined") as anonymizer:
        found = anonymizer.lines(line.encode())
        assert found.rows["status"].to_pylist() == [200]
        assert CANARY not in everything(found)
        with pytest.raises(UsageError, match="raw fields"):
            anonymizer.batch(pa.RecordBatch.from_pylist([ROW]))


@pytest.mark.parametrize(
    ("event", "format_"), [(None, None), ("session", "nginx_combined"), ("sesion", None)]
)
def test_an_event_that_cannot_be_meant_is_refused(event: str | None, format_: str | None) -> None:
    with pytest.raises(UsageError):
        trial(event, format=format_)
