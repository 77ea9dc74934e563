"""The generator: exact counts, equal seeds, believable shapes, awkward lines, its addresses."""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from statistics import median, quantiles
from typing import Any

import pytest

from pipeline.cli.commands.generate import load_profile
from pipeline.demo.awkward import CANARIES, KINDS
from pipeline.demo.traffic import EVENTS, arrivals, generate, sessions_of
from pipeline.demo.world import DEMO_RANGES, World
from pipeline.events.catalogue import Catalogue
from pipeline.io.package_data import load_catalogue, load_schemas

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RANGES = [ipaddress.ip_network(text) for text in DEMO_RANGES]


def world(sessions: int = 2_000, seed: int = 1, days: int = 35) -> World:
    begin = NOW - timedelta(days=days)
    return World(load_profile(), seed=seed, begin=begin, end=NOW, sessions=sessions)


def lines(event: str, count: int, *, awkward: float = 0.0, seed: int = 1) -> list[bytes]:
    blocks = generate(world(sessions_of(event, count), seed), event, count, awkward=awkward)
    return b"".join(blocks).splitlines(keepends=True)


@cache
def sound(event: str) -> tuple[dict[str, Any], ...]:
    """Parsed lines without awkward ones."""
    return tuple(json.loads(line) for line in lines(event, 20_000))


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("awkward", [0.0, 0.01, 0.4])
@pytest.mark.parametrize("count", [1, 7, 1_000, 45_000])
def test_there_are_exactly_as_many_lines_as_asked_for(
    event: str, awkward: float, count: int
) -> None:
    blocks = list(generate(world(), event, count, awkward=awkward))
    assert sum(block.count(b"\n") for block in blocks) == count
    assert all(block.endswith(b"\n") for block in blocks if block)


@pytest.mark.parametrize("event", EVENTS)
def test_equal_seeds_give_equal_bytes_and_others_do_not(event: str) -> None:
    assert lines(event, 3_000, awkward=0.05) == lines(event, 3_000, awkward=0.05)
    assert lines(event, 3_000, awkward=0.05) != lines(event, 3_000, awkward=0.05, seed=2)


@pytest.mark.parametrize("event", EVENTS)
def test_every_sound_line_has_declared_fields_and_one_undeclared_at_most(event: str) -> None:
    declared = {field.name for field in load_schemas()[event][-1].fields}
    required = {field.name for field in load_schemas()[event][-1].fields if field.required}
    for fields in sound(event):
        assert set(fields) - declared <= {"trace_id"}
        assert required <= set(fields)


@cache
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.mark.parametrize(
    ("event", "field", "names"),
    [
        ("api_request", "model", "models"),
        ("api_request", "region", "regions"),
        ("api_request", "plan", "plans"),
        ("api_request", "method", "methods"),
        ("api_request", "error_code", "error_codes"),
        ("api_request", "sdk_name", "sdks"),
        ("session", "connection_type", "connection_types"),
        ("session", "protocol", "protocols"),
        ("session", "end_reason", "end_reasons"),
        ("feature_use", "feature", "features"),
        ("feature_use", "action", "actions"),
        ("error_log", "component", "components"),
        ("error_log", "severity", "severities"),
        ("error_log", "error_code", "error_codes"),
    ],
)
def test_the_traffic_speaks_the_words_of_the_catalogue(event: str, field: str, names: str) -> None:
    seen = {fields[field] for fields in sound(event) if field in fields}
    assert seen
    assert seen <= set(catalogue().lists[names])


def test_routes_of_the_traffic_are_in_the_catalogue() -> None:
    known = {(route.method, len(route.segments)) for route in catalogue().routes}
    templates = {(route.method, route.template) for route in load_profile().routes}
    assert templates <= {(route.method, route.template) for route in catalogue().routes}
    for fields in sound("api_request"):
        assert (fields["method"], fields["path"].count("/")) in known


