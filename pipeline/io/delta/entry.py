"""One entry of a Delta log as its bytes: what it says, and whether it is whole.

delta-rs writes an entry as lines of JSON, the commit's information first and positions last, and
reads an entry that was cut between two lines as if that were all: files without their position,
or nothing at all. So an entry of ours says how many lines it has. It also says up to which version
its writer knew the log to be on the disk: a torn entry before that was not torn by a power cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.parsing import parse_json

METADATA_KEY = "telemetry"
"""Where in a commit's information the account of its messages is kept."""
MARK, LINES, DURABLE = "commit", "lines", "durable"
"""Our words in it: a commit's random name, its number of lines, the last version known durable."""


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """An entry as readers see it; `account` is empty for commits that are not a slice's."""

    version: int
    at_ms: int
    operation: str
    account: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A whole entry."""

    mark: str | None
    """The random name of our commit; None for an entry of version 0.1 or of another program."""
    added: frozenset[str]
    removed: frozenset[str]
    positions: Mapping[str, int]
    durable: int
    """The newest version that was durable before this one was written; -1 if it does not say."""
    changes_table: bool = False
    """Whether it says something about the table itself: its columns, properties or protocol."""


def parse_entry(content: bytes) -> Entry | None:
    """Return what an entry says; None if it is not whole.

    >>> parse_entry(b"") is None
    True
    """
    try:
        lines = [parse_json(line) for line in content.splitlines() if line.strip()]
    except ValueError:
        return None
    if not lines or not all(isinstance(line, dict) for line in lines):
        return None
    said: dict[str, list[Any]] = {}
    for line in lines:
        for kind, value in line.items():
            said.setdefault(kind, []).append(value)
    info: Mapping[str, Any] = next(iter(said.get("commitInfo", ())), {})
    told = info.get(METADATA_KEY)
    account: Mapping[str, Any] = told if isinstance(told, dict) else {}
    positions = {txn["appId"]: txn["version"] for txn in said.get("txn", ())}
    if not _is_whole(info, account, said, positions, len(lines)):
        return None
    return Entry(
        account.get(MARK),
        frozenset(add["path"] for add in said.get("add", ())),
        frozenset(remove["path"] for remove in said.get("remove", ())),
        positions,
        account.get(DURABLE, -1),
        bool({"metaData", "protocol"} & said.keys()),
    )


def without_our_words(account: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a commit was told to record, without what we add to it."""
    return {name: value for name, value in account.items() if name not in (MARK, LINES, DURABLE)}


def _is_whole(
    info: Mapping[str, Any],
    account: Mapping[str, Any],
    said: Mapping[str, list[Any]],
    positions: Mapping[str, int],
    lines: int,
) -> bool:
    if LINES in account:
        return bool(account[LINES] == lines)
    # Version 0.1 did not count lines: the last ones, positions, are known from its account.
    if "start" in account and positions.get(account["app_id"]) != account["stop"]:
        return False
    operation = str(info.get("operation", ""))
    if operation == "CREATE TABLE":
        return {"protocol", "metaData"} <= said.keys()
    return bool(said.keys() - {"commitInfo"}) or operation.startswith("VACUUM")
