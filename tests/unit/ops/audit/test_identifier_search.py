"""Searching for canaries: whatever a careless transformation made of one, it is found."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.io.folder_bytes import Content, read_contents
from pipeline.ops.audit.identifier_search import forms, search

CANARY = "Canary.Person+7421@example.com"

LEAKS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "lower": lambda text: text.lower().encode(),
    "percent": lambda text: quote(text, safe="").encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "hex upper": lambda text: text.encode().hex().upper().encode(),
    "json": lambda text: json.dumps({"a": text}).encode(),
    "json escapes": lambda text: "".join(f"\\u{ord(c):04x}" for c in text).encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 inside": lambda text: base64.b64encode(f"a {text} b".encode()),
    "base64 further inside": lambda text: base64.b64encode(f"ab {text} b".encode()),
    "base64url": lambda text: base64.urlsafe_b64encode(f"?>{text}".encode()),
    "utf-16": lambda text: text.encode("utf-16-le"),
    "md5": lambda text: hashlib.md5(text.encode()).hexdigest().encode(),
    "sha1": lambda text: hashlib.sha1(text.encode()).hexdigest().upper().encode(),
    "sha256": lambda text: hashlib.sha256(text.encode()).digest(),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_canary_is_found_in_every_form(name: str) -> None:
    data = b"before " + LEAKS[name](CANARY) + b" after"
    searched = search([Content("file", data, True)], ["another", CANARY])
    assert {leak.canary for leak in searched.leaks} == {1}
    assert CANARY not in repr(searched)


def test_what_is_not_there_is_not_found() -> None:
    searched = search([Content("file", b"nothing of it" * 100, True)], [CANARY])
    assert (searched.files, searched.bytes, searched.leaks) == (1, 1300, ())


def test_no_form_is_so_short_that_it_occurs_by_chance() -> None:
    assert min(len(needle) for _, needle in forms("203.0.113.9")) >= 11


@pytest.mark.parametrize("codec", ["zstd", "snappy", "none"])
def test_compressed_pages_and_metadata_of_parquet_are_searched(tmp_path: Path, codec: str) -> None:
    values = ["filler" * 20, CANARY] * 500
    for name, table in {
        "value": pa.table({"a": values}),
        "list": pa.table({"a": [[value] for value in values]}),
        "column": pa.table({CANARY: [1, 2]}),
        "metadata": pa.table({"a": [1]}).replace_schema_metadata({"note": CANARY}),
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        pq.write_table(table, folder / "f.parquet", compression=codec)
        searched = search(read_contents(folder), [CANARY])
        assert searched.files == 1
        assert searched.leaks, name


def test_hidden_files_names_and_gzip_are_searched(tmp_path: Path) -> None:
    (tmp_path / ".part-1.tmp").write_text(CANARY)
    (tmp_path / "log.gz").write_bytes(gzip.compress(f"x{CANARY}".encode() * 50))
    deep = tmp_path / "a" / CANARY
    deep.mkdir(parents=True)
    (deep / "empty").touch()
    places = {leak.place.split(" ")[0] for leak in search(read_contents(tmp_path), [CANARY]).leaks}
    assert places == {".part-1.tmp", "log.gz", f"a/{CANARY}/empty"}
