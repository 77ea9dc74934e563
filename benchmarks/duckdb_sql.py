"""Contender: the same job as one hand-written DuckDB statement on one thread.

Typed columns instead of inference, only the needed fields, one account token (nested SHA-256 as
in HMAC, which DuckDB does not offer), address cut to its /16 or /32, the ids in routes replaced,
opted-out accounts left out by an anti-join, zstd Parquet by day. It does without what SQL
cannot do: increments, exactly-once, strictness, session and event tokens, closed lists.

    python -m benchmarks.duckdb_sql INPUT OPTED_OUT OUTPUT
"""

import sys
from pathlib import Path

import duckdb

FIELDS = {
    "occurred_at": "TIMESTAMP",
    "account_id": "VARCHAR",
    "client_ip": "VARCHAR",
    "method": "VARCHAR",
    "path": "VARCHAR",
    "status": "SMALLINT",
    "latency_ms": "DOUBLE",
    "queue_ms": "DOUBLE",
    "bytes_in": "BIGINT",
    "bytes_out": "BIGINT",
    "error_code": "VARCHAR",
    "model": "VARCHAR",
    "region": "VARCHAR",
    "sdk_name": "VARCHAR",
    "sdk_version": "VARCHAR",
    "plan": "VARCHAR",
}

STATEMENT = """
COPY (
    SELECT
        occurred_at::DATE AS event_date,
        hour(occurred_at)::TINYINT AS event_hour,
        left(sha256($outer || sha256($inner || account_id)), 32) AS subject,
        CASE
            WHEN client_ip LIKE '%:%' THEN
                split_part(client_ip, ':', 1) || ':' || split_part(client_ip, ':', 2) || '::/32'
            ELSE
                split_part(client_ip, '.', 1) || '.' || split_part(client_ip, '.', 2) || '.0.0/16'
        END AS ip_prefix,
        method,
        regexp_replace(split_part(path, '?', 1), '/[^/]*[0-9][^/]{7,}', '/{id}', 'g') AS route,
        status, latency_ms, queue_ms, bytes_in, bytes_out, error_code, model, region,
        sdk_name, sdk_version, plan
    FROM read_json($input, format = 'newline_delimited', columns = $fields, ignore_errors = true)
    WHERE account_id IS NULL
       OR account_id NOT IN (SELECT account_id FROM opted_out)
) TO $output (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (event_date))
"""


def statement(source: Path, target: Path) -> str:
    """The statement with its arguments written in: COPY takes no parameters."""
    fields = ", ".join(f"'{name}': '{kind}'" for name, kind in FIELDS.items())
    text = STATEMENT.replace("$fields", "{" + fields + "}")
    for name, value in {
        "$input": str(source),
        "$output": str(target),
        "$outer": "o" * 32,
        "$inner": "i" * 32,
    }.items():
        text = text.replace(name, f"'{value}'")
    return text


def main() -> None:
    """Read the arguments, run the statement."""
    source, opted_out, target = (Path(word) for word in sys.argv[1:4])
    database = duckdb.connect(config={"threads": 1, "preserve_insertion_order": False})
    database.execute(
        "CREATE TABLE opted_out AS SELECT * FROM read_csv(?, header = false, "
        "columns = {'account_id': 'VARCHAR'})",
        [str(opted_out)],
    )
    database.execute(statement(source, target))


if __name__ == "__main__":
    main()