def test_tables_share_accounts_and_sessions() -> None:
    shared = world(1_000)
    seen: dict[str, set[tuple[str, str | None]]] = {}
    for event in EVENTS:
        blocks = generate(shared, event, 1_000, awkward=0.0)
        parsed = [json.loads(line) for block in blocks for line in block.splitlines()]
        seen[event] = {(fields["session_id"], fields.get("account_id")) for fields in parsed}
    assert len(seen["session"]) == 1_000
    for event in EVENTS:
        assert seen[event] <= seen["session"]


def test_times_lie_in_the_span_and_mostly_in_order() -> None:
    times = [datetime.fromisoformat(fields["occurred_at"]) for fields in sound("api_request")]
    assert min(times) >= NOW - timedelta(days=35)
    assert max(times) <= NOW
    backwards = sum(later < earlier - timedelta(hours=12) for earlier, later in pairwise(times))
    assert 20 < backwards < 150  # the late ones: three in a thousand


def test_days_and_hours_have_a_rhythm() -> None:
    times = [datetime.fromisoformat(fields["started_at"]) for fields in sound("session")]
    weekend = sum(time.weekday() >= 5 for time in times) / len(times)
    assert 0.15 < weekend < 0.22  # two of seven days would be 0.286 without a rhythm
    hours = Counter(time.hour for time in times)
    assert hours[16] > 3 * hours[4]


