"""Memory of the privacy stage: no input within the limits makes it grow far beyond its own size."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.events.model import NULL_REASONS

ROWS = 10_000
MOST_MIB = 150
"""What treating such a batch may take beside the batch: 0.1 took 360 MiB for so many paths."""

CHILD = """
import resource, sys
from datetime import UTC, datetime
import pyarrow as pa
from tests.privacy_rows import NOW, anonymizer, raw_batch
event, field, kind, rows = sys.argv[1:4] + [int(sys.argv[4])]
worker = anonymizer()
base = raw_batch(event, [{}] * rows)
hostile = {
    "slashes": lambda n: "/" * 2040,
    "encoded": lambda n: "/" + "%41" * 680,
    "blanks": lambda n: "/" + " " * 2039,
    "queries": lambda n: "/v1?" + "#/" * 1018,
    "letters": lambda n: f"{n:08d}" + "x" * 2032,
    "agents": lambda n: f"Mozilla/5.0 (Linux; Android {n})" + "x/1 " * 120,
    "hosts": lambda n: f"https://{n}." + "a." * 1000 + "example/",
    "words": lambda n: f"{n} " + "a b " * 510,
    "items": lambda n: ["a"] * 1500,
}[kind]
column = pa.array([hostile(n) for n in range(rows)], base.rows.schema.field(field).type)
index = base.rows.schema.get_field_index(field)
from dataclasses import replace
batch = replace(base, rows=base.rows.set_column(index, base.rows.schema.field(field), column))
del column
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
clean = worker.anonymize(batch, NOW)
assert clean.rows.num_rows == rows
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    ("event", "field", "kind"),
    [
        ("api_request", "path", "slashes"),
        ("api_request", "path", "encoded"),
        ("api_request", "path", "blanks"),
        ("api_request", "path", "queries"),
        ("api_request", "model", "letters"),
        ("api_request", "user_agent", "agents"),
        ("api_request", "referrer", "hosts"),
        ("api_request", "client_ip", "letters"),
        ("api_request", "error_message", "words"),
        ("api_request", "sdk_version", "letters"),
        ("session", "features", "items"),
    ],
)
def test_a_hostile_column_takes_a_bounded_amount_of_memory(
    event: str, field: str, kind: str
) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", CHILD, event, field, kind, str(ROWS)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert int(answer.stdout) < MOST_MIB


def test_reasons_of_nulled_values_are_one_closed_list() -> None:
    from pipeline.events.formats.record import PLACEHOLDER
    from pipeline.privacy.treatments import generalize, plain
    from pipeline.privacy.values import ages, buckets

    used = {
        *(plain.OUT_OF_RANGE, generalize.UNPARSEABLE, generalize.TOO_MANY, ages.FUTURE),
        *(buckets.NEGATIVE, buckets.NOT_FINITE, buckets.BELOW, "invalid_type", "invalid_time"),
        PLACEHOLDER,
    }
    assert used == NULL_REASONS
