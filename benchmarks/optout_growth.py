"""What the opt-out list costs as it grows: 10 accounts, 10,000, 1 million, 10 million.

The list is written by the product's own file and in its own form; ten accounts of the input are on
it at every size, so the gate drops the same rows. Start and `optout add` are whole commands;
the gate is measured alone, in one process, over the same decoded slices. The first
command over a long list makes its snapshot, and is a figure of its own.
"""

import json
import secrets
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa

from benchmarks.harness import best_of, measure, prepare, telemetry, workplace
from benchmarks.inputs import api_requests, opted_out
from pipeline.events.decode.decoder import Decoder
from pipeline.events.model import RawBatch, Slice, Span
from pipeline.io.disk.append_log import AppendFile
from pipeline.io.files.framing import find_lines
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.package_data import load_schemas
from pipeline.io.rights.optout_list import OptOutFile
from pipeline.io.standings.entries import encode
from pipeline.privacy.optout import OptOutGate, OptOutState, Standing

SIZES = (10, 10_000, 1_000_000, 10_000_000)
KNOWN = 10
"""Accounts of the input on the list."""
BLOCK = 100_000
SLICE_BYTES = 8 << 20
EVENT = "api_request"
START = 1_000
"""Events of the run that shows what a start takes."""
GATED = 100_000


def growing_list(times: int) -> tuple[str, dict[str, dict[str, float]]]:
    """Return a table of what the list costs by size, and its values."""
    pa.set_cpu_count(1)
    with workplace() as place:
        short = api_requests(place, START, "short.ndjson")
        long = api_requests(place, GATED)
        accounts = opted_out(place, long).read_text().split()[:KNOWN]
        lists = {
            size: partial(_list_of, place / str(size), short, accounts, size) for size in SIZES
        }
        states = {size: make() for size, make in lists.items()}
        rows = {size: _commands(state, short, times) for size, state in states.items()}
        for size, spent in _gate(states, long, times).items():
            rows[size] |= spent
    first = rows[SIZES[0]]
    lines = [
        f"| {size:,} | {row['first_cpu_s']:.1f} "
        f"| {row['start_cpu_s']:.2f} | {row['start_mib']:.0f} "
        f"| {row['add_cpu_s']:.2f} | {row['add_mib']:.0f} "
        f"| {row['gate_us']:.3f} ({row['gate_us'] / first['gate_us']:.2f}) "
        f"| {row['gate_new_us']:.3f} ({row['gate_new_us'] / first['gate_new_us']:.2f}) |"
        for size, row in rows.items()
    ]
    text = (
        f"A run over {START:,} events, its start included; `optout add` of one account; the gate "
        f"alone over {GATED:,} events, of accounts that it has seen and of new ones. CPU, best of "
        f"{times}; MiB are the largest process.\n\n"
        "| opt-outs | first start, s | start, s | MiB | `add`, s | MiB | gate, µs an event "
        "| of new accounts |\n"
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n" + "\n".join(lines)
    )
    return text, {str(size): row for size, row in rows.items()}


def _list_of(folder: Path, source: Path, accounts: list[str], size: int) -> Path:
    """Return a state folder with a list of so many accounts."""
    state = folder / "state"
    prepare(*_run(folder, source))
    key = LocalKeystore(state / "keys").permanent_key("optout")
    now = datetime.now(UTC)
    OptOutFile(state / "optout.ndjson", key).add(accounts, now)
    write_many(AppendFile(state / "optout.ndjson"), size - len(accounts), now)
    return state


def write_many(file: AppendFile, count: int, now: datetime) -> None:
    """Append opt-outs of accounts that nobody has, as `OptOutFile` writes them."""
    at = int(now.timestamp() * 1e6)
    head, tail = encode("0" * 32, Standing(((at, None),)), at).split("0" * 32)
    with file.exclusive():
        for begin in range(0, count, BLOCK):
            digits = secrets.token_hex(16 * min(BLOCK, count - begin))
            tokens = (digits[at : at + 32] for at in range(0, len(digits), 32))
            file.append([f"{head}{token}{tail}" for token in tokens])


def _run(folder: Path, source: Path) -> list[str]:
    return [
        *("run", "--once", "--event", EVENT, "--input", str(source)),
        *("--lake", str(folder / "lake"), "--state", str(folder / "state")),
    ]


def _commands(state: Path, source: Path, times: int) -> dict[str, float]:
    def again() -> list[str]:
        shutil.rmtree(state.parent / "lake", ignore_errors=True)
        shutil.rmtree(state / "tables", ignore_errors=True)
        return telemetry(*_run(state.parent, source))

    first = measure("first start", again(), START)
    starts = [measure("start", again(), START) for _ in range(times)]
    start = min(starts, key=lambda one: one.cpu_seconds)
    add = telemetry("optout", "add", "nobody-yet", "--state", str(state))
    added = best_of(times, "add", add, 1)
    return {
        "first_cpu_s": round(first.cpu_seconds, 2),
        "first_mib": round(first.peak_mib),
        "start_cpu_s": round(start.cpu_seconds, 2),
        "start_mib": round(start.peak_mib),
        "add_cpu_s": round(added.cpu_seconds, 2),
        "add_mib": round(added.peak_mib),
    }


def _gate(states: dict[int, Path], source: Path, times: int) -> dict[int, dict[str, float]]:
    """Measure the gate at every size in turns, so that a noisy moment meets all of them."""
    versions = load_schemas(None)[EVENT]
    batches = _decoded(source, Decoder(versions))
    now_us = int(time.time() * 1e6)
    spent: dict[int, dict[str, float]] = {size: {} for size in states}
    known = {size: _loaded(state) for size, state in states.items()}
    for _ in range(3 * times):
        for size, (key, load) in known.items():
            gate, state = OptOutGate(key), load()
            drop = partial(gate.drop, time_field=versions[-1].time_field)
            for name in ("gate_new_us", "gate_us"):
                began = time.process_time()
                dropped = sum(
                    batch.rows.num_rows - drop(batch, state, now_us).rows.num_rows
                    for batch in batches
                )
                took = (time.process_time() - began) / GATED * 1e6
                spent[size][name] = min(spent[size].get(name, took), took)
                spent[size]["dropped"] = dropped
    if len({row["dropped"] for row in spent.values()}) != 1:
        sys.exit(f"the gate dropped different rows: {json.dumps(spent)}")
    return spent


def _loaded(state: Path) -> tuple[bytes, Callable[[], OptOutState]]:
    key = LocalKeystore(state / "keys").permanent_key("optout")
    return key, OptOutFile(state / "optout.ndjson", key).load


def _decoded(source: Path, decoder: Decoder) -> list[RawBatch]:
    batches, position = [], 0
    content = source.read_bytes()
    while position < len(content):
        data = content[position : position + SLICE_BYTES]
        data = data[: data.rfind(b"\n") + 1]
        lines = find_lines(data)
        span = Span("file", "bench", 0, position, position + len(data))
        piece = Slice(span, EVENT, data, lines.starts, lines.ends, lines.starts + position)
        batches.append(decoder.decode(piece))
        position += len(data)
    return batches