def test_few_accounts_make_many_sessions_but_none_makes_most() -> None:
    counts = Counter(fields.get("account_id") for fields in sound("session"))
    ordered = sorted(counts.values(), reverse=True)
    total = sum(ordered)
    assert sum(ordered[: len(ordered) // 10]) > 0.3 * total
    assert ordered[0] < 0.05 * total


def test_latency_has_a_slow_tail() -> None:
    by_route = [
        fields["latency_ms"]
        for fields in sound("api_request")
        if fields["path"].endswith("/frames")
    ]
    p50, p99 = median(by_route), quantiles(by_route, n=100)[98]
    assert 35 < p50 < 50  # 46 before the release, 29 since
    assert p99 > 3 * p50


def rows_of(world: World, event: str, count: int) -> Iterator[dict[str, Any]]:
    for block in generate(world, event, count, awkward=0.0):
        yield from map(json.loads, block.splitlines())


def in_incident(world: World, at: str) -> bool:
    assert world.story.incident is not None
    begin, end = (datetime.fromtimestamp(edge / 1e6, UTC) for edge in world.story.incident)
    return begin <= datetime.fromisoformat(at) < end


def test_the_incident_fails_one_region_for_some_hours() -> None:
    requests = world(20_000)
    region = load_profile().incident.region
    failed: Counter[bool] = Counter()
    seen: Counter[bool] = Counter()
    days: dict[str, list[bool]] = {}
    for fields in rows_of(requests, "api_request", 100_000):
        days.setdefault(fields["occurred_at"][:10], []).append(fields["status"] >= 500)
        if in_incident(requests, fields["occurred_at"]):
            hit = fields["region"] == region
            seen[hit] += 1
            failed[hit] += fields["status"] >= 500
    assert failed[True] > 0.35 * seen[True] > 10
    assert failed[False] < 0.05 * seen[False]
    shares = sorted((sum(failures) / len(failures) for failures in days.values()), reverse=True)
    assert shares[0] > 3 * shares[1], "the day does not stand out"


def test_some_sessions_never_start_and_in_the_incident_many() -> None:
    shared = world(20_000)
    starts: dict[bool, list[bool]] = {True: [], False: []}
    for fields in rows_of(shared, "session", 20_000):
        hit = in_incident(shared, fields["started_at"]) and fields["region"] == "us-east-1"
        starts[hit].append("time_to_first_frame_ms" in fields)
    assert 0.97 < sum(starts[False]) / len(starts[False]) < 0.99
    assert sum(starts[True]) / len(starts[True]) < 0.8


def test_the_release_makes_its_route_and_the_first_frame_faster() -> None:
    shared = world(20_000)
    assert shared.story.release_us is not None
    release = datetime.fromtimestamp(shared.story.release_us / 1e6, UTC).isoformat()
    frames: dict[bool, list[float]] = {True: [], False: []}
    for fields in rows_of(shared, "api_request", 100_000):
        if fields["path"].endswith("/frames"):
            frames[fields["occurred_at"] >= release].append(fields["latency_ms"])
    firsts: dict[bool, list[float]] = {True: [], False: []}
    rates: set[int] = set()
    for fields in rows_of(shared, "session", 20_000):
        if "fps" in fields:
            firsts[fields["started_at"] >= release].append(fields["time_to_first_frame_ms"])
            rates.add(fields["fps"])
    assert median(frames[True]) < 0.7 * median(frames[False])
    assert median(firsts[True]) < 0.8 * median(firsts[False])
    assert len(rates) > 30, "the frame rate does not vary"


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("count", [1, 300, 90_000])
def test_blocks_arrive_day_by_day_and_hold_nothing_of_a_later_day(event: str, count: int) -> None:
    # Few sessions for so many lines: a part has several blocks that cover the same days.
    shared = world(2_000, days=20)
    days = []
    field = "started_at" if event == "session" else "occurred_at"
    for day, block in arrivals(shared, event, count, awkward=0.0):
        days.append(day)
        newest = max(json.loads(line)[field] for line in block.splitlines())
        assert newest[:10] <= day.isoformat()
    assert days == sorted(days)
    assert count < 1_000 or len(set(days)) == 21


def addresses(line: bytes) -> Iterator[str]:
    try:
        fields = json.loads(line)
    except ValueError:
        return
    if isinstance(fields, dict):
        for name in ("client_ip", "forwarded_for"):
            text = fields.get(name)
            if isinstance(text, str):
                yield from (part.strip() for part in text.split(","))


def test_addresses_come_from_the_reserved_ranges_only() -> None:
    seen = 0
    for line in lines("api_request", 30_000, awkward=0.05):
        for text in addresses(line):
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                continue  # one of the awkward forms
            mapped = getattr(address, "ipv4_mapped", None) or address
            inside = any(mapped in network for network in RANGES)
            assert inside or mapped.is_private, "an address of somebody"
            seen += 1
    assert seen > 20_000


@pytest.mark.parametrize("event", EVENTS)
def test_every_kind_of_awkward_line_occurs(event: str) -> None:
    strange = lines(event, 4 * KINDS, awkward=0.5)
    text = b"".join(strange)
    for canary in CANARIES:
        assert canary.encode() in text
    parsed = []
    unreadable = 0
    for line in strange:
        try:
            parsed.append(json.loads(line))
        except ValueError:
            unreadable += 1
    assert unreadable >= 4
    assert len(strange) > len(set(strange)), "no line is duplicated"
    events = [one for one in parsed if isinstance(one, dict)]
    assert {one.get("gpc") for one in events} >= {None, "1"}
    assert {one.get("dnt") for one in events} >= {None, "1"}
    assert any(one.get("version") == 99 for one in events)
    assert max(map(len, strange)) > 64 * 1024


def test_awkward_lines_stand_among_the_others() -> None:
    strange = [
        number
        for number, line in enumerate(lines("feature_use", 20_000, awkward=0.01))
        if b"canary" in line
    ]
    gaps = [b - a for a, b in pairwise(strange)]
    assert max(gaps) < 4_000


def test_some_accounts_have_opted_out_and_occur_in_the_traffic() -> None:
    one = world(5_000)
    out = set(one.opted_out())
    assert 0.003 * one.accounts < len(out) < 0.03 * one.accounts
    seen = {
        json.loads(line).get("account_id")
        for block in generate(one, "session", 5_000, awkward=0.0)
        for line in block.splitlines()
    }
    assert out & seen


def test_an_account_is_never_younger_than_its_sessions() -> None:
    for fields in sound("session"):
        if "account_created_on" in fields:
            assert fields["account_created_on"] <= fields["started_at"][:10]
