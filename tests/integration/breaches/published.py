"""Publications, manifest and page: words and figures that the registry does not know."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.integration.breaches.planting import ADDRESS, EMAIL, Copy, breach, set_cells

WORD = "no word of their dimension"


@breach("P04", "aggregates_gated", "requests.parquet", "cells of under 20 accounts")
def cells_of_three_accounts(it: Copy) -> None:
    set_cells(it, "requests", "accounts", 3)


@breach("P04", "aggregates_gated", "requests.parquet", "cells of under 20 accounts")
def cells_without_a_number_of_accounts(it: Copy) -> None:
    set_cells(it, "requests", "accounts", None)


@breach("P04", "publications_closed", "requests.parquet", WORD)
def an_email_as_a_cell(it: Copy) -> None:
    set_cells(it, "requests", "key1", EMAIL)


@breach("P04", "publications_closed", "requests.parquet", WORD)
def an_address_as_a_cell(it: Copy) -> None:
    set_cells(it, "requests", "key2", ADDRESS)


@breach("P04", "publications_closed", "requests.parquet", WORD)
def a_token_as_a_cell(it: Copy) -> None:
    set_cells(it, "requests", "key1", "0" * 32)


@breach("P04", "publications_closed", "dropped.parquet", WORD)
def an_account_among_the_facts(it: Copy) -> None:
    set_cells(it, "dropped", "key1", EMAIL)


@breach("P04", "publications_closed", "requests.parquet", "a table that the metric does not have")
def a_table_that_nobody_declared(it: Copy) -> None:
    set_cells(it, "requests", "cut", "ip_prefix")


@breach("P04", "publications_closed", "requests.parquet", "no quantity")
def a_figure_below_nothing(it: Copy) -> None:
    set_cells(it, "requests", "value", -7.0)


@breach("P04", "publications_closed", "requests.parquet", "not those of a publication")
def a_column_of_subjects(it: Copy) -> None:
    path = it.lake / "rollups" / "requests" / "requests.parquet"
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.append_column("subject", pa.array(["0" * 32] * table.num_rows)), path)


@breach("P04", "publications_closed", "requests.parquet", "not the registry's")
def an_email_in_a_definition(it: Copy) -> None:
    path = it.lake / "rollups" / "requests" / "requests.parquet"
    table = pq.read_table(path, partitioning=None)
    words = {**table.schema.metadata, b"metric.caveat": EMAIL.encode()}
    pq.write_table(table.replace_schema_metadata(words), path)


@breach("P04", "publications_closed", "requests.parquet", "that no cell has")
def an_email_in_a_dictionary_of_cells(it: Copy) -> None:
    path = it.lake / "rollups" / "requests" / "requests.parquet"
    table = pq.read_table(path, partitioning=None)
    index = table.schema.get_field_index("key1")
    column = table["key1"].combine_chunks().dictionary_encode()
    more = pa.concat_arrays([column.dictionary, pa.array([EMAIL])])
    coded = pa.DictionaryArray.from_arrays(column.indices, more)
    field = table.schema.field("key1").with_type(coded.type)
    pq.write_table(table.set_column(index, field, coded), path, store_schema=False)


@breach("P01", "every_file_read", "requests.parquet", "cannot be read")
def a_publication_that_cannot_be_read(it: Copy) -> None:
    (it.lake / "rollups" / "requests" / "requests.parquet").write_bytes(b"PAR1")


def change_manifest(it: Copy, change: Callable[[dict[str, Any]], None]) -> None:
    path = it.lake / "rollups" / "manifest.json"
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")


@breach("P04", "publications_closed", "manifest.json", "a key that is not declared")
def an_email_in_the_manifest(it: Copy) -> None:
    change_manifest(it, lambda document: document.update(owner=EMAIL))


@breach("P04", "publications_closed", "manifest.json, metrics")
def an_email_in_the_words_of_a_metric(it: Copy) -> None:
    change_manifest(it, lambda document: document["metrics"][0].update(caveat=EMAIL))


@breach("P04", "publications_closed", "manifest.json, status")
def an_address_in_the_status(it: Copy) -> None:
    change_manifest(it, lambda document: document["status"].update(oldest_day=ADDRESS))


@breach("P04", "publications_closed", "manifest.json, inputs")
def file_names_among_the_inputs(it: Copy) -> None:
    change_manifest(it, lambda d: d["inputs"]["session"].update({"2026-11-23": EMAIL}))


def change_page(it: Copy, change: Callable[[dict[str, Any]], None]) -> None:
    path = it.site / "index.html"
    text = path.read_text("utf-8")
    start = text.index('id="data">') + len('id="data">')
    end = text.index("</script>", start)
    data = json.loads(text[start:end])
    change(data)
    block = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    path.write_text(text[:start] + block + text[end:], "utf-8")


@breach("P22", "page_equals_rollups", "dashboard/index.html", "something else")
def rows_in_the_page(it: Copy) -> None:
    rows = [{"subject": "0" * 32, "route": "/v1/jobs"}]
    change_page(it, lambda data: data.update(rows=rows))


@breach("P22", "page_equals_rollups", "dashboard/index.html", "something else")
def a_figure_that_nobody_published(it: Copy) -> None:
    def change(data: dict[str, Any]) -> None:
        cube = next(one for one in data["tables"].values() if "value" in one)
        cube["value"][0][0] = 12345

    change_page(it, change)


@breach("P22", "page_equals_rollups", "dashboard/index.html", "no page")
def an_email_as_a_mark_on_the_page(it: Copy) -> None:
    mark = {"day": "2026-11-20", "kind": "note", "text": f"call {EMAIL}"}
    change_page(it, lambda data: data["annotations"].append(mark))


@breach("P22", "page_equals_rollups", "dashboard/index.html", "something else")
def a_comment_in_the_page(it: Copy) -> None:
    path = it.site / "index.html"
    path.write_text(path.read_text("utf-8").replace("</body>", f"<!-- {EMAIL} --></body>"), "utf-8")


@breach("P22", "page_equals_rollups", "dashboard/index.html", "no page")
def another_page(it: Copy) -> None:
    (it.site / "index.html").write_text(f"<p>{EMAIL}</p>", "utf-8")


@breach("P22", "page_equals_rollups", "dashboard/metrics/requests.json", "something else")
def rows_in_a_metrics_figures(it: Copy) -> None:
    path = it.site / "metrics" / "requests.json"
    records = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps([*records, {"subject": "0" * 32}]), "utf-8")
