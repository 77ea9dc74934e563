"""The dashboard's folder: only its files, each exactly as the publications produce it.

The page is deterministic, so it is rebuilt, as of the time that it names itself, and compared
byte by byte: a row, a token or somebody's note in it is a difference. A page that is older than
the publications cannot be compared; then nothing is proven about it, and the scan says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from pipeline.errors import TelemetryError
from pipeline.io.tree import LocalTree
from pipeline.ops.scan.findings import Finding, Scanned, merged
from pipeline.ops.scan.parquet_scan import READABLE
from pipeline.ops.scan.places import SITE, Holds, Known, TableGrammar
from pipeline.ops.scan.published_scan import PAGE_EQUALS
from pipeline.ops.scan.table_scan import FAULTS
from pipeline.ops.scan.walk import still_there, walk

PAGE = "index.html"
UNMADE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""Errors that a site built from altered publications may raise: then no page; the scan continues.

The publications' own scan says what is wrong with them. The texts of such errors repeat values.
"""


def scan_site(
    folder: Path, known: Known, rebuilt: Callable[[bytes], Mapping[str, str] | None]
) -> Scanned:
    """Scan the folder. `rebuilt` rebuilds the site for a page; None if it is not one of ours."""
    tree = LocalTree(folder)
    walked = walk("dashboard", tree, TableGrammar(SITE, known))
    findings = [*walked.findings, *still_there(walked, tree, [Holds.PASSING])]
    files: dict[str, bytes] = {}
    for match in walked.of(Holds.PAGE, Holds.FIGURES):
        try:
            with tree.open(match.entry.path) as source:
                files[match.entry.path] = source.read()
        except FAULTS:
            place = f"dashboard/{match.entry.path}"
            findings.append(Finding((READABLE, PAGE_EQUALS), place, "it cannot be read"))
    expected: Mapping[str, str] | None = None
    with suppress(TelemetryError, *FAULTS, *UNMADE):
        expected = rebuilt(files[PAGE]) if PAGE in files else None
    if expected is None:
        reason = "no page that the publications make"
        findings.append(Finding((PAGE_EQUALS,), f"dashboard/{PAGE}", reason))
    else:
        findings += [
            Finding((PAGE_EQUALS,), f"dashboard/{path}", "it says something else than publications")
            for path, content in files.items()
            if expected.get(path, "").encode() != content
        ]
    return merged([Scanned(files=len(files), findings=tuple(findings))])
