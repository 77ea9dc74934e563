"""Whatever reads a text of others, on mutations of texts that it knows.

Never an error but one of ours, never an answer from outside the closed lists, never a changed
record that passes for the one that was written. TELEMETRY_FUZZ multiplies the number of texts.
"""

from __future__ import annotations

import ipaddress
import os
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import schemas
from pipeline.cli.declared import load_settings
from pipeline.errors import EnvironmentProblem, SchemaError, SettingsError
from pipeline.events.catalogue import UNMATCHED
from pipeline.events.documents import read_document
from pipeline.io.rights.receipts import Receipts
from pipeline.io.rights.request_queue import AccountTokens, Request, RequestKind, RequestQueue
from pipeline.io.rights.request_topic import LARGEST_REQUEST, Malformed, parse_request
from pipeline.io.standings.entries import MalformedStanding, decode
from pipeline.privacy.columns import distinct
from pipeline.privacy.identity.fingerprints import skeleton
from pipeline.privacy.values.addresses import parse_address, unwrap
from pipeline.privacy.values.agents import AgentParser
from pipeline.privacy.values.referrers import INVALID, NONE, OTHER, ReferrerClassifier
from pipeline.privacy.values.routes import RouteMatcher
from tests.fuzz.mutate import Scrambler
from tests.privacy_rows import CATALOGUE, fixture

TIMES = int(os.environ.get("TELEMETRY_FUZZ", "1"))
SEED = int(os.environ.get("TELEMETRY_FUZZ_SEED", "20261201"))
NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
PACKAGED = Path(schemas.__file__).parent
DEEP = b"[" * 60_000
"""Nested deeper than any parser that calls itself can follow."""


def scrambled(pool: Iterable[bytes], count: int) -> Iterator[bytes]:
    scrambler = Scrambler(list(pool), SEED)
    return (scrambler.message() for _ in range(count * TIMES))


def texts(name: str, column: int, count: int) -> Iterator[str]:
    """Mutations of a column of one of the tables of examples, as text that JSON can carry."""
    known = [row[column].encode(errors="ignore") for row in fixture(name) if row[column]]
    return (text.decode(errors="ignore") for text in scrambled(known, count))


def test_addresses() -> None:
    for text in texts("addresses.tsv", 0, 20_000):
        found = parse_address(text)
        if found is not None:
            made = ipaddress.ip_address(found.number)
            bits = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}[found.version](found.number)
            assert parse_address(str(bits)) == found
            assert unwrap(unwrap(found)).number < 2 ** {4: 32, 6: 128}[unwrap(found).version]
            assert int(made) == found.number


def test_routes() -> None:
    matcher = RouteMatcher(CATALOGUE.routes)
    paths = list(texts("routes.tsv", 1, 10_000))
    known = {UNMATCHED, *(route.template for route in CATALOGUE.routes)}
    one_by_one = [matcher.match("GET", path) for path in paths]
    assert set(one_by_one) <= known
    methods = distinct(pa.array(["GET"] * len(paths)))
    column = matcher.match_column(methods, pa.array(paths))
    assert list(np.array(matcher.templates)[column]) == one_by_one


def test_agents() -> None:
    parser = AgentParser(CATALOGUE)
    families = CATALOGUE.storable("clients") | {OTHER}
    for text in texts("agents.tsv", 0, 2_000):
        for found in (parser.reduce(text), parser.glance(text)):
            assert found.family in families
            assert found.major is None or 0 <= found.major <= 999
            assert found.device in {"library", "bot", "tv", "tablet", "mobile", "desktop", OTHER}


def test_referrers() -> None:
    classifier = ReferrerClassifier(CATALOGUE.referrer_domains)
    classes = {NONE, OTHER, INVALID, *CATALOGUE.referrer_domains}
    assert {classifier.classify(text) for text in texts("referrers.tsv", 0, 20_000)} <= classes


def test_error_messages() -> None:
    for text in texts("skeletons.tsv", 0, 10_000):
        found = skeleton(text)
        assert len(found.encode()) <= 4 * 512
        assert "\n" not in found


