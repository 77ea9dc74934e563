"""The state folder's files, line by line: closed keys, tokens that are tokens, words of ours.

An identifier in a list of tokens looks like an entry to any reader of the list; here it is a
finding, because it is not 32 hexadecimal digits. An operator's own words (a hold's owner and
reason) are the only free text, and even they may hold no address and no e-mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pipeline.errors import OptOutStale
from pipeline.io.keys.keystore import KEY_BYTES, PERMANENT
from pipeline.io.parquet.encryption import LABEL
from pipeline.io.rights.holds import LONGEST_TEXT
from pipeline.io.rights.request_queue import RequestKind
from pipeline.io.standings.entries import MalformedStanding
from pipeline.io.standings.snapshot import open_snapshot
from pipeline.io.state_folder import LISTS, stem_of
from pipeline.ops.rights.deadlines import Lateness
from pipeline.ops.scan.closed_json import (
    Misfit,
    Rule,
    anything,
    below,
    day,
    document,
    exactly,
    flag,
    keyed,
    moment,
    number,
    one_of,
    optional,
    pair,
    parse,
    record,
    sequence,
    text,
    whole,
)
from pipeline.ops.scan.column_values import ADDRESS
from pipeline.ops.scan.findings import Finding
from pipeline.ops.scan.places import Holds

STATE = "state_closed"
KEYS = "keys_sound"
_STATE = rb'\[[0-9]{1,15}, "[0-9a-f]{64}"\]'
"""The length of a list and the hash over its lines, in its marker."""
_TOKEN, _NUMBER, _EPOCH = "[0-9a-f]{32}", "[0-9a-f]{16}", LABEL
_PATH = (
    r"[a-z_]+=\d{4}-\d\d-\d\d/\.?(?:part|sealed|final)-[0-9a-f]{12}-[0-9a-f]{32}"
    rf"(?:\.{LABEL})?\.parquet(?:\.tmp)?"
)
_MAIL = re.compile(rf"@|{ADDRESS}")


def line_rules(events: Iterable[str]) -> Mapping[Holds, Rule]:
    """The grammar of one line of each file that only grows."""
    return {
        Holds.STANDINGS: record(
            {
                "token": text(_TOKEN),
                "intervals": sequence(pair(moment(), optional(moment()))),
                "erased": optional(moment()),
                "restricted": optional(moment()),
                "at": moment(),
            }
        ),
        Holds.REQUESTS: record(
            {
                "request": text(_NUMBER),
                "kind": one_of([kind.value for kind in RequestKind]),
                "at": moment(),
                "account": text(f"(?:{_TOKEN})?"),
                "subjects": keyed(text(_EPOCH), text(_TOKEN)),
                "done": optional(moment()),
            },
            {"swept": optional(moment())},
        ),
        Holds.HOLDS: record(
            {
                "hold": text("[0-9a-f]{8}"),
                "first": optional(day()),
                "last": optional(day()),
                "owner": _operators_words,
                "reason": _operators_words,
                "until": day(),
                "at": moment(),
                "ended": optional(moment()),
            },
            {"accounts": sequence(text(_TOKEN))},
        ),
        Holds.RELEASES: record({"day": day(), "rho": number(), "at": moment()}),
        Holds.RECEIPTS: _receipt(sorted(events)),
    }


def _receipt(events: list[str]) -> Rule:
    """A receipt; its body depends on what it is a receipt for."""
    bodies = _receipt_bodies(events)
    whole_one = record(
        {
            "number": whole(1),
            "at": moment(),
            "kind": one_of(bodies),
            "body": anything,
            "previous": text("[0-9a-f]{64}"),
            "hash": text("[0-9a-f]{64}"),
        }
    )

    def rule(value: object) -> Iterator[Misfit]:
        yield from whole_one(value)
        body = bodies.get(value.get("kind", "")) if isinstance(value, dict) else None
        if body is not None and isinstance(value, dict) and "body" in value:
            yield from below("body", body(value["body"]))

    return rule


def _receipt_bodies(events: list[str]) -> Mapping[str, Rule]:
    """Counts, days, numbers of requests, names of tables."""
    table = _table_name(events)
    numbers = sequence(text(_NUMBER))
    rows = ("files_before", "files_after", "rows_before", "rows_removed", "rows_after")
    batch: dict[str, Rule] = {
        "requests": numbers,
        "kinds": keyed(one_of([kind.value for kind in RequestKind]), whole()),
        "oldest": moment(),
        "clocks": keyed(one_of([clock.value for clock in Lateness]), whole()),
        "second_pass": whole(),
    }
    counted = record(dict.fromkeys(rows, whole()))
    moved = record({**batch, "rows_moved": keyed(one_of(events), whole())})
    return {
        "erase": record(
            {**batch, "tables": keyed(text(table), counted), "verified": exactly(True)}
        ),
        "restrict": moved,
        "release": moved,
        "export": record({"requests": numbers, "rows": keyed(one_of(events), whole())}),
        "adopt": record(
            {
                "installation": text("[0-9a-f]{16}"),
                "before": sequence(text("[0-9a-f]{16}")),
                "tables": sequence(text(table)),
                "lists": keyed(one_of(LISTS), whole()),
            },
            {"gone": sequence(text(table))},
        ),
        "forget": record({"tombstones": whole()}),
        "expire": record(
            {
                "digest": text("[0-9a-f]{16}"),
                **dict.fromkeys(("files", "rows", "bytes"), whole()),
                "planned": record(dict.fromkeys(("files", "orphans", "rows", "bytes"), whole())),
                "resumed": flag(),
                "partitions": sequence(text(rf"{table}/\d{{4}}-\d\d-\d\d")),
                "overdue": sequence(day()),
                "keys_destroyed": sequence(text(_EPOCH)),
                "not_touched": whole(),
                "verified": exactly(True),
                "holds": sequence(text("[0-9a-f]{8}")),
            }
        ),
    }


def file_rules(events: Iterable[str]) -> Mapping[Holds, Rule]:
    """The grammar of each file that is one JSON document."""
    table = _table_name(sorted(events))
    doomed = record(
        {
            "table": text(table),
            "path": text(_PATH),
            "day": day(),
            "size": whole(),
            "rows": whole(),
            "named": flag(),
        }
    )
    epoch = record(
        {"last_day": day(), "created": moment(), "destroyed": optional(moment())},
        {"encrypts": flag()},
    )
    return {
        Holds.KEY_INDEX: record(
            {
                "epochs": keyed(text(_EPOCH), epoch),
                "permanent": keyed(one_of(PERMANENT), moment()),
            },
            {
                "installation": optional(text("[0-9a-f]{16}")),
                "lists": keyed(one_of([stem_of(name) for name in LISTS]), moment()),
            },
        ),
        Holds.EXPIRY: record(
            {
                "files": sequence(doomed),
                "keys": sequence(text(_EPOCH)),
                "rows_in_lake": whole(),
                "held": sequence(record({"day": day(), "hold": text("[0-9a-f]{8}")})),
                "foreign": sequence(text(r"[ -~]{1,1024}")),
                "overdue": sequence(day()),
            }
        ),
        Holds.COUNTRIES_WORDS: record(
            {
                "type": text(r"[A-Za-z0-9 ._()-]{1,80}"),
                "built_on": day(),
                "credit": optional(text(r"[ -?A-~]{1,200}")),
                "sha256": text("[0-9a-f]{64}"),
                "imported_at": moment(),
            }
        ),
    }


_HINT = (
    rb'\{"app_id": "file/[0-9a-f]{16}/0", "line": "[0-9a-f]{16}", '
    rb'"beginnings": \{"[0-9]{1,5}": "[0-9a-f]{32}"(?:, "[0-9]{1,5}": "[0-9a-f]{32}"){0,8}\}, '
    rb'"name": "[0-9a-f]{16}", "end": (?:null|\[(?:[0-9]{1,19}, ){2}[0-9]{1,19}\])\}\n'
)
"""What `pipeline.io.files.claims` leaves: keyed hashes, and three numbers of an archive."""

TEXTS: Mapping[Holds, re.Pattern[bytes]] = {
    Holds.NOTHING: re.compile(rb""),
    Holds.RECEIPTS_HEAD: re.compile(rb"[1-9][0-9]{0,9} [0-9a-f]{64}\n"),
    Holds.MARKER: re.compile(
        rb'(?:\{"generation": \d{1,9}, (?:"left": (?:null|\[\d{1,20}, \d{1,20}\]), )?'
        rb'"states": \[%(one)b(?:, %(one)b)?\]\})?' % {b"one": _STATE}
    ),
    Holds.WRITER: re.compile(rb"[ -?A-~]{1,1024}"),
    # Version 0.1 recorded only the size and the position of an archive.
    Holds.CLAIM: re.compile(rb"(?:%b|[0-9]{1,19} [0-9]{1,19}\n)?" % _HINT),
}
"""The grammar of files that are not JSON."""


def scan_lines(place: str, content: bytes, rule: Rule) -> Iterator[Finding]:
    """Compare every line; one that was blanked out is empty. A torn last line counts too."""
    for at, line in enumerate(content.split(b"\n"), 1):
        if not line.strip(b" "):
            continue
        parsed = parse(line)
        where = f"{place}:{at}"
        if parsed is None:
            yield Finding((STATE,), where, "not a line of this file")
            continue
        for one in dict.fromkeys(rule(parsed[0])):
            yield Finding((STATE,), f"{where}, {one.path}", one.reason)


def scan_snapshot(place: str, path: Path) -> Iterator[Finding]:
    """Find a snapshot of the opt-out list that is not whole: it may hold anything.

    One that is whole holds tokens and numbers, and lines that were entries of the list.
    Raises OSError if it cannot be read.
    """
    snapshot = open_snapshot(path)
    if snapshot is None:
        if path.exists():
            yield Finding((STATE,), place, "not a whole snapshot of the list")
        return
    try:
        for _ in snapshot.standings.unusual():
            pass
    except (MalformedStanding, OptOutStale):
        yield Finding((STATE,), place, "a line of it is not an entry of the list")


def scan_document(place: str, content: bytes, rule: Rule) -> Iterator[Finding]:
    """Compare a file that is one JSON document."""
    for one in dict.fromkeys(document(rule)(content)):
        yield Finding((STATE,), f"{place}, {one.path}", one.reason)


def scan_text(place: str, content: bytes, holds: Holds) -> Iterator[Finding]:
    """Compare a small file that is not JSON: a lock, a marker, a key."""
    if holds is Holds.KEY:
        if len(content) != KEY_BYTES:
            yield Finding((KEYS, STATE), place, "a key is not 32 bytes long")
    elif not TEXTS[holds].fullmatch(content):
        yield Finding((STATE,), place, "not what this file may hold")


def _operators_words(value: object) -> Iterator[Misfit]:
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_TEXT:
        yield Misfit("", "not a text of the length that is allowed")
    elif _MAIL.search(value):
        yield Misfit("", "an address or an e-mail in an operator's words")


def _table_name(events: list[str]) -> str:
    return rf"(?:(?:events|restricted)/(?:{'|'.join(map(re.escape, events))})|rejections)"
