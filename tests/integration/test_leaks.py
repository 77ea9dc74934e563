"""Canaries in every raw field, in key names and in broken messages: none comes out anywhere.

One run as an operator has it (logs at their most detailed, metrics served, an opt-out made while
it runs, a process killed in the middle), then every byte that was written is searched in every
encoding: lake, log, rejections, state folder, temporary files, standard output and error, metrics.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.events.schema import EventSchema, FieldType
from pipeline.io.folder_bytes import Content, read_contents
from pipeline.io.package_data import load_schemas
from pipeline.ops.audit.identifier_search import search
from tests.integration.runs import NOW
from tests.integration.services.ports import free_port
from tests.waiting import wait_for

TIME = "2026-11-24T11:00:00Z"
ACCOUNT = "acct_canary_of_an_opt_out"
TEXTS = (FieldType.STRING, FieldType.IDENTIFIER, FieldType.LIST, FieldType.SIGNAL)


@dataclass(frozen=True)
class Planted:
    """Messages, and the canaries in them."""

    lines: list[bytes]
    canaries: list[str]


def plant(schema: EventSchema) -> Planted:
    """Make messages with a canary of its own in each field, as a value that the field may hold
    and as one that it may not, and in everything that is not a field."""
    lines: list[str] = []
    canaries: list[str] = []

    def message(**changes: object) -> dict[str, object]:
        number = len(lines)
        fixed = {"event": schema.event, "version": 1, "event_id": f"plain-{number}"}
        more = {"session_id": f"session-{number}", schema.time_field: TIME, "account_id": "someone"}
        return {**fixed, **more, **changes}

    def canary(name: str) -> str:
        text = f"canary.{schema.event}.{name}.{len(canaries)}@example.com"
        canaries.append(text)
        return text

    for field in schema.fields:
        text = canary(field.name)
        lines.append(json.dumps(message(**{field.name: text})))
        lines.append(json.dumps(message(**{field.name: [text]})))
        lines.append(json.dumps(message(**{field.name: {canary(field.name): 1}})))
        if field.type in TEXTS:
            lines.append(json.dumps(message(**{field.name: f'"{canary(field.name)}\\ü'})))
            lines.append(json.dumps(message(**{field.name: canary(field.name) + "x" * 3000})))
    lines += [
        json.dumps(message(**{canary("key"): 1})),
        json.dumps(message(**{canary("nested"): {canary("nested"): [canary("nested")]}})),
        json.dumps(message(undeclared=canary("undeclared"))),
        json.dumps(message(user_agent=f"{canary('agent')}/9.9 Bot", path=f"/v1/{canary('path')}")),
        json.dumps(message(path="/v1/streams/" + canary("segment"))),
        json.dumps(message(path="/v1/streams?" + canary("query"))),
        json.dumps(message(client_ip=f"fe80::1%{canary('zone')}")),
        json.dumps(message(referrer=f"https://{canary('host')}/{canary('path')}")),
        json.dumps(message(message=f"'{canary('message')}' is not a number")),
        json.dumps(message(error_message=f"no user {canary('message')}")),
        json.dumps(message(forwarded_for=f"198.18.1.1, {canary('hop')}")),
        json.dumps(message(account_id=ACCOUNT)),
        json.dumps(message(**{schema.time_field: "2020-01-01T00:00:00Z"}, plan=canary("old"))),
        json.dumps(message(gpc="1", account_id=canary("signal"))),
        f'{{"{canary("broken")}": ',
        canary("text"),
        json.dumps(canary("string")),
        json.dumps([canary("array")]),
        f'{{"account_id": "{canary("twice")}", "account_id": "{canary("twice")}"}}',
        json.dumps(message(padding=canary("large") + "x" * 70_000)),
        json.dumps(message()) + canary("trailing"),
        json.dumps(message(**{canary(f"many{index}"): index for index in range(110)})),
    ]
    for number in (1, 254):
        address = f"198.19.254.{number}"
        canaries.append(address)
        lines.append(json.dumps(message(client_ip=address)))
    canaries.append("2001:db8:fa1c:4e50::7421")
    lines.append(json.dumps(message(client_ip=canaries[-1])))
    encoded = [line.encode() for line in lines]
    encoded.append(b"\xff\xfe" + canary("latin").encode())
    encoded.append(canary("wide").encode("utf-16-le").replace(b"\n", b" "))
    return Planted(encoded, canaries)


@dataclass(frozen=True)
class Place:
    """Everything that a run has written, below one folder."""

    out: Path
    canaries: list[str]


def settings(folder: Path, events: list[str]) -> str:
    parts = [
        f"[lake]\npath = '{folder / 'out' / 'lake'}'\n[state]\npath = '{folder / 'out' / 'state'}'",
        "[flush]\nbytes = '1MiB'\ninterval = '200ms'",
        "[privacy]\npublic_ranges = ['198.18.0.0/15', '2001:db8::/32']",
        *(f"[sources.{event}]\nevent = '{event}'\nfiles = ['in/{event}']" for event in events),
    ]
    return "\n".join(parts)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("canaries")
    planted = {event: plant(versions[-1]) for event, versions in load_schemas().items()}
    out = folder / "out"
    (out / "tmp").mkdir(parents=True)
    for event, planting in planted.items():
        (folder / "in" / event).mkdir(parents=True)
        content = b"\n".join(planting.lines) + b"\n"
        (folder / "in" / event / "first.ndjson").write_bytes(content)
    (folder / "telemetry.toml").write_text(settings(folder, list(planted)))
    port = free_port()
    with (out / "log").open("wb") as log:

        def start(*words: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [*(sys.executable, "-m", "pipeline.cli"), *words, "--now", NOW.isoformat()],
                cwd=folder,
                env={**os.environ, "TMPDIR": str(out / "tmp"), "PYTHONPATH": str(Path.cwd())},
                stdout=log,
                stderr=log,
            )

        config = ("--config", "telemetry.toml")
        first = start("run", *config, "-vv", "--metrics-port", str(port))
        rejections = out / "lake" / "rejections" / "_delta_log"
        wait_for(lambda: len(list(rejections.glob("*.json"))) >= 3)
        assert start("optout", "add", ACCOUNT, *config).wait(60) == 0
        for event, planting in planted.items():
            content = b"\n".join(planting.lines) + b"\n"
            (folder / "in" / event / "second.ndjson").write_bytes(b"\n" + content)
        wait_for(lambda: len(list(rejections.glob("*.json"))) >= 7)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            (out / "metrics").write_bytes(answer.read())
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert start("run", *config, "-vv", "--once").wait(60) == 0
        for words in (("status",), ("status", "--json"), ("optout", "check", "somebody")):
            assert start(*words, *config).wait(60) in (0, 1)
    canaries = [ACCOUNT, *(text for planting in planted.values() for text in planting.canaries)]
    yield Place(out, canaries)


def test_no_canary_is_in_anything_that_was_written(place: Place) -> None:
    found = search(read_contents(place.out), place.canaries)
    assert found.leaks == ()
    assert found.files > 50


def test_the_search_covers_every_kind_of_output(place: Place) -> None:
    places = {content.place for content in read_contents(place.out)}
    for part in ("api_request/event_date", "_delta_log", "rejections/ingest_date", "state/keys"):
        assert any(part in name for name in places), part
    log = (place.out / "log").read_text()
    assert "DEBUG" in log
    assert "telemetry_rejected_total" in (place.out / "metrics").read_text()


def test_one_canary_in_the_log_would_be_found(place: Place) -> None:
    data = (place.out / "log").read_bytes() + place.canaries[7].upper().encode()
    found = search([Content("log", data, True)], place.canaries)
    assert {leak.canary for leak in found.leaks} == {7}
