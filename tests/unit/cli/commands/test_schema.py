"""`telemetry schema`: what is stored and why, of a schema and of one event."""

from __future__ import annotations

import json

from pipeline.cli.commands.schema import ENGINES
from pipeline.io.package_data import load_schemas, packaged_formats
from tests.unit.cli.commands.tiny import Tiny


def declared() -> set[str]:
    return {field.name for field in load_schemas()["api_request"][-1].fields}


def test_every_event_and_every_format_is_listed(tiny: Tiny) -> None:
    events = tiny.call("schema", "list")["events"]
    newest = {event: versions[-1].version for event, versions in load_schemas().items()}
    assert {one["event"]: one["version"] for one in events} == newest
    formats = tiny.call("schema", "formats")["formats"]
    assert [one["format"] for one in formats] == list(packaged_formats())


def test_an_event_is_explained_without_what_came_in(tiny: Tiny) -> None:
    line = (tiny.folder / "in.ndjson").read_text("utf-8").splitlines()[0]
    message = {**json.loads(line), "account_id": tiny.account}
    known = len(declared() & message.keys())
    message["canary_field"] = "canary"
    file = tiny.folder / "one.json"
    file.write_text(json.dumps(message) + "\n")
    out, _ = tiny.say("schema", "explain", "api_request", str(file), "--json")
    found = json.loads(out)
    assert (found["refused"], found["undeclared_fields"]) == (None, len(message) - known)
    assert "canary" not in out
    (account,) = (one for one in found["fields"] if one["field"] == "account_id")
    assert len(account["stored"]["subject"]) == 32


def test_an_event_that_would_be_refused_is_told_so(tiny: Tiny) -> None:
    file = tiny.folder / "one.json"
    file.write_text('{"event": "api_request"}\n')
    out, _ = tiny.say("schema", "explain", "api_request", str(file))
    assert "Nothing of it would be stored" in out
    file.write_text("\n")
    assert "first line is empty" in tiny.refused(
        "schema", "explain", "api_request", str(file), code=2
    )


def test_a_line_in_a_format_is_explained_and_a_refused_one_is_recognized(tiny: Tiny) -> None:
    file = tiny.folder / "access.log"
    file.write_text(
        '198.18.7.9 - canary [24/Nov/2026:11:30:00 +0000] "GET /canary HTTP/1.1" 200 5 "-" "-"\n'
    )
    for words in ([str(file)], ["api_request", str(file)]):
        out, _ = tiny.say("schema", "explain", *words, "--format", "nginx_combined", "--json")
        fields = {one["field"]: one for one in json.loads(out)["fields"]}
        assert fields["account_id"]["source"] == "remote_user"
        assert len(fields["account_id"]["stored"]["subject"]) == 32
        assert "canary" not in out
    out, _ = tiny.say("schema", "explain", "api_request", str(file))
    assert "The line looks like --format nginx_combined." in out
    out, _ = tiny.say("schema", "explain", "--format", "nginx_combined")
    assert "remote_user" in out
    tiny.refused("schema", "explain", "session", str(file), "--format", "caddy", code=2)
    tiny.refused("schema", "explain", "--envelope", "cri", code=2)


def test_every_engine_has_statements_that_name_the_lake(tiny: Tiny) -> None:
    for engine in ENGINES:
        statements = tiny.call("schema", "ddl", engine)["statements"]
        assert "api_request" in statements
        assert str(tiny.lake) in statements


def test_the_dictionary_comes_as_markdown_and_as_one_page(tiny: Tiny) -> None:
    told = tiny.say("schema", "dictionary")[0]
    assert told.startswith("# Data dictionary\n\nMade by `telemetry schema")
    told = tiny.say("schema", "dictionary", "--format", "html")[0]
    assert told.startswith("<!doctype html>")