def test_requests_by_topic() -> None:
    names = ("opt_out", "opt_in", "erase", "restrict", "release", "export")
    pool = [f'{{"request": "{name}", "account_id": "acct-{name}"}}'.encode() for name in names]
    pool += [b'{"request": "erase", "account_id": "a", "under_13": true}', DEEP]
    for message in scrambled(pool, 20_000):
        found = parse_request(message)
        if not isinstance(found, Malformed):
            assert len(message) <= LARGEST_REQUEST
            assert "\x00" not in found.account_id
            assert 0 < len(found.account_id.encode()) <= 256


def test_standings() -> None:
    pool = [
        b'{"token":"' + b"0123456789abcdef" * 2 + b'","at":"2026-11-01T00:00:00Z",'
        b'"intervals":[["2026-11-01T00:00:00Z",null]],"erased":null,"restricted":null}',
        DEEP,
    ]
    for line in scrambled(pool, 10_000):
        try:
            token, standing = decode(line)
        except MalformedStanding:
            continue
        assert len(token) == 32
        assert all(stop is None or start <= stop for start, stop in standing.intervals)


@pytest.fixture
def folder() -> Iterator[Path]:
    # In memory where there is such a folder: every text is a file that is written durably.
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as made:
        yield Path(made)


def test_receipts_that_were_changed_are_not_those_that_were_written(folder: Path) -> None:
    path = folder / "receipts.jsonl"
    receipts = Receipts(path)
    for number in range(3):
        receipts.write("erase", {"rows": number, "paths": ["é"]}, NOW)
    written, whole = path.read_bytes(), list(receipts.all())
    passed = 0
    for changed in scrambled([written, DEEP + b"\n"], 3_000):
        path.write_bytes(changed)
        found = Receipts(path)
        if found.verify() is None:
            assert list(found.all()) == whole
            passed += 1
        assert list(found.all()) in [whole[:count] for count in range(4)] or found.verify()
    assert passed, "not even an unchanged file passed"


def test_the_queue_of_requests_is_read_whole_or_refused(folder: Path) -> None:
    path = folder / "requests.jsonl"
    people = [AccountTokens(letter * 32, {"2026-11": letter * 32}) for letter in "ab"]
    RequestQueue(path).submit(RequestKind.ERASE, people, NOW)
    written = path.read_bytes()
    passed = 0
    for changed in scrambled([written, DEEP + b"\n"], 3_000):
        path.write_bytes(changed)
        try:
            found = RequestQueue(path).all()
        except EnvironmentProblem as error:
            assert "aaaa" not in str(error)
            continue
        assert all(isinstance(one, Request) for one in found)
        passed += 1
    assert passed, "not even an unchanged file passed"


def test_lines_of_requests_that_nothing_vouches_for_are_read_or_refused(folder: Path) -> None:
    """The same without a marker, which would refuse most changes before a line is looked at."""
    path = folder / "requests.jsonl"
    RequestQueue(path).submit(RequestKind.ERASE, [AccountTokens("a" * 32, {})], NOW)
    written = path.read_bytes()
    for changed in scrambled([written, DEEP + b"\n"], 3_000):
        for left in folder.iterdir():
            left.unlink()
        path.write_bytes(changed)
        try:
            RequestQueue(path).all()
        except EnvironmentProblem as error:
            assert "aaaa" not in str(error)


SETTINGS = b"""
[lake]
path = "lake"
[state]
path = "state"
[privacy]
retention_days = 90
[flush]
interval = "15s"
bytes = "64MiB"
[source.web]
kind = "files"
paths = ["in/*.jsonl"]
event = "api_request"
"""


def test_schemas() -> None:
    """The YAML that declares events: of ours, and nested deeper than libyaml can follow."""
    pool = [path.read_bytes() for path in PACKAGED.rglob("*.yaml") if path.stat().st_size < 8_000]
    assert pool
    for text in scrambled([*pool, b"a: " + DEEP, b"- " * 30_000 + b"a"], 600):
        try:
            read_document(text.decode(errors="replace"), "x.yaml")
        except SchemaError as error:
            assert len(str(error)) < 4_000


def test_settings(folder: Path) -> None:
    path = folder / "telemetry.toml"
    for text in scrambled([SETTINGS, b"a = " + DEEP], 2_000):
        path.write_bytes(text)
        try:
            load_settings(path, environ={})
        except SettingsError as error:
            assert len(str(error)) < 4_000
