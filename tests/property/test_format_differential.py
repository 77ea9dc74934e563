"""The kernel's way against the specification, on lines and formats that nobody wrote by hand."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import native
from pipeline.events.formats.columns import Made
from pipeline.events.formats.kernel_way import ByKernel
from pipeline.events.formats.model import Envelope, Format
from pipeline.events.formats.one_by_one import OneByOne
from pipeline.events.formats.parse import parse_format
from pipeline.events.model import Slice
from tests.both_ways import use
from tests.formats.files import FORMATS, SCHEMAS, file_of
from tests.property.decoding import bits, slice_of

EVERYTHING = r"""
comment = "Every operation."
event = "session"
reads = {reads}
null = ["-", "", "nil"]
[fields]
event_id = {{ from = "a", else = "@position" }}
session_id = {{ from = "a", else = "b", decode = ["plus", "percent", '\x'] }}
started_at = {{ from = "t", time = ["rfc3339", "clf", "date+time", "unix_ms"] }}
ended_at = {{ from = ["a", "b"], time = "date+time" }}
account_id = {{ from = "b", decode = "percent" }}
client_ip = {{ from = "c"{take} }}
user_agent = {{ from = "d", decode = '\x', part = "path" }}
protocol = {{ from = "d", part = "method" }}
connection_type = {{ from = "e", null = ["0"] }}
rtt_ms = {{ from = ["f", "g", "h"], unit = "s", negative = "null" }}
bitrate_kbps = {{ from = "f", minus = "g" }}
time_to_first_frame_ms = {{ from = "g", minus = "h", unit = "ns", negative = "null" }}
freeze_ms = {{ from = "h", unit = "us" }}
video_height = {{ from = ["f", "g"] }}
account_created_on = {{ from = "e" }}
region = {{ value = "eu" }}
{more}
"""
NAMES = tuple("abcdefght")


def everything(reads: str, *, more: str = "", take: str = "") -> Format:
    text = EVERYTHING.format(reads=reads, more=more, take=take)
    return parse_format(text, "own.toml", "own.toml", SCHEMAS)


OWN = {
    "otlp": parse_format(
        EVERYTHING.format(reads='"otlp"', more="", take="")
        .replace('from = "', 'from = "attributes.')
        .replace("attributes.@", "@")
        .replace('["a", "b"]', '["attributes.a", "resource.b"]')
        .replace('["f", "g"', '["attributes.f", "attributes.g"')
        .replace('"h"]', '"f2"]'),
        "own.toml",
        "own.toml",
        SCHEMAS,
    ),
    "json": everything('"json"', more='features = { from = "i" }', take=', take = "first"'),
    "pattern": everything(
        '"pattern"\npattern = [\'[$a] "$b" $c - $d "$e" $f $g $h $t\', '
        "'[$a] $b $c $d $e $f $g $h $t']",
        take=', take = "last"',
    ),
    "quoted": everything(
        '"quoted"\nleast = 6\ncolumns = ["t", "a", "b", "c", "d", "e", "f", "g", "h"]',
        take=', take = "first"',
    ),
    "w3c": everything('"w3c"\ncolumns = ["t", "a", "b", "c", "d", "e", "f", "g", "h"]'),
    "tsv": everything('"tsv"\ncolumns = ["t", "a", "b", "c", "d", "e", "f", "g", "h"]'),
}

TEXTS = st.sampled_from(
    [
        *("", "-", "nil", "0", "1", "-1", "0.25", "1e3", "1e308", "12ms", "-0", "3.", "007", "x"),
        *(
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "4611686018427387905",
        ),
        *(
            "2026-05-01T00:00:00Z",
            "2026-05-01",
            "10:20:30.5",
            "2026-05-01 10:20:30",
            "1777600000000",
        ),
        *("01/May/2026:10:20:30 +0200", "31/Feb/2026:10:20:30 +0000", "1777600000000.25"),
        *(
            "GET /a?b HTTP/1.1",
            "GET http://h HTTP/2",
            "GET  /",
            "/p#q",
            "*",
            "x://h?y",
            "a HTTP/1.1",
        ),
        *("a%2520b", "%00", "%ff", "%C3%A9", "100%", "a+b", r"\x22", r"\xff", r"\"", "\\", r"\x2"),
        *(
            "Anonymous",
            "NULL",
            " ",
            "\t",
            "00000000-0000-0000-0000-000000000000",
            "a, b",
            ",",
            " ,x",
        ),
        *('"', "#", "#Fields:", "é", "𐏿"),
    ]
)
TIMES = st.sampled_from(
    ["2026-05-01T00:00:00Z", "01/May/2026:10:20:30 +0200", "2026-05-01 10:20:30", "1777600000000"]
)
VALUES: st.SearchStrategy[Any] = (
    TEXTS
    | st.text(max_size=5)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([None, True, {}, [], ["a", None, "", "b"], ["a", 1], [[]]])
)


@st.composite
def lines(draw: st.DrawFn, name: str) -> bytes:
    """A line that a format of `OWN` mostly fits."""
    if name == "otlp":
        return draw(otlp_lines())
    if name == "json":
        values = {one: draw(VALUES) for one in draw(st.lists(st.sampled_from([*NAMES, "i"])))}
        values["t"] = draw(TIMES | VALUES)
        return json.dumps(values, ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")
    values = {one: draw(TEXTS) for one in NAMES}
    values["t"] = draw(TIMES | TEXTS)
    if name == "pattern":
        text = '[{a}] "{b}" {c} - {d} "{e}" {f} {g} {h} {t}'.format(**values)
    elif name == "quoted":
        order = [values[one] for one in "tabcdefgh"][: draw(st.integers(5, 9))]
        text = " ".join(f'"{one}"' if " " in one or draw(st.booleans()) else one for one in order)
    elif name == "w3c":
        if draw(st.integers(0, 9)) == 0:
            columns = draw(st.permutations("tabcdefghh"))
            return b"#Fields: " + " ".join(columns[: draw(st.integers(0, 10))]).encode()
        text = " ".join(values[one].replace(" ", "T") for one in "tabcdefgh")
    else:
        text = "\t".join(values[one] for one in "tabcdefgh")
    return text.encode()


ANY_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.builds(lambda text: {"stringValue": text}, TIMES | TEXTS | st.text(max_size=3)),
    st.builds(lambda number: {"intValue": number}, st.integers(-9, 9) | st.just("12")),
    st.sampled_from([None, {}, {"boolValue": True}, {"kvlistValue": {}}, {"stringValue": None}]),
    st.sampled_from([[], 1, {"stringValue": "a", "intValue": 1}, {"stringValue": {}}]),
)


@st.composite
def otlp_lines(draw: st.DrawFn) -> bytes:
    """A line of some log records, or of something near it."""

    def attributes(sound: bool) -> Any:
        names = draw(st.lists(st.sampled_from([*NAMES, "é"]), unique=draw(st.integers(0, 9)) > 0))
        pairs = [{"key": one, "value": draw(ANY_VALUES)} for one in names]
        if sound:
            pairs = [one for one in pairs if isinstance(one["value"], dict | None)]
            pairs += [{"value": {"stringValue": draw(TIMES)}, "key": "t"}]
        return pairs if sound else draw(st.sampled_from([pairs, None, {}, [1], [{"value": 1}]]))

    sound = draw(st.integers(0, 4)) > 0
    extra: Any = draw(
        st.sampled_from([{}, {"attributes": 1}, {"resource": 2}, {'a"\n': "é", "n": 1.50}])
    )
    records = [
        {**extra, "attributes": attributes(sound), "body": {"x": [1]}}
        for _ in range(draw(st.integers(0, 3)))
    ]
    scopes: Any = [{"logRecords": records}]
    entry: Any = {"scopeLogs": scopes, "resource": {"attributes": attributes(sound)}}
    if draw(st.booleans()):
        entry = dict(reversed(entry.items()))
    line: Any = {"resourceLogs": [entry], "x": 1}
    if not sound:
        line = draw(st.sampled_from([line, {}, {"resourceLogs": None}, {"resourceLogs": [scopes]}]))
    return json.dumps(line, ensure_ascii=draw(st.booleans())).encode()


@st.composite
def mutated(draw: st.DrawFn, line: bytes) -> bytes:
    """The line, or one with a small piece changed."""
    if draw(st.integers(0, 3)):
        return line.replace(b"\n", b"")
    start = draw(st.integers(0, max(len(line) - 1, 0)))
    stop = min(start + draw(st.integers(0, 6)), len(line))
    piece = draw(
        st.binary(max_size=2)
        | st.sampled_from(
            [b'"', b"\\", b" ", b"\t", b"-", b"%", b"{", b"]", b"\r", b"\xef\xbb\xbf"]
        )
    )
    return (line[:start] + piece + line[stop:]).replace(b"\n", b"")


def wrapped(line: bytes, envelope: Envelope, draw: st.DrawFn) -> bytes:
    if envelope is Envelope.CRI:
        tag = draw(st.sampled_from([b"F", b"F", b"F", b"P", b""]))
        stream = draw(st.sampled_from([b"stdout", b"stderr", b"x"]))
        return b"2026-05-01T00:00:00Z " + stream + b" " + tag + b" " + line
    if envelope is Envelope.DOCKER:
        end = draw(st.sampled_from(["\n", "\n", "\n", ""]))
        text = line.decode("utf-8", "replace") + end
        return json.dumps({"log": text, "stream": "stdout"}).encode()
    return line


def answer(made: Made) -> tuple[Any, ...]:
    """What was made of a slice as plain values, after checking that the columns are sound."""
    columns = []
    for column in made.arrays:
        column.validate(full=True)
        kind = str(column.type)
        if kind.startswith("timestamp"):
            column = column.cast("int64")
        elif kind.startswith("date"):
            column = column.cast("int32")
        columns.append([bits(value) for value in column.to_pylist()])
    refused = list(zip(made.refused.tolist(), made.reasons, strict=True))
    return columns, made.messages.tolist(), refused, dict(made.nulled)


def assert_same(format_: Format, source: Slice) -> tuple[Any, ...]:
    kernel = native.kernel()
    assert kernel is not None
    schemas = SCHEMAS[format_.event]
    strictly = answer(OneByOne(format_, schemas).make(source))
    assert answer(ByKernel(kernel, format_, schemas).make(source)) == strictly
    return strictly


@pytest.fixture(autouse=True)
def kernel_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    use("kernel", monkeypatch)


@pytest.mark.parametrize("name", sorted(OWN))
@given(data=st.data())
def test_every_operation_means_what_it_means_for_one_line(name: str, data: st.DataObject) -> None:
    envelope = data.draw(st.sampled_from(list(Envelope)))
    made = [
        wrapped(data.draw(mutated(data.draw(lines(name)))), envelope, data.draw)  # type: ignore[arg-type]
        for _ in range(data.draw(st.integers(0, 8)))
    ]
    gap = data.draw(st.sampled_from([b"", b"x"]))
    header = data.draw(st.sampled_from([None, b"", b"#Fields: h t a b", b"x"]))
    source = replace(slice_of("session", made, gap=gap), header=header)
    assert_same(replace(OWN[name], envelope=envelope), source)


@pytest.mark.parametrize("name", sorted(FORMATS))
@given(data=st.data())
def test_lines_of_packaged_formats_mean_the_same_both_ways(name: str, data: st.DataObject) -> None:
    pool = file_of(name, 20, seed=data.draw(st.integers(0, 30)), malformed=0.3).lines
    picked = data.draw(st.lists(st.sampled_from(pool), max_size=8))
    made = [data.draw(mutated(line)) for line in picked]
    assert_same(FORMATS[name], slice_of(FORMATS[name].event, made))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_whole_files_mean_the_same_both_ways(name: str) -> None:
    rng = random.Random(7)
    made = file_of(name, 300, seed=rng.randrange(100), malformed=0.3).lines
    source = replace(slice_of(FORMATS[name].event, made), header=b"")
    columns, *_ = assert_same(FORMATS[name], source)
    assert len(columns[0]) == 300
