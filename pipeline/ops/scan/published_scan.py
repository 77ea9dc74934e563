"""Publications, their manifest and the page: words of the catalogue and the registry only.

A cell is named by its metric's own tables and by words that its dimensions can have: values of the
closed list, or words of the SQL that makes the dimension. Definitions in footers and manifest are
exactly the registry's. Whether the figures are right is another question: see
`ops.recomputed`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.events.catalogue import Catalogue
from pipeline.events.model import Drop, Reason
from pipeline.events.schema import EventSchema
from pipeline.ops.rollup.contributions import MISSING
from pipeline.ops.rollup.made_of import FORM
from pipeline.ops.rollup.plan import table_ids
from pipeline.ops.rollup.publication import MEASURES, PUBLISHED
from pipeline.ops.rollup.registry import Metric, MetricKind, Registry, Window
from pipeline.ops.rollup.run import words
from pipeline.ops.rollup.sql import passes
from pipeline.ops.scan.closed_json import (
    Rule,
    day,
    document,
    exactly,
    keyed,
    moment,
    number,
    one_of,
    optional,
    record,
    sequence,
    text,
    whole,
)
from pipeline.ops.scan.findings import Finding
from pipeline.privacy.figures.gate import OTHER

CELLS, GATED = "publications_closed", "aggregates_gated"
PAGE_EQUALS = "page_equals_rollups"
PROMISED_ACCOUNTS = 20
NOTHING = frozenset({OTHER, MISSING, "(none)"})
WORDS = ["key1", "key2", "grain", "cut", "made_of"]
FACT_CUTS = {"", "reason", "event", "metric,table"}
_WORD = re.compile(r"[A-Za-z0-9_()/{}<>+.-]+")
_SMALL = re.compile(r"v?[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class CellVocabulary:
    """The words that may name a cell."""

    lists: Mapping[str, frozenset[str]]
    """Closed values of each dimension that is a stored column."""
    derived: frozenset[str]
    """Words of the populations' SQL, which make the other dimensions."""
    facts: frozenset[str]
    """What the pipeline's counts are grouped by: reasons, events, metrics and their dimensions."""

    def allows(self, dimension: str, key: str) -> bool:
        """Whether a cell of this dimension may have this name."""
        if key in NOTHING:
            return True
        if dimension in self.lists:
            return key in self.lists[dimension]
        if dimension == "country":
            return re.fullmatch("[A-Z]{2}", key) is not None
        if dimension == "sdk_version":
            return re.fullmatch(r"\d{1,3}\.\d{1,3}", key) is not None
        if dimension in ("reason", "event", "metric", "table"):
            return key in self.facts
        return all(one in self.derived or _SMALL.fullmatch(one) for one in key.split(" "))


def vocabulary(
    registry: Registry, schemas: Mapping[str, tuple[EventSchema, ...]], catalogue: Catalogue
) -> CellVocabulary:
    """The words of these declarations."""
    columns = [c for versions in schemas.values() for one in versions for c in one.columns]
    listed = {
        column.name: catalogue.storable(column.values)
        for column in columns
        if column.values is not None and column.values in catalogue.lists
    }
    sql = " ".join(population.sql for population in registry.populations.values())
    dimensions = {name for metric in registry.metrics.values() for name in metric.dimensions()}
    pairs = {",".join(by) for metric in registry.metrics.values() for _, by in metric.tables}
    closed = [*(one.value for one in Reason), *(one.value for one in Drop)]
    facts = {*closed, *schemas, *registry.metrics, *dimensions, *pairs, "total"}
    return CellVocabulary(listed, frozenset(_WORD.findall(sql)) | {*schemas}, frozenset(facts))


def scan_publication(
    source: pa.NativeFile, place: str, metric: Metric, known: CellVocabulary
) -> Iterator[Finding]:
    """Compare one metric's file. Raises Arrow's errors for one that cannot be read."""
    file = pq.ParquetFile(source)
    schema, footer = file.schema_arrow, file.metadata
    definition = {f"metric.{key}".encode(): said.encode() for key, said in words(metric).items()}
    said = dict(footer.metadata or {})
    said.pop(b"ARROW:schema", None)
    if said != definition or dict(schema.metadata or {}) != definition:
        yield Finding((CELLS,), place, "a definition that is not the registry's")
    if schema.names != PUBLISHED.names or schema.types != PUBLISHED.types:
        yield Finding((CELLS, GATED), place, "its columns are not those of a publication")
        return
    tables = {(window.value, ",".join(by)) for window, by in metric.tables}
    wrong: dict[str, int] = {}

    def note(reason: str, count: int = 1) -> None:
        wrong[reason] = wrong.get(reason, 0) + count

    for group in range(file.num_row_groups):
        rows = file.read_row_group(group, use_threads=False)
        _cells(rows, metric, tables, known, note)
        if metric.kind is not MetricKind.FACT:
            few = pc.fill_null(pc.less(rows["accounts"], PROMISED_ACCOUNTS), True)
            if count := pc.sum(few).as_py():
                yield Finding(
                    (GATED,), place, f"cells of under {PROMISED_ACCOUNTS} accounts", count
                )
    dictionaries = pq.ParquetFile(source, read_dictionary=WORDS)
    for group in range(dictionaries.num_row_groups):
        for column in dictionaries.read_row_group(group, WORDS).columns:
            for chunk in column.chunks:
                if len(pc.unique(chunk.indices.drop_null())) < len(chunk.dictionary):
                    note("words in a dictionary that no cell has")
    for reason, count in wrong.items():
        yield Finding((CELLS,), place, reason, count)


