"""What pyarrow and DuckDB cannot do with encrypted files: when one fails, see decision 13."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest

ROWS = pa.table({"subject": [f"{number:032x}" for number in range(30_000)]})
KEYS = {name: secrets.token_bytes(32) for name in ("one", "two")}


ONE_PAGE = {
    "max_rows_per_page": 200_000,
    "data_page_size": 1 << 30,
    "dictionary_pagesize_limit": 1 << 30,
}


def write(path: Path, key: bytes, **options: object) -> None:
    properties = encryption.create_encryption_properties(key)
    with pq.ParquetWriter(path, ROWS.schema, encryption_properties=properties, **options) as writer:
        writer.write_table(ROWS)


def ask(folder: Path, *names: str) -> int:
    """Read files with DuckDB in one statement, each with its own key; return how many rows."""
    with duckdb.connect() as connection:
        for name in names:
            key = base64.b64encode(KEYS[name]).decode()
            connection.execute(f"PRAGMA add_parquet_key('{name}', '{key}')")
        sources = [
            f"SELECT * FROM read_parquet('{folder / name}.parquet', "
            f"encryption_config = {{footer_key: '{name}'}})"
            for name in names
        ]
        return len(connection.execute(" UNION ALL ".join(sources)).fetchall())


def test_a_file_of_single_pages_is_read_with_its_key_and_not_without(tmp_path: Path) -> None:
    for name, key in KEYS.items():
        write(tmp_path / f"{name}.parquet", key, **ONE_PAGE)
    assert ask(tmp_path, "one", "two") == 2 * ROWS.num_rows
    path = tmp_path / "one.parquet"
    key = encryption.create_decryption_properties(KEYS["one"])
    assert pq.ParquetFile(path, decryption_properties=key).read().equals(ROWS)
    with pytest.raises(OSError, match="ncrypt"):
        pq.ParquetFile(path)


def test_duckdb_fails_at_the_second_page(tmp_path: Path) -> None:
    write(tmp_path / "one.parquet", KEYS["one"])
    with pytest.raises(duckdb.InvalidInputException, match="AES tag"):
        ask(tmp_path, "one")


def test_an_encrypted_file_has_no_bloom_filter(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not currently supported with bloom filter"):
        write(tmp_path / "x.parquet", KEYS["one"], bloom_filter_options={"subject": True})


def test_duckdb_reads_no_column_of_lists(tmp_path: Path) -> None:
    table = pa.table({"features": [["a"], ["b"]]})
    properties = encryption.create_encryption_properties(KEYS["one"])
    with pq.ParquetWriter(
        tmp_path / "one.parquet", table.schema, encryption_properties=properties, **ONE_PAGE
    ) as writer:
        writer.write_table(table)
    with pytest.raises(duckdb.InvalidInputException, match="AES tag"):
        ask(tmp_path, "one")


def test_duckdb_reads_no_file_with_a_prefix_to_the_authenticated_data(tmp_path: Path) -> None:
    """Otherwise the name of the key could stand in the footer."""
    properties = encryption.create_encryption_properties(KEYS["one"], aad_prefix=b"4weeks-0037")
    path = tmp_path / "one.parquet"
    with pq.ParquetWriter(path, ROWS.schema, encryption_properties=properties, **ONE_PAGE) as w:
        w.write_table(ROWS)
    assert b"4weeks-0037" in path.read_bytes()
    with pytest.raises(duckdb.InvalidInputException, match="AES tag"):
        ask(tmp_path, "one")
