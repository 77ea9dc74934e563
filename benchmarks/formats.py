"""How fast each packaged format is: events per CPU-second, as a ratio of an event's own JSON.

The same requests in every format, from the lines to committed files, without Beam; one process,
one thread. A ratio below 0.6 is a defect.
"""

import gc
import json
import shutil
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.harness import Report, workplace
from pipeline.events.decode.decoder import Decoder, Decodes
from pipeline.events.formats.decoder import FormatDecoder
from pipeline.events.formats.guess import recognise
from pipeline.events.model import Slice, Span
from pipeline.io.geo import CountryDatabase
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.lake import Lake
from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.privacy.anonymize import Anonymizer, Policy
from pipeline.privacy.optout import OptOutGate, OptOutState
from tests.formats.files import FORMATS, file_of
from tests.formats.requests import CANARY, START, requests

MALFORMED = 0.01
NOW = START + timedelta(hours=12)
OWN = "own JSON"


def run(events: int, times: int) -> Report:
    """Measure each format on so many requests, at most 100,000; the best of several passes."""
    pa.set_cpu_count(1)
    events = min(events, 100_000)
    found: dict[str, tuple[float, float]] = {}
    with workplace() as place:
        for name in (OWN, *FORMATS):
            lines, rows = (_own(events), events) if name == OWN else _lines(name, events)
            passes = [_pass(name, lines, rows, place) for _ in range(times)]
            found[name] = min(one[0] for one in passes), min(one[1] for one in passes)
    base = found[OWN]
    table = [
        f"| `{name}` | {decode:.2f} | {whole:.2f} | {base[1] / whole:.2f} |"
        for name, (decode, whole) in found.items()
    ]
    text = (
        f"{events:,} requests in every format, best of {times}. The ratio is of events per "
        "CPU-second, all stages together.\n\n| format | decode, µs | all, µs | ratio |\n"
        "| --- | ---: | ---: | ---: |\n" + "\n".join(table)
    )
    return Report(
        "Formats", text, {name: round(base[1] / one[1], 3) for name, one in found.items()}
    )


def _own(events: int) -> list[bytes]:
    made = []
    for one in requests(events):
        event = {
            "event": "api_request",
            "version": 2,
            "event_id": one.id,
            "occurred_at": one.at.isoformat(timespec="milliseconds"),
            "account_id": one.account,
            "client_ip": one.ip,
            "forwarded_for": one.forwarded,
            "method": one.method,
            "path": one.uri,
            "status": one.status,
            "latency_ms": one.latency_ms,
            "bytes_in": one.bytes_in,
            "bytes_out": one.bytes_out,
            "user_agent": one.agent,
            "referrer": one.referrer,
            "gpc": one.gpc,
        }
        made.append(json.dumps({name: value for name, value in event.items() if value}).encode())
    return made


def _lines(name: str, events: int) -> tuple[list[bytes], int]:
    """Lines of a format, and how many of the records in them are to become rows."""
    file = file_of(name, events, malformed=MALFORMED)
    lines = file.lines
    best = recognise(lines[:200], FORMATS.values(), load_schemas(None))[0]
    assert best.format.name == name, f"{name} was taken for {best.format.name}"
    return lines, sum(isinstance(one, dict) for records in file.expected for one in records)


def _pass(name: str, lines: list[bytes], rows: int, place: Path) -> tuple[float, float]:
    """CPU microseconds an event: to decode, and for everything."""
    shutil.rmtree(place / "lake", ignore_errors=True)
    schemas = load_schemas(None)
    event = "api_request" if name == OWN else FORMATS[name].event
    keys = LocalKeystore(place / "keys")
    decoder: Decodes = (
        Decoder(schemas[event]) if name == OWN else FormatDecoder(FORMATS[name], schemas[event])
    )
    gate = OptOutGate(keys.permanent_key("optout"))
    country = CountryDatabase(None).country
    policy = Policy(public_ranges=("198.18.0.0/15", "2001:db8::/32"))
    anonymizer = Anonymizer(schemas, load_catalogue(None), keys, country, policy)
    table = Lake(str(place / "lake")).events(event, schemas[event][-1].stored)
    data = b"\n".join(lines)
    ends = np.cumsum([len(line) + 1 for line in lines]) - 1
    starts = ends - [len(line) for line in lines]
    span = Span("file", "bench", 0, 0, len(data))
    source = Slice(span, event, data, starts, ends, starts, header=b"")
    # What is opened once in a process (the parser of agents, for one) is not of an event.
    few = Slice(span, event, data, starts[:50], ends[:50], starts[:50])
    anonymizer.anonymize(decoder.decode(few), NOW)
    gc.collect()
    began = time.process_time()
    raw = decoder.decode(source)
    decoded = time.process_time()
    now_us = int(NOW.timestamp() * 1e6)
    kept = gate.drop(raw, OptOutState({}), now_us, time_field=schemas[event][-1].time_field)
    clean = anonymizer.anonymize(kept, NOW)
    table.commit(clean)
    ended = time.process_time()
    assert raw.rows.num_rows == rows, f"{name}: not every line became what it should"
    _search(place / "lake")
    return (decoded - began) / raw.read * 1e6, (ended - began) / raw.read * 1e6


def _search(lake: Path) -> None:
    """Fail if what was planted in every field of the lines is anywhere in what was stored."""
    for path in (one for one in lake.rglob("*") if one.is_file()):
        assert CANARY.encode() not in path.read_bytes(), "a raw value is in a file"
        for column in pq.ParquetFile(path).read() if path.suffix == ".parquet" else ():
            found = pc.match_substring(column.cast(pa.string()), CANARY)
            assert not pc.any(found).as_py(), "a raw value is in a column"