def _cells(
    rows: pa.Table,
    metric: Metric,
    tables: set[tuple[str, str]],
    known: CellVocabulary,
    note: Callable[[str, int], None],
) -> None:
    names = rows.select(["grain", "cut", "key1", "key2"])
    counted = names.group_by(names.column_names, use_threads=False).aggregate([([], "count_all")])
    for row in counted.to_pylist():
        cut = row["cut"].split(",") if row["cut"] else []
        many = int(row["count_all"])
        if metric.kind is MetricKind.FACT:
            fits = row["cut"] in FACT_CUTS and row["grain"] in {one.value for one in Window}
        else:
            fits = (row["grain"], row["cut"]) in tables
        if not fits:
            note("cells of a table that the metric does not have", many)
        keys = [row["key1"], row["key2"]]
        dimensions = [*cut, "", ""][:2]
        for dimension, key in zip(dimensions, keys, strict=True):
            if not (known.allows(dimension, key) if dimension else key == ""):
                note("cells whose name is no word of their dimension", many)
    origins = pc.unique(rows["made_of"]).drop_null()
    if odd := len(origins) - (pc.sum(pc.match_substring_regex(origins, f"^{FORM}$")).as_py() or 0):
        note("origins that are none", odd)
    for name in MEASURES:
        if name in rows.column_names:
            odd = pc.or_(pc.is_nan(rows[name]), pc.less(rows[name], 0.0))
            if count := pc.sum(pc.fill_null(odd, False)).as_py():
                note("figures that are no quantity", count)


def manifest_rule(registry: Registry, schemas: Mapping[str, tuple[EventSchema, ...]]) -> Rule:
    """The grammar of `rollups/manifest.json`: the registry's words, days, hashes and counts."""
    events = sorted(schemas)
    tables = [name for task in passes(registry, tuple(Window)) for name in table_ids(task)]
    columns = {
        f"{event}.{column.name}"
        for event, versions in schemas.items()
        for one in versions
        for column in one.columns
    }
    populations = {
        name: {"sentence": one.sentence, "sql": one.sql}
        for name, one in registry.populations.items()
    }
    run = record(
        {
            "at": moment(),
            "windows": whole(),
            "published": whole(),
            "revised": whole(),
            "seconds": number(),
        }
    )
    geo = record(
        {},
        {
            "type": text(r"[A-Za-z0-9 ._()-]{1,80}"),
            "built": text(r"[0-9-]{0,10}"),
            "credit": text(r"[ -?A-~]{0,200}"),
        },
    )
    status = record(
        {},
        {
            "newest_commit": optional(moment()),
            "oldest_day": optional(day()),
            "last_expiry": optional(moment()),
            "epochs_live": optional(whole()),
            "epochs_destroyed": optional(whole()),
            "geo": geo,
        },
    )
    return record(
        {
            "version": whole(1, 99),
            "generated_at": moment(),
            "inputs": keyed(one_of(events), keyed(day(), text("[0-9a-f]{16}"))),
            "tables": sequence(one_of(tables)),
            "collected": sequence(one_of(columns)),
            "runs": sequence(run),
            "first_day": optional(day()),
            "last_day": optional(day()),
            "epoch": record({"kind": one_of(["day", "week", "4weeks"]), "days": whole(1, 28)}),
            "rule": keyed(text("[a-z_]{1,20}"), number()),
            "perturbation": record(
                {
                    "method": one_of(["cell-key"]),
                    "version": whole(1, 99),
                    "bound": whole(),
                    "variance": number(),
                }
            ),
            "metrics": exactly([words(metric) for metric in registry.metrics.values()]),
            "populations": exactly(populations),
            "status": status,
            "heads": keyed(one_of(events), whole()),
        }
    )


def scan_manifest(place: str, content: bytes, rule: Rule) -> Iterator[Finding]:
    """Compare the manifest of publications."""
    for one in dict.fromkeys(document(rule)(content)):
        yield Finding((CELLS,), f"{place}, {one.path}", one.reason)
