"""Contender: the same job as an ordinary Beam pipeline in Python, one element for each event.

`ReadFromText`, `json.loads`, a dictionary for each event, one HMAC, `ipaddress`, a regular
expression for the route, a set of opted-out accounts, `WriteToParquet` with zstd. This is
what Beam's own examples look like; its sink knows no partitions and no exactly-once.

    python -m benchmarks.per_event_beam INPUT OPTED_OUT OUTPUT
"""

import hmac
import ipaddress
import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

IDENTIFIER = re.compile(r"/[^/]*[0-9][^/]{7,}")
PLAIN = {
    "method": pa.string(),
    "status": pa.int16(),
    "latency_ms": pa.float64(),
    "queue_ms": pa.float64(),
    "bytes_in": pa.int64(),
    "bytes_out": pa.int64(),
    "error_code": pa.string(),
    "model": pa.string(),
    "region": pa.string(),
    "sdk_name": pa.string(),
    "sdk_version": pa.string(),
    "plan": pa.string(),
}
SCHEMA = pa.schema(
    {
        "event_date": pa.string(),
        "event_hour": pa.int8(),
        "subject": pa.string(),
        "ip_prefix": pa.string(),
        "route": pa.string(),
        **PLAIN,
    }
)


class Anonymize(beam.DoFn):
    """One line of JSON to one reduced dictionary."""

    def __init__(self, opted_out: frozenset[str]) -> None:
        self._opted_out = opted_out
        self._key = b"k" * 32

    def process(self, element: str) -> Iterator[dict[str, Any]]:
        """Yield the reduced event, or nothing if it is malformed or its account opted out."""
        try:
            event = json.loads(element)
            occurred = datetime.fromisoformat(event["occurred_at"])
        except (ValueError, KeyError, TypeError):
            return
        account = event.get("account_id")
        if account in self._opted_out:
            return
        row = {name: event.get(name) for name in PLAIN}
        row["event_date"] = occurred.date().isoformat()
        row["event_hour"] = occurred.hour
        row["subject"] = account and hmac.digest(self._key, account.encode(), "sha256")[:16].hex()
        row["ip_prefix"] = _prefix(event.get("client_ip"))
        row["route"] = IDENTIFIER.sub("/{id}", str(event.get("path")).split("?", 1)[0])
        yield row


def _prefix(text: str | None) -> str | None:
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    bits = 16 if address.version == 4 else 32
    return str(ipaddress.ip_network((address, bits), strict=False))


def main() -> None:
    """Read the arguments, run the pipeline in this process."""
    source, opted_out, target = sys.argv[1:4]
    without = frozenset(Path(opted_out).read_text("utf-8").split())
    options = PipelineOptions(["--runner=FnApiRunner"])
    with beam.Pipeline(options=options) as pipeline:
        (
            pipeline
            | "Read" >> beam.io.ReadFromText(source)
            | "Anonymize" >> beam.ParDo(Anonymize(without))
            | "Write"
            >> beam.io.WriteToParquet(target, SCHEMA, codec="zstd", file_name_suffix=".parquet")
        )


if __name__ == "__main__":
    main()
