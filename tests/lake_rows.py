"""Stored rows made by numpy, at the lake's columns, for tests and benchmarks of what reads a lake.

A week's rhythm, heavy-tailed accounts that keep their habits, one bad hour, and a key period's
new tokens; written as `<lake>/events/<event>/event_date=.../part-0.parquet`. No pipeline runs.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.ops.rollup.load import DayFiles
from pipeline.privacy.identity.epochs import EpochKind, epoch_of

SCHEMAS = {event: versions[-1].stored for event, versions in load_schemas().items()}
EPOCH = EpochKind.FOUR_WEEKS
COUNTRIES = [
    "US",
    "DE",
    "GB",
    "FR",
    "IN",
    "JP",
    "BR",
    "CA",
    "KR",
    "NL",
    "ES",
    "AU",
    "MX",
    "SE",
    "PL",
    "ZZ",
]
EDGES = np.array([0, 1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 14400])


@dataclass(frozen=True, slots=True)
class World:
    """How much of everything there is."""

    first: date
    days: int
    requests: int
    """API requests in all days together; a tenth as many sessions, a fifth as many uses."""
    accounts: int = 2000
    seed: int = 1
    incident: date | None = None
    sealed: bool = False
    """Without event tokens, as after the final seal."""


def copied(lake: Path, files: Sequence[DayFiles], root: Path) -> list[DayFiles]:
    """Copy a lake to a new folder, and return its days there: a copy that a test may change."""
    shutil.copytree(lake, root)
    return [
        replace(file, uris=tuple(uri.replace(str(lake), str(root)) for uri in file.uris))
        for file in files
    ]


def write_lake(root: Path, world: World) -> list[DayFiles]:
    """Write the days and return them as the rollup wants them."""
    random = np.random.default_rng(world.seed)
    weights = _rhythm(world)
    files: list[DayFiles] = []
    for number, weight in enumerate(weights):
        day = world.first + timedelta(days=number)
        count = int(world.requests * weight)
        sizes = {
            "api_request": count,
            "session": count // 10,
            "feature_use": count // 5,
            "error_log": count // 50,
        }
        for event, rows in sizes.items():
            table = day_rows(event, day, rows, world, random)
            path = root / "events" / event / f"event_date={day}" / "part-0.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table.drop_columns(["event_date"]), path, compression="zstd")
            files.append(day_files(event, day, [path], rows))
    return files


def day_files(event: str, day: date, paths: Sequence[Path], rows: int) -> DayFiles:
    """Name one day's files."""
    text = "".join(f"{path}{path.stat().st_size}" for path in paths).encode()
    return DayFiles(event, day, tuple(map(str, paths)), rows, hashlib.sha256(text).hexdigest()[:16])


def _rhythm(world: World) -> npt.NDArray[np.float64]:
    week = np.array([1.0, 1.06, 1.08, 1.05, 0.96, 0.72, 0.68])
    days = np.array([(world.first + timedelta(days=n)).weekday() for n in range(world.days)])
    trend = 1 + 0.12 * np.arange(world.days) / max(world.days, 1)
    noise = np.random.default_rng(world.seed + 1).normal(1, 0.02, world.days)
    weights = week[days] * trend * noise
    return weights / weights.sum()


