"""What other shapes of input cost: CPU nanoseconds a byte of decoding, beside ordinary events.

No producer, careless or hostile, may make decoding three times as expensive a byte: other layouts,
unique texts, escapes, nesting, names that nobody declared, numbers, malformed messages.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.harness import Report, workplace
from benchmarks.inputs import api_requests
from pipeline import native
from pipeline.events.decode.decoder import Decoder
from pipeline.events.model import Slice, Span
from pipeline.io.files.framing import find_lines
from pipeline.io.package_data import load_schemas

EVENT = "api_request"
MOST = 30_000
LAYOUTS = 5_000
Message = dict[str, Any]


def run(events: int, times: int) -> Report:
    """Decode each shape, best of several passes."""
    pa.set_cpu_count(1)
    with workplace() as place:
        source = api_requests(place, min(events, MOST))
        ordinary = [json.loads(line) for line in Path(source).read_bytes().splitlines()]
    decoder = Decoder(load_schemas(None)[EVENT])
    spent = {name: _cost(decoder, list(made), times) for name, made in _shapes(ordinary)}
    base = spent["ordinary"]
    lines = [f"| {name} | {cost:.2f} | {cost / base:.2f} |" for name, cost in spent.items()]
    text = (
        f"{len(ordinary):,} events, best of {times}, {native.running()}.\n\n"
        "| shape | ns a byte | x ordinary |\n| --- | ---: | ---: |\n" + "\n".join(lines)
    )
    return Report("Shapes of input", text, {name: round(cost, 3) for name, cost in spent.items()})


def _cost(decoder: Decoder, messages: list[bytes], times: int) -> float:
    data = b"\n".join([*messages, b""])
    lines = find_lines(data)
    span = Span("file", "bench", 0, 0, len(data))
    source = Slice(span, EVENT, data, lines.starts, lines.ends, lines.starts)
    best = float("inf")
    for _ in range(times):
        started = time.process_time()
        decoder.decode(source)
        best = min(best, time.process_time() - started)
    return best / len(data) * 1e9


def _shapes(ordinary: list[Message]) -> Iterator[tuple[str, Iterator[bytes]]]:
    draw = random.Random(1)  # a benchmark's input, the same each time
    orders = [draw.sample(range(64), 64) for _ in range(LAYOUTS)]

    def each(change: Callable[[Message], Message]) -> Iterator[bytes]:
        return (_dump(change(message)) for message in ordinary)

    def shuffled(message: Message) -> Message:
        return {name: message[name] for name in draw.sample(list(message), len(message))}

    def ordered(at: int, message: Message) -> Message:
        order = orders[at % LAYOUTS]
        names = sorted(message, key=lambda name: order[sum(name.encode()) % 64])
        return {name: message[name] for name in names}

    def escaped(message: Message) -> bytes:
        text = _dump(message).decode()
        quoted = text.split('"')
        for at in range(1, len(quoted), 2):
            quoted[at] = "".join(f"\\u{ord(letter):04x}" for letter in quoted[at])
        return '"'.join(quoted).encode()

    many = [f"{number:x}" for number in range(6_000)]
    yield "ordinary", each(lambda message: message)
    # Odd messages in the newest version of the event, even ones in the first.
    turns = enumerate(ordinary)
    yield "two versions", (_dump({**message, "version": 1 + at % 2}) for at, message in turns)
    yield "with spaces", (json.dumps(message).encode() for message in ordinary)
    numbered = enumerate(ordinary)
    yield f"{LAYOUTS:,} layouts", (_dump(ordered(at, message)) for at, message in numbered)
    yield "another order in every message", each(shuffled)

    def unique() -> str:
        return f"{draw.getrandbits(128):032x}"

    yield (
        "unique agents and paths",
        each(lambda message: {**message, "user_agent": unique() * 3, "path": f"/v1/{unique()}"}),
    )
    yield "every letter escaped", (escaped(message) for message in ordinary[: MOST // 3])
    yield "escapes of two bytes", each(lambda message: {**message, "user_agent": '"\\' * 300})
    nested = {"a": [{"b": 1, "c": [1, 2, {"d": "x"}]} for _ in range(12)]}
    yield "nested undeclared values", each(lambda message: {**message, "context": nested})
    yield (
        "60 unique undeclared names",
        each(lambda message: {**message, **{unique()[:9]: 1 for _ in range(60)}}),
    )
    yield (
        "50 numbers of 17 digits",
        each(
            lambda message: {
                **message,
                "x": [draw.random() * 10.0 ** draw.randint(-200, 200) for _ in range(50)],
            }
        ),
    )
    yield (
        "6,000 undeclared names",
        (_dump({**message, **dict.fromkeys(many, 1)}) for message in ordinary[: MOST // 60]),
    )
    yield "short words", each(lambda message: {**message, "x": ["a", "b", ""] * 100})
    yield "not JSON", (_dump(message)[:-1] for message in ordinary)
    twice = b'{"event":"x","a":1,"a":2}'
    mixed = enumerate(ordinary)
    yield (
        "an awkward mix",
        (
            (_dump(message), _dump(shuffled(message))[:-1], twice + b" " * 300)[at % 3]
            for at, message in mixed
        ),
    )


def _dump(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
