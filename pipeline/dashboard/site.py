"""The built site: the page, and one JSON file of rows per metric for tools such as Grafana."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipeline.dashboard.annotations import Annotation
from pipeline.dashboard.data import page_data
from pipeline.dashboard.fixed import fixed_parts
from pipeline.dashboard.page import render, with_stamp
from pipeline.dashboard.words import Words
from pipeline.errors import SettingsError, TelemetryError

PAGE = "index.html"
NOTES = "metrics/annotations.json"
STAMP = "stamp"
"""A file of a served site only: it changes with the page, and an open page asks for it."""

MEASURES = ("value", "p50", "p90", "p95", "p99")
_FAILED = ("The last build failed: ", ". The figures are those of the last good build.")
FILE_DAYS = 400
"""How many of the newest windows of each table a metric's file holds."""


@dataclass(frozen=True, slots=True)
class Published:
    """What the rollups hold: tables by metric, and the manifest of the last run."""

    tables: Mapping[str, pa.Table]
    manifest: Mapping[str, Any]


def build(
    published: Published,
    annotations: Sequence[Annotation],
    now: datetime,
    notice: str | None = None,
    words: Words | None = None,
) -> dict[str, str]:
    """Give the site's files, by path. `notice` is shown above the figures."""
    data = page_data(published.tables, published.manifest, annotations, now, words)
    data["notice"] = notice
    files = {PAGE: render(data, fixed_parts(data, published.manifest))}
    files[NOTES] = notes_file(annotations)
    for metric in published.manifest.get("metrics", []):
        table = published.tables.get(metric["name"])
        files[f"metrics/{metric['name']}.json"] = metric_file(table)
    return files


def build_as(published: Published, data: Mapping[str, Any]) -> dict[str, str] | None:
    """Give the site's files for the time, marks, words and notice that a page's data names.

    None if the data names none that this program would write. Whoever compares the files with
    the page knows whether it says what is published, and nothing else.
    """
    try:
        now = datetime.fromisoformat(data["built_at"])
        notes = [Annotation.of_json(note) for note in data["annotations"]]
        words = Words.of_json(data)
    except (KeyError, TypeError, ValueError, SettingsError):
        return None
    notice = data.get("notice")
    if notice is not None and not is_failure(notice):
        return None
    return build(published, notes, now, notice, words)


def metric_file(table: pa.Table | None) -> str:
    """One metric's newest windows as a list of flat records; empty if nothing is published."""
    records: list[dict[str, Any]] = []
    if table is not None:
        starts = sorted(set(table["first_day"].to_pylist()))[-FILE_DAYS:]
        for row in table.to_pylist():
            if starts and row["first_day"] >= starts[0]:
                names = ("grain", "cut", "key1", "key2")
                measures = {name: row[name] for name in MEASURES if row[name] is not None}
                records.append(
                    {"time": f"{row['first_day']}T00:00:00Z"}
                    | {name: row[name] for name in names}
                    | measures
                )
    return json.dumps(records, separators=(",", ":"), ensure_ascii=False)


def notes_file(annotations: Sequence[Annotation]) -> str:
    """The marks on the time axis as a list of flat records."""
    records = [
        {"time": f"{note.day}T00:00:00Z", "kind": note.kind, "text": note.text}
        for note in annotations
    ]
    return json.dumps(records, separators=(",", ":"), ensure_ascii=False)


class Site:
    """A site that is built again when the rollups change, and survives a build that fails.

    `read` gives the publications, `stamp` something that changes with them, `clock` the time.
    After a failure the last good figures stay, under a notice; the next change triggers a retry.
    """

    def __init__(
        self,
        read: Callable[[], Published],
        stamp: Callable[[], object],
        annotations: Callable[[], Sequence[Annotation]],
        clock: Callable[[], datetime],
        words: Words | None = None,
    ) -> None:
        self._words = words
        self._read = read
        self._stamp = stamp
        self._annotations = annotations
        self._clock = clock
        self._built: object = None
        self._good: tuple[Published, Sequence[Annotation], datetime] | None = None
        self._files: Mapping[str, str] = {}

    def files(self) -> Mapping[str, str]:
        """The files as of now. Raises TelemetryError only if there was never a good build."""
        try:
            stamp = self._stamp()
            if self._good is None or stamp != self._built:
                self._built = stamp
                now = self._clock()
                published, notes = self._read(), self._annotations()
                self._files = _live(build(published, notes, now, words=self._words))
                self._good = (published, notes, now)
        except TelemetryError as error:
            if self._good is None:
                raise
            published, notes, then = self._good
            self._files = _live(build(published, notes, then, failure(error), self._words))
        return self._files


def _live(files: dict[str, str]) -> dict[str, str]:
    """The files of a site whose open pages follow it."""
    stamp = hashlib.blake2b(files[PAGE].encode(), digest_size=8).hexdigest()
    return files | {PAGE: with_stamp(files[PAGE], stamp), STAMP: stamp}


def failure(error: TelemetryError) -> str:
    """The banner of a page that could not be rebuilt."""
    return f"{_FAILED[0]}{error.what}{_FAILED[1]}"


def is_failure(notice: object) -> bool:
    """Whether a page's notice is one that a failed build leaves."""
    return isinstance(notice, str) and notice.startswith(_FAILED[0]) and notice.endswith(_FAILED[1])
