"""Receipts: what was destroyed, when and with what result, in lines that vouch for one another.

Each line holds the hash of the one before, so a removed, changed or reordered line breaks the
chain; a small file beside it remembers the last one, so a cut end is found too. Anybody who can
write to the folder can also write a whole new chain: keep copies of the last hash elsewhere
(`audit` prints it), and the chain cannot be replaced unnoticed either.

    {"number": n, "at": t, "kind": "erase", "body": {...}, "previous": "<hex>", "hash": "<hex>"}

A body holds counts, dates, paths and receipt numbers; tokens and ids do not belong in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from pipeline.errors import EnvironmentProblem
from pipeline.io.disk.append_log import AppendFile, Register
from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.list_marker import FileGone
from pipeline.io.disk.private import write_private
from pipeline.io.state_folder import head_of
from pipeline.parsing import parse_json

FIRST_PREVIOUS = "0" * 64


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt."""

    number: int
    at: str
    kind: str
    body: Mapping[str, object]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the chain does not hold."""

    line: int
    why: str


class Receipts:
    """The chain in a local file; writers take turns with a lock."""

    def __init__(self, path: Path, register: Register | None = None) -> None:
        self._file = AppendFile(path, register)
        self._head = path.with_name(head_of(path.name))

    def write(self, kind: str, body: Mapping[str, object], now: datetime) -> Receipt:
        """Add a receipt, durable when this returns.

        Raises EnvironmentProblem if the chain is broken already: a receipt on top of a broken
        chain would vouch for it.
        """
        where = str(self._file.path)
        with state_faults("A receipt could not be written", where), self._file.exclusive():
            broken = self.verify()
            if broken is not None:
                raise EnvironmentProblem(
                    "The chain of receipts is broken, so nothing is added to it",
                    where=f"{where}:{broken.line}",
                    why=broken.why,
                    remedy="Restore the file from its backup; `telemetry receipts verify` checks.",
                )
            chain = self.all()
            previous = chain[-1].hash if chain else FIRST_PREVIOUS
            at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            unsigned = Receipt(len(chain) + 1, at, kind, body, previous, "")
            receipt = Receipt(unsigned.number, at, kind, body, previous, _digest(unsigned))
            self._file.append([_encode(receipt)])
            write_private(self._head, f"{receipt.number} {receipt.hash}\n".encode())
        return receipt

    def all(self) -> Sequence[Receipt]:
        """Return the receipts up to the first line that cannot be read, oldest first."""
        found: list[Receipt] = []
        try:
            lines = self._lines()
        except FileGone:
            return found
        for line in lines:
            receipt = _decode(line)
            if receipt is None:
                break
            found.append(receipt)
        return found

    def verify(self) -> Broken | None:
        """Return the first place where the chain does not hold, or None if it does."""
        try:
            lines = self._lines()
        except FileGone as error:
            return Broken(1, str(error))
        previous, hashes = FIRST_PREVIOUS, [FIRST_PREVIOUS]
        for number, line in enumerate(lines, 1):
            receipt = _decode(line)
            if receipt is None:
                return Broken(number, "the line is not a receipt")
            if receipt.number != number or receipt.previous != previous:
                return Broken(number, "a line before it was removed, added or moved")
            if not _is_signed(receipt):
                return Broken(number, "the line was changed")
            previous = receipt.hash
            hashes.append(previous)
        return self._verify_head(hashes)

    def _verify_head(self, hashes: Sequence[str]) -> Broken | None:
        """Compare with the remembered last receipt; one behind is a crash between the two."""
        try:
            number, _, digest = self._head.read_text("ascii").strip().partition(" ")
        except FileNotFoundError:
            if len(hashes) <= 2:
                return None
            return Broken(len(hashes) - 1, "what remembers the last receipt is gone")
        last = int(number) if number.isdigit() else -1
        if not len(hashes) - 2 <= last < len(hashes):
            return Broken(len(hashes), "receipts at the end were removed or added by hand")
        if hashes[last] != digest:
            return Broken(max(last, 1), "the chain is not the one that was written")
        return None

    def _lines(self) -> Sequence[bytes]:
        return self._file.lines()


def _digest(receipt: Receipt) -> str:
    content = {
        "number": receipt.number,
        "at": receipt.at,
        "kind": receipt.kind,
        "body": receipt.body,
        "previous": receipt.previous,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(canonical.encode()).hexdigest()


def _is_signed(receipt: Receipt) -> bool:
    try:
        return receipt.hash == _digest(receipt)
    except (ValueError, RecursionError):
        # A body that we do not write: not a number, or nested deeper than it can be written.
        return False


def _encode(receipt: Receipt) -> str:
    return json.dumps(
        {
            "number": receipt.number,
            "at": receipt.at,
            "kind": receipt.kind,
            "body": receipt.body,
            "previous": receipt.previous,
            "hash": receipt.hash,
        },
        separators=(",", ":"),
        allow_nan=False,
    )


def _decode(line: bytes) -> Receipt | None:
    try:
        data = parse_json(line)
        receipt = Receipt(
            data["number"],
            data["at"],
            data["kind"],
            data["body"],
            data["previous"],
            data["hash"],
        )
    except (ValueError, KeyError, TypeError):
        return None
    return receipt if len(data) == 6 and isinstance(receipt.body, dict) else None
