"""Nothing below a folder is hidden from a search: names, archives, columns, dictionaries."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import EnvironmentProblem, KeyUnavailable
from pipeline.io.folder_bytes import read_contents, texts_below
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.lake import Lake
from pipeline.io.parquet.encryption import Encryption
from pipeline.privacy.identity.epochs import EpochKind
from tests.unit.io.lakes import batch, table_of

CANARY = b"alice@example.com"


def found(folder: Path) -> list[str]:
    return [content.place for content in read_contents(folder) if CANARY in content.data]


def test_every_file_is_searched_also_hidden_ones_and_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a" / ".hidden").mkdir(parents=True)
    (tmp_path / "a" / ".hidden" / "file").write_bytes(b"x" + CANARY)
    (tmp_path / CANARY.decode()).write_bytes(b"")
    (tmp_path / "clean").write_bytes(b"nothing")
    assert found(tmp_path) == ["a/.hidden/file", CANARY.decode()]


def test_an_archive_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "old.ndjson.gz").write_bytes(gzip.compress(CANARY * 50))
    assert found(tmp_path) == ["old.ndjson.gz (unpacked)"]


def test_a_parquet_file_is_searched_in_all_its_parts(tmp_path: Path) -> None:
    rows = pa.table({"subject": pa.array([CANARY.decode()] * 300)})
    pq.write_table(rows, tmp_path / "rows.parquet", compression="zstd", write_statistics=False)
    assert {"rows.parquet (columns)", "rows.parquet (dictionaries)"} <= set(found(tmp_path))
    pq.write_table(rows, tmp_path / "rows.parquet", compression="zstd", write_statistics=True)
    assert "rows.parquet (footer)" in found(tmp_path)


def test_each_file_is_counted_once(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "rows.parquet")
    (tmp_path / "old.gz").write_bytes(gzip.compress(b"x"))
    assert sum(content.first for content in read_contents(tmp_path)) == 2
    assert sum(1 for _ in read_contents(tmp_path)) > 4


def test_a_content_does_not_show_itself(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CANARY)
    assert all(CANARY.decode() not in repr(content) for content in read_contents(tmp_path))


@pytest.mark.usefixtures("heeds_permissions")
def test_a_file_that_cannot_be_read_is_told_and_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "closed").write_bytes(CANARY)
    (tmp_path / "closed").chmod(0)
    with pytest.raises(EnvironmentProblem, match="permission denied"):
        list(read_contents(tmp_path))


def test_encrypted_rows_are_searched_with_their_keys_and_refused_without(tmp_path: Path) -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    keys = Encryption(lambda: LocalKeystore(tmp_path / "keys", now=lambda: now), EpochKind.DAY)
    table_of(Lake(str(tmp_path / "lake"), encryption=keys)).commit(batch(0, 4))
    searched = read_contents(tmp_path / "lake", keys)
    assert any(b"abc-1" in content.data for content in searched)
    with pytest.raises(KeyUnavailable):
        list(read_contents(tmp_path / "lake"))


def test_texts_are_those_of_one_suffix_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name, text in {"b/one.html": "ü", "a.html": "first", "a.txt": "no"}.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "c.html").mkdir()
    assert list(texts_below(tmp_path, ".html")) == [("a.html", "first"), ("b/one.html", "ü")]
