"""Compare a tree with the grammar of its places: names, kinds and modes of everything in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.io.tree import EntryKind, Tree, TreeEntry
from pipeline.ops.scan.findings import Finding, masked
from pipeline.ops.scan.places import Grammar, Holds, PlaceMatch

PLACES, MODES, ORPHANS = "known_places", "state_private", "no_orphans"
GATED = "aggregates_gated"
PRIVATE_ROOT = "state"


@dataclass(slots=True)
class Walked:
    """The contents of a root: what has a place, and what was found to have none."""

    root: str
    matches: list[PlaceMatch] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def of(self, *holds: Holds) -> Iterator[PlaceMatch]:
        """The entries that hold one of these."""
        return (match for match in self.matches if match.place.holds in holds)


def walk(root: str, tree: Tree, grammar: Grammar) -> Walked:
    """Match everything below `tree` with `grammar`; `root` is its name in findings."""
    done = Walked(root)
    foreign: list[str] = []
    for entry in tree.entries():
        match = grammar.match(entry)
        if match is None:
            # Nothing in a folder without a place has one either: one finding is enough.
            if not any(entry.path.startswith(f"{folder}/") for folder in foreign):
                done.findings.append(_nameless(root, entry))
            if entry.kind is EntryKind.FOLDER:
                foreign.append(entry.path)
            continue
        findings = list(_compared(root, match))
        done.findings += findings
        if entry.kind is match.place.kind:
            done.matches.append(match)
    return done


def still_there(walked: Walked, tree: Tree, holds: Sequence[Holds]) -> Iterator[Finding]:
    """Find files that exist only while they are written, but still exist at the end."""
    for match in walked.of(*holds):
        if tree.exists(match.entry.path):
            place = f"{walked.root}/{match.entry.path}"
            yield Finding((PLACES,), place, "left behind by a write that was never finished")


def _nameless(root: str, entry: TreeEntry) -> Finding:
    inside = entry.path.split("/")
    checks = [PLACES]
    if root == "lake" and inside[0] in ("events", "restricted", "rejections") and inside[1:]:
        checks.append(ORPHANS)
    if root == "lake" and inside[0] == "rollups":
        checks.append(GATED)
    reason = f"a {entry.kind} that no rule names"
    return Finding(tuple(checks), f"{root}/{masked(entry.path)}", reason)


def _compared(root: str, match: PlaceMatch) -> Iterator[Finding]:
    entry, place = match.entry, match.place
    where = f"{root}/{entry.path}".rstrip("/")
    if entry.kind is not place.kind:
        yield Finding((PLACES,), where, f"a {entry.kind} where a {place.kind} belongs")
        return
    if entry.mode is not None and entry.mode & place.forbidden:
        yield Finding((MODES,), where, f"open to others: mode {entry.mode:o}")
    if root == PRIVATE_ROOT and not entry.owned:
        yield Finding((MODES,), where, "belongs to another account")
