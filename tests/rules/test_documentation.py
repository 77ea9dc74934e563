"""The documents agree with the code: links, error pages, reasons, words, metrics."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.errors import TelemetryError
from pipeline.events.model import Drop, Reason, Stage
from pipeline.io.state_folder import TOP_FOLDERS, TOP_NAMES
from pipeline.metrics import DECLARED
from pipeline.ops.scan.places import LAKE
from tests.rules.sources import ROOT

DOCS = ROOT / "docs"
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")

WORDS = """
    event, field, schema, message, coordinates, batch, raw, clean, sensitivity, treatment,
    keep, drop, pseudonymize, truncate, floor, bucket, generalize, key epoch, identifier domain,
    reject, rejection, reason, source, sink, port, event time, position, slice, shard, lake,
    dataset, partition, part file, retention, expire, erase, erasure request, receipt,
    rollup, release, minimum group size, suppress, opt-out, signal, tombstone
"""


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def prose(path: Path) -> str:
    """A document without its code blocks."""
    return re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.M | re.S)


def anchors(path: Path) -> set[str]:
    """The anchors that a reader's browser makes of a document's headings."""
    found = set()
    for heading in re.findall(r"^#{1,6} (.+?)\s*$", prose(path), re.M):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-"))
    return found


def errors(kind: type[TelemetryError] = TelemetryError) -> set[type[TelemetryError]]:
    return {kind}.union(*(errors(child) for child in kind.__subclasses__()))


def test_every_link_leads_somewhere() -> None:
    broken = []
    for document in documents():
        for match in LINK.finditer(prose(document)):
            target = match[1] or match[2]
            if target.startswith(("http://", "https://", "mailto:")):
                continue
            file, _, anchor = target.partition("#")
            place = (document.parent / file).resolve() if file else document
            if not place.exists() or (anchor and anchor not in anchors(place)):
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_error_has_its_section_of_troubleshooting_and_no_section_is_left_over() -> None:
    text = (DOCS / "troubleshooting.md").read_text("utf-8").partition("\n## Errors\n")[2]
    assert sorted(re.findall("^### (.*)$", text, re.M)) == sorted({kind.page for kind in errors()})


def test_every_reason_and_drop_is_explained() -> None:
    text = (DOCS / "privacy.md").read_text("utf-8")
    closed = [*Reason, *Drop, *Stage]
    missing = [one.value for one in closed if f"`{one.value}`" not in text]
    assert missing == []


def test_every_place_of_lake_and_state_is_listed() -> None:
    """P18 promises that nothing lies anywhere else, so the table and the grammar are the same."""
    privacy = (DOCS / "privacy.md").read_text("utf-8")
    table = privacy[privacy.index("## Where data goes") :]
    rows = [one for row in re.findall(r"^\| (.*?) \|", table, re.M) for one in row.split(", ")]
    listed = {row.strip("`") for row in rows if row.startswith("`<")}
    state = {f"{name}/" if name in TOP_FOLDERS else name for name in TOP_NAMES}
    assert listed == {place.told for place in LAKE} | {f"<state>/{name}" for name in state}
    assert "the dashboard's folder" in rows
    manual = (DOCS / "operations.md").read_text("utf-8")
    files = {name for row in re.findall(r"^\| (`.*?) \|", manual, re.M) for name in row.split("`")}
    assert state - files == set()


def test_every_metric_is_explained() -> None:
    text = (DOCS / "operations.md").read_text("utf-8")
    assert [m.exported for m in DECLARED if f"`{m.exported}`" not in text] == []


def test_the_glossary_defines_every_word_once() -> None:
    defined = re.findall(r"^\*\*(.+?)\*\*", (DOCS / "glossary.md").read_text("utf-8"), re.M)
    words = [word.strip() for word in WORDS.split(",")]
    assert [word for word in words if word not in defined] == []
    assert sorted(defined) == sorted(set(defined))


def test_every_document_is_reachable_from_the_index() -> None:
    index = (DOCS / "index.md").read_text("utf-8")
    missing = [
        str(path.relative_to(DOCS))
        for path in sorted(DOCS.rglob("*.md"))
        if path.name != "index.md" and f"({path.relative_to(DOCS)})" not in index
    ]
    assert missing == []


def test_every_decision_says_context_decision_and_consequences() -> None:
    incomplete = [
        path.name
        for path in sorted((DOCS / "decisions").glob("*.md"))
        for heading in ("## Context", "## Decision", "## Consequences")
        if heading not in path.read_text("utf-8")
    ]
    assert incomplete == []
