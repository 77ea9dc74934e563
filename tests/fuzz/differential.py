"""The fuzzer: the kernel against the specification, two versions of every event at a time.

python -m tests.fuzz.differential MESSAGES [SEED]

A message that is understood or refused in a new way joins the pool that others are made from; run
as a program, what is new in the end is added to `corpus/`, from which every later run starts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline import native
from pipeline.events.decode.columns import Columns
from pipeline.events.decode.record_by_record import RecordByRecord
from pipeline.events.decode.table import event_table
from tests.fuzz.mutate import Mutator
from tests.property.decoding import VALID, slice_of, two_versions

CORPUS = Path(__file__).parent / "corpus"
TOGETHER = 64
POOL = 4_000


def read_corpus(event: str) -> list[bytes]:
    """The messages that earlier runs found worth keeping."""
    path = CORPUS / f"{event}.txt"
    lines = path.read_text("ascii").splitlines() if path.exists() else []
    return [line.encode().decode("unicode_escape").encode("latin-1") for line in lines]


def write_corpus(event: str, messages: list[bytes]) -> None:
    """Keep messages, one a line."""
    CORPUS.mkdir(exist_ok=True)
    lines = sorted({repr(message)[2:-1] for message in messages if len(message) < 600})
    (CORPUS / f"{event}.txt").write_text("".join(f"{line}\n" for line in lines), "ascii")


def fuzz(event: str, count: int, seed: int) -> tuple[int, list[bytes]]:
    """Compare the two on `count` messages at least; what was new. AssertionError if they differ."""
    kernel = native.kernel()
    assert kernel is not None, "the native kernel is not built"
    schemas = two_versions(event)
    fast, sure = event_table(kernel, schemas), RecordByRecord(schemas)
    mutator = Mutator(event, read_corpus(event), seed)
    seen: set[Hashable] = set()
    fresh: list[bytes] = []
    done = 0
    while done < count:
        messages = [mutator.message() for _ in range(TOGETHER)]
        source = slice_of(event, messages)
        expected = sure.decode(source.data, source.starts, source.ends)
        made = fast.decode(source.data, source.starts, source.ends)
        if not same(made, expected):
            raise AssertionError(f"{event}: {smallest(event, messages)!r}")
        done += len(messages)
        for message, sign in zip(messages, signs(expected, len(messages)), strict=True):
            if sign not in seen:
                seen.add(sign)
                fresh.append(message)
                if len(mutator.pool) < POOL:
                    mutator.pool.append(message)
    return done, fresh


def same(made: Columns, expected: Columns) -> bool:
    """Whether two decoders said the same, floats by their bits."""
    return (
        made.rows == expected.rows
        and np.array_equal(made.refused, expected.refused)
        and made.reasons == expected.reasons
        and dict(made.nulled) == dict(expected.nulled)
        and all(
            bits(left).equals(bits(right))
            for left, right in zip(made.arrays, expected.arrays, strict=True)
        )
    )


def bits(array: pa.Array) -> pa.Array:
    """Floats as integers, so that -0.0 is not 0.0; what lies behind a null counts for nothing."""
    if not pa.types.is_floating(array.type):
        return array
    return array.fill_null(0.0).view(pa.int64())


def signs(columns: Columns, count: int) -> list[Hashable]:
    """What was said of each message, coarsely: its reason, or which columns have a value."""
    found: list[Hashable] = [None] * count
    for at, reason in zip(columns.refused.tolist(), columns.reasons, strict=True):
        found[at] = reason
    valid = [array.is_valid().to_pylist() for array in columns.arrays]
    rows = iter(zip(*valid, strict=True))
    return [next(rows) if sign is None else sign for sign in found]


def smallest(event: str, messages: list[bytes]) -> list[bytes]:
    """The fewest neighbours on which the two still differ."""
    kernel = native.kernel()
    schemas = two_versions(event)

    def differ(part: list[bytes]) -> bool:
        source = slice_of(event, part)
        made = event_table(kernel, schemas).decode(source.data, source.starts, source.ends)  # type: ignore[arg-type]
        return not same(
            made, RecordByRecord(schemas).decode(source.data, source.starts, source.ends)
        )

    for low in range(len(messages)):
        if not differ(messages[low:]):
            return messages[max(low - 1, 0) :][:8]
    return messages[-1:]


def main() -> None:
    """Fuzz every event in turn until the number of messages is reached."""
    total = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 2**32
    done = 0
    while done < total:
        for event in sorted(VALID):
            made, fresh = fuzz(event, min(total, 100_000), seed)
            done += made
            write_corpus(event, [*read_corpus(event), *fresh][:400])
        print(f"{done:,} messages, seed {seed}: no difference", flush=True)
        seed += 1


if __name__ == "__main__":
    main()