def day_rows(
    event: str, day: date, rows: int, world: World, random: np.random.Generator
) -> pa.Table:
    """One day of one event, at exactly its stored columns."""
    catalogue = load_catalogue()
    schema = SCHEMAS[event]
    everyone = np.random.default_rng(world.seed)
    weight = everyone.pareto(1.3, world.accounts) + 0.2
    active = random.random(world.accounts) < np.clip(0.25 + 0.1 * weight, 0, 0.9)
    chance = np.where(active, np.minimum(weight, 60), 0)
    who = random.choice(world.accounts, rows, p=chance / chance.sum())
    anonymous = random.random(rows) < 0.02
    bad = day == world.incident

    def pick(values: Sequence[str], share: Sequence[float] | None = None) -> pa.Array:
        return _text(values, random.choice(len(values), rows, p=_normal(share, len(values))))

    def habit(values: Sequence[str], salt: int, share: Sequence[float] | None = None) -> pa.Array:
        taste = np.random.default_rng(world.seed + salt)
        return _text(
            values, taste.choice(len(values), world.accounts, p=_normal(share, len(values)))[who]
        )

    def numbers(values: npt.NDArray[np.float64], missing: float = 0.0) -> pa.Array:
        return pa.array(values, mask=random.random(rows) < missing)

    slow = random.lognormal(4.6, 0.7, rows) * (3.5 if bad else 1.0)
    length = EDGES[np.searchsorted(EDGES, random.lognormal(5.3, 1.4, rows), side="right") - 1]
    status = random.choice(
        [200, 201, 204, 304, 400, 401, 404, 429, 500, 503],
        rows,
        p=_normal([70, 14, 6, 2, 2.2, 0.8, 1.6, 1.2, 9 if bad else 0.4, 12 if bad else 0.3], 10),
    )
    routes = sorted({route.template for route in catalogue.routes})
    made: dict[str, pa.Array] = {
        "event_date": pa.array([day] * rows, pa.date32()),
        "event_hour": pa.array(random.choice(24, rows, p=_normal(_hours(), 24)).astype(np.int8)),
        "event_token": pa.nulls(rows, pa.string()) if world.sealed else tokens(random, rows),
        "subject": _masked(subjects(world.accounts, day, world.seed).take(pa.array(who)), anonymous),
        "session": tokens(random, rows),
        "account_age": habit(["0-6", "7-29", "30-89", "90+"], 2, [1, 2, 3, 6]),
        "country": habit(COUNTRIES, 3, [30, 12, 10, 8, 8, 7, 6, 5, 4, 3, 3, 2, 2, 1.5, 1, 0.6]),
        "client_family": habit(["astack-python", "Chrome", "astack-js", "Safari", "Firefox", "Edge", "curl", "other"], 4, [30, 28, 16, 10, 6, 5, 3, 2]),
        "os_family": habit(["Linux", "Windows", "macOS", "iOS", "Android"], 5, [35, 28, 20, 9, 8]),
        "device_class": habit(["library", "desktop", "mobile", "tablet", "bot"], 6, [46, 40, 12, 1.5, 0.5]),
        "model": pick(["v2v-turbo", "v2v-large", "v2v-lite", "restyle-2", "v2v-anime", "upscale-4x", "other"], [34, 22, 16, 12, 9, 6, 1]),
        "region": habit(["us-east-1", "eu-central-1", "ap-northeast-1", "us-west-2"], 7, [40, 30, 16, 14]),
        "plan": habit(["free", "starter", "pro", "team", "enterprise"], 8, [45, 22, 20, 9, 4]),
        "schema_version": pa.array(np.ones(rows, np.int16)),
        "ip_class": pick(["public"]),
        "client_major": pa.array(np.full(rows, 131, np.int16)),
        "method": pick(["GET", "POST"], [6, 4]),
        "route": pick([*routes[:12], "/{unmatched}"], [9, 4, 14, 6, 12, 9, 6, 5, 4, 3, 2, 2, 0.7]),
        "status": pa.array(status.astype(np.int16)),
        "latency_ms": numbers(_log4(slow)),
        "queue_ms": numbers(_log4(slow * 0.08)),
        "bytes_in": pa.array(1 << random.integers(6, 16, rows)),
        "bytes_out": pa.array(1 << random.integers(8, 20, rows)),
        "error_code": _masked(pick(["invalid_parameter", "rate_limited", "not_found", "model_overloaded", "model_timeout", "unauthenticated"], [22, 20, 18, 14, 10, 8]), status < 400) if event == "api_request" else pick(["ice_failed", "gpu_lost", "model_timeout", "decoder_failed"], [5, 2, 6, 3]),
        "sdk": habit(["astack-python", "astack-js", "astack-go"], 9, [5, 3, 1]),
        "sdk_version": habit(["3.2", "3.1", "2.9"], 10, [6, 3, 1]),
        "referrer_class": pick(["none", "own", "search", "docs"], [70, 16, 8, 6]),
        "duration_s": pa.array(length.astype(np.int32), mask=random.random(rows) < 0.02),
        "connection_type": habit(["wifi", "ethernet", "5g", "4g", "vpn"], 11, [48, 28, 12, 9, 3]),
        "protocol": pick(["webrtc", "whip", "websocket"], [80, 12, 8]),
        "rtt_ms": numbers(_log4(random.lognormal(3.6, 0.5, rows)), 0.05),
        "packet_loss": numbers(random.choice([0, 0.001, 0.005, 0.02], rows, p=[0.6, 0.25, 0.1, 0.05]), 0.05),
        "fps": pa.array(random.choice([24, 30, 60], rows, p=[0.2, 0.6, 0.2]).astype(np.int16)),
        "time_to_first_frame_ms": numbers(_log4(random.lognormal(6.4, 0.4, rows)), 0.12 if bad else 0.025),
        "freeze_ms": numbers(_log4(random.lognormal(5.5, 1.2, rows)), 0.05),
        "end_reason": pick(["client_closed", "completed", "idle_timeout", "network_lost", "server_error"], [60, 26, 9, 3, 14 if bad else 1]),
        "features": pa.array([["live_restyle"]] * rows),
        "feature": pick(["live_restyle", "style_presets", "background_blur", "recording", "upscaling", "avatar_drive"], [30, 22, 18, 12, 10, 8]),
        "action": pick(["viewed", "opened", "configured", "started", "completed", "repeated"], [26, 22, 16, 15, 12, 9]),
        "component": pick(["inference", "media_ingest", "api_gateway", "encoder"], [5, 3, 2, 1]),
        "severity": pick(["warning", "error", "critical"], [5, 4, 1]),
    }  # fmt: skip
    if event == "feature_use":
        made["session"] = subjects(rows // 6 + 1, day, world.seed + 77).take(
            pa.array(random.integers(0, rows // 6 + 1, rows))
        )
    columns = [
        (made[item.name] if item.name in made else pa.nulls(rows, item.type)).cast(item.type)
        for item in schema
    ]
    return pa.table(columns, schema=schema)


def subjects(accounts: int, day: date, seed: int) -> pa.Array:
    """The tokens of all accounts in the day's key period."""
    epoch = epoch_of(day, EPOCH).index
    return tokens(np.random.default_rng(seed * 1000 + epoch), accounts)


def tokens(random: np.random.Generator, count: int) -> pa.Array:
    """Random tokens of 32 hexadecimal digits."""
    return pa.array(
        [value.hex() for value in np.frombuffer(random.bytes(16 * count), "V16").tolist()],
        pa.string(),
    )


def _text(values: Sequence[str], codes: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(list(values), pa.string()).take(pa.array(codes))


def _masked(column: pa.Array, hide: npt.NDArray[np.bool_]) -> pa.Array:
    return pc.if_else(pa.array(hide), pa.scalar(None, pa.string()), column)


def _normal(share: Sequence[float] | None, count: int) -> npt.NDArray[np.float64]:
    parts = np.array(share if share is not None else [1.0] * count, float)
    return parts / parts.sum()


def _hours() -> list[float]:
    return [1 + 0.8 * float(np.sin((hour - 8) / 24 * 2 * np.pi)) for hour in range(24)]


def _log4(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(2 ** ((np.floor(np.log2(values) * 4) + 0.5) / 4))
