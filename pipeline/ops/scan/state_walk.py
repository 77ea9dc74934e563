"""The whole state folder: every name, mode, file and line; and whether keys and index agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.io.disk.spill import living_jobs
from pipeline.io.keys.keystore import data_name
from pipeline.io.state_folder import KEYS as KEY_FOLDER
from pipeline.io.state_folder import SPILL
from pipeline.io.tree import LocalTree
from pipeline.ops.scan.closed_json import parse
from pipeline.ops.scan.findings import Finding, Scanned, merged
from pipeline.ops.scan.parquet_scan import READABLE
from pipeline.ops.scan.places import Holds, Known, PlaceMatch, StateGrammar
from pipeline.ops.scan.state_scan import (
    KEYS,
    STATE,
    TEXTS,
    file_rules,
    line_rules,
    scan_document,
    scan_lines,
    scan_snapshot,
    scan_text,
)
from pipeline.ops.scan.table_scan import FAULTS
from pipeline.ops.scan.walk import PLACES, still_there, walk


def scan_state(folder: Path, known: Known, *, keys_elsewhere: bool = False) -> Scanned:
    """Scan everything below the state folder.

    `keys_elsewhere`: keys are in a secret manager, so key files here outlive what it destroys.
    """
    tree = LocalTree(folder)
    walked = walk("state", tree, StateGrammar())
    findings = list(walked.findings)
    lines, documents = line_rules(known.events), file_rules(known.events)
    held: dict[str, bytes] = {}
    files = 0
    for match in walked.matches:
        holds, place = match.place.holds, f"state/{match.entry.path}"
        if keys_elsewhere and match.entry.path.partition("/")[0] == KEY_FOLDER:
            findings.append(Finding((PLACES, KEYS), place, "keys belong in the secret manager"))
        if holds is Holds.SNAPSHOT:
            try:
                findings += scan_snapshot(place, folder / match.entry.path)
            except OSError:
                findings.append(Finding((READABLE, STATE), place, "it cannot be read"))
            files += 1
            continue
        if holds not in lines and holds not in documents and holds not in (Holds.KEY, *TEXTS):
            continue
        try:
            with tree.open(match.entry.path) as source:
                content = source.read()
        except FileNotFoundError:
            continue
        except FAULTS:
            findings.append(Finding((READABLE, STATE), place, "it cannot be read"))
            continue
        files += 1
        if holds in lines:
            findings += scan_lines(place, content, lines[holds])
        elif holds in documents:
            findings += scan_document(place, content, documents[holds])
            held[match.entry.path] = content
        else:
            findings += scan_text(place, content, holds)
    findings += _keys_listed(held.get("keys/index.json"), list(walked.of(Holds.KEY)))
    findings += still_there(walked, tree, [Holds.PASSING])
    alive = living_jobs(folder / SPILL)
    findings += [
        Finding((PLACES,), f"state/{match.entry.path}", "rows that a killed job left behind")
        for match in walked.of(Holds.SPILLED)
        if match.entry.path.split("/")[1].removesuffix(".lock") not in alive
        and tree.exists(match.entry.path)
    ]
    return merged([Scanned(files=files, findings=tuple(findings))])


def _keys_listed(index: bytes | None, keys: list[PlaceMatch]) -> Iterator[Finding]:
    """Find key files that the index does not list as live: copies that nothing destroys."""
    parsed = parse(index) if index is not None else None
    document = parsed[0] if parsed else None
    if not isinstance(document, dict) or not isinstance(document.get("epochs"), dict):
        if keys:
            yield Finding((KEYS,), "state/keys", "keys without an index that can be read")
        return
    live = {f"{name}.key" for name in document.get("permanent", {})}
    for epoch, said in document["epochs"].items():
        if isinstance(said, dict) and said.get("destroyed") is None:
            live |= {f"epoch-{epoch}.key"} | (
                {f"{data_name(epoch)}.key"} if said.get("encrypts") else set()
            )
    for match in keys:
        if match.entry.path.rpartition("/")[2] not in live:
            place = f"state/{match.entry.path}"
            yield Finding((KEYS, PLACES), place, "a key that the index does not list as live")
