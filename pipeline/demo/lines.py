"""The four events as columns of JSON text: each function makes the lines of one part.

Lines come in order of time, except for the late ones, which keep their place in the file and
carry a time up to six days earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.demo.columns import (
    DAY_US,
    Flags,
    Ints,
    decimal_text,
    hex_text,
    join,
    number_text,
    only,
    time_text,
    uuid_text,
    words,
)
from pipeline.demo.ladder import feature_actions
from pipeline.demo.profile import Floats, RouteTraffic, quoted
from pipeline.demo.story import factors
from pipeline.demo.world import VERSIONS, World, WorldSessions, fragments


class MadeLines(NamedTuple):
    """Lines, and when each reaches its file: the times rise, late lines carry earlier ones."""

    lines: pa.Array
    arrived_us: Ints


Maker = Callable[[World, WorldSessions, int, np.random.Generator], MadeLines]

_LATE_SHARE = 0.003
_MESSAGE_VARIANTS = 16
_FAILURES = ("server_error", "model_error", "network_lost")
"""How a session that never showed a frame ends."""


def _head(event: str, time_field: str, random: np.random.Generator, times: Ints) -> list[pa.Array]:
    start = f'{{"event":"{event}","version":{VERSIONS[event]},"event_id":"'
    return [start, uuid_text(random, len(times)), f'","{time_field}":', *time_text(times)]


def _moments(
    world: World, sessions: WorldSessions, rows: int, random: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    """Which session each row belongs to, when it happened, and when it arrives, which is in order.

    All but the late rows arrive when they happen.
    """
    weight = np.cumsum(np.sqrt(sessions.duration_s))
    owner = np.searchsorted(weight / weight[-1], random.random(rows)).clip(0, len(weight) - 1)
    lived = np.minimum(sessions.duration_s[owner] * 1e6, world.end_us - sessions.start_us[owner])
    times = sessions.start_us[owner] + (lived * random.random(rows)).astype(np.int64)
    order = np.argsort(times, kind="stable")
    owner, times = owner[order], times[order]
    late = random.random(rows) < _LATE_SHARE
    delay = (random.random(rows) * 6 * DAY_US).astype(np.int64)
    late &= times - delay >= world.begin_us
    return owner, np.where(late, times - delay, times), times


def _template_pieces(routes: tuple[RouteTraffic, ...]) -> tuple[list[str], list[str]]:
    """The text before and after the id in each route's path; `after` is empty without an id."""
    before, after = [], []
    for route in routes:
        head, brace, rest = route.template.partition("{")
        tail = rest.partition("}")[2]
        before.append(f',"method":"{route.method}","path":"{head}')
        after.append(f'{tail}"' if brace else "")
    return before, after


def _status_texts(world: World, random: np.random.Generator) -> list[str]:
    """Status, error code and message as text: a few variants of each status."""
    texts = []
    for status, code in world.profile.statuses:
        for _ in range(_MESSAGE_VARIANTS):
            text = f',"status":{status}'
            if code:
                number, name = random.integers(1, 90_000), random.bytes(6).hex()
                message = f"{code}: request {name} failed after {number} ms"
                text += f',"error_code":"{code}","error_message":{quoted(message)}'
            texts.append(text)
    return texts


def api_request(
    world: World, sessions: WorldSessions, rows: int, random: np.random.Generator
) -> MadeLines:
    """Lines of `api_request`: log-normal latency with a slow tail for each route."""
    profile, shares = world.profile, world.profile.shares
    owner, times, arrived = _moments(world, sessions, rows, random)
    route = shares["routes"].pick(random.random(rows))
    status = shares["statuses"].pick(random.random(rows))
    in_incident = world.story.broken(profile, sessions.region[owner], times)
    broken = in_incident & (random.random(rows) < profile.incident.failure_share)
    status[broken] = profile.statuses.index((profile.incident.status, profile.incident.error_code))
    faster = world.story.released(times) & _on(profile.release.route, profile.routes)[route]
    latency = _latency(world, route, random) * factors(
        rows, (in_incident, profile.incident.slowdown), (faster, profile.release.latency)
    )
    queue = np.exp(random.normal(0.4, 0.9, rows))
    bytes_in, bytes_out = (
        np.array([getattr(kind, name) for kind in profile.routes])[route]
        for name in ("bytes_in", "bytes_out")
    )
    spread = np.exp(random.normal(0, 0.5, rows))
    before, after = _template_pieces(profile.routes)
    has_id = np.array([bool(text) for text in after])
    closing = [text or '"' for text in after]
    about = join(
        ',"session_id":"',
        sessions.identifier,
        '"',
        words(world.who, sessions.account),
        words(world.addresses, sessions.address),
        words(world.agents, sessions.account),
        words(world.sdks, sessions.account),
        fragments(shares["models"].words, "model", sessions.model),
        fragments(shares["regions"].words, "region", sessions.region),
    )
    referrer = [f',"referrer":{quoted(text)}' if text else "" for text in shares["referrers"].words]
    variant = status * _MESSAGE_VARIANTS + random.integers(0, _MESSAGE_VARIANTS, rows)
    lines = join(
        *_head("api_request", "occurred_at", random, times),
        about.take(pa.array(owner)),
        words(before, route),
        only(has_id[route], hex_text(random, rows, 8)),
        words(closing, route),
        words(_status_texts(world, random), variant),
        ',"latency_ms":',
        *decimal_text((latency.clip(0.1, 600_000) * 100).astype(np.int64)),
        ',"queue_ms":',
        *decimal_text((queue * 100).astype(np.int64)),
        ',"bytes_in":',
        number_text((bytes_in * spread).astype(np.int64)),
        ',"bytes_out":',
        number_text((bytes_out * spread[::-1]).astype(np.int64)),
        words(referrer, shares["referrers"].pick(random.random(rows))),
        ',"trace_id":"',
        hex_text(random, rows, 16),
        '"}\n',
    )
    return MadeLines(lines, arrived)


def _on(template: str, routes: tuple[RouteTraffic, ...]) -> Flags:
    return np.array([route.template == template for route in routes])


def _latency(world: World, route: Ints, random: np.random.Generator) -> Floats:
    routes, rows = world.profile.routes, len(route)
    median = np.array([kind.median_ms for kind in routes])[route]
    sigma = np.array([kind.sigma for kind in routes])[route]
    slow = random.random(rows) < np.array([kind.slow_share for kind in routes])[route]
    latency = median * np.exp(sigma * random.standard_normal(rows))
    return np.where(slow, latency * random.uniform(6, 30, rows), latency)


def session(
    world: World, sessions: WorldSessions, rows: int, random: np.random.Generator
) -> MadeLines:
    """Lines of `session`: each session once, in a part of the world `rows` of them.

    More rows than sessions begin again from the first: `telemetry generate` asks for exactly as
    many as there are.
    """
    shares = world.profile.shares
    owner = np.arange(rows) % len(sessions.start_us)
    start = sessions.start_us[owner]
    end = start + (sessions.duration_s[owner] * 1e6).astype(np.int64)
    connections = shares["connection_types"]
    connection = connections.pick(random.random(rows))
    slowness = np.array([world.profile.slowness[name] for name in connections.words])[connection]
    rtt = np.exp(random.normal(3.4, 0.5, rows)) * slowness
    lost_of_10_000 = random.exponential(35, rows).astype(np.int64).clip(0, 3_000)
    height = shares["video_heights"].pick(random.random(rows))
    bitrate = np.array([900, 2_400, 4_800, 14_000])[height] * np.exp(random.normal(0, 0.3, rows))
    release, released = world.profile.release, world.story.released(start)
    in_incident = world.story.broken(world.profile, sessions.region[owner], start)
    first_frame = np.exp(random.normal(6.3, 0.55, rows)) * slowness
    first_frame *= factors(rows, (released, release.first_frame))
    started = random.random(rows) >= _no_start_share(world, in_incident)
    freeze = np.where(random.random(rows) < 0.3, random.exponential(900, rows), 0)
    ended = join(
        ',"ended_at":',
        *time_text(end),
        pc.if_else(
            pa.array(started),
            fragments_of(world, "end_reasons", "end_reason", random, rows),
            fragments(_FAILURES, "end_reason", random.integers(0, len(_FAILURES), rows)),
        ),
    )
    chosen = _feature_lists(world, random)
    lines = join(
        *_head("session", "started_at", random, start),
        only(~sessions.open[owner], ended),
        ',"session_id":"',
        sessions.identifier.take(pa.array(owner)),
        '"',
        words(world.who, sessions.account[owner]),
        words(world.addresses, sessions.address[owner]),
        words(world.agents, sessions.account[owner]),
        fragments(connections.words, "connection_type", connection),
        fragments_of(world, "protocols", "protocol", random, rows),
        fragments(shares["models"].words, "model", sessions.model[owner]),
        fragments(shares["regions"].words, "region", sessions.region[owner]),
        ',"rtt_ms":',
        *decimal_text((rtt * 100).astype(np.int64)),
        ',"packet_loss":0.',
        pc.utf8_lpad(number_text(lost_of_10_000), 4, "0"),
        ',"bitrate_kbps":',
        number_text(bitrate.astype(np.int64)),
        words([f',"video_height":{text}' for text in shares["video_heights"].words], height),
        only(
            started,
            join(
                ',"fps":',
                number_text(_frame_rate(world, slowness, released, in_incident, random)),
                ',"time_to_first_frame_ms":',
                *decimal_text((first_frame * 100).astype(np.int64)),
            ),
        ),
        ',"freeze_ms":',
        *decimal_text((freeze * 100).astype(np.int64)),
        words(chosen, random.integers(0, len(chosen), rows)),
        "}\n",
    )
    return MadeLines(lines, start)


def _no_start_share(world: World, in_incident: Flags) -> Floats:
    profile = world.profile
    return np.where(in_incident, profile.incident.no_start_share, profile.no_start_share)


def _frame_rate(
    world: World, slowness: Floats, released: Flags, in_incident: Flags, random: np.random.Generator
) -> Ints:
    """Frames that arrived per second: what was asked for, less what came too late."""
    profile, rows = world.profile, len(slowness)
    rates = profile.shares["frame_rates"]
    wanted = np.array([int(rate) for rate in rates.words])[rates.pick(random.random(rows))]
    lost = random.exponential(profile.lost_frames, rows) * slowness
    lost *= factors(
        rows, (released, profile.release.first_frame), (in_incident, profile.incident.slowdown)
    )
    arrived: Ints = np.rint(wanted * (1 - lost.clip(0, 0.9))).astype(np.int64)
    return arrived


def fragments_of(
    world: World, name: str, key: str, random: np.random.Generator, rows: int
) -> pa.Array:
    """`,"key":"word"` for a random word of one of the profile's shares."""
    share = world.profile.shares[name]
    return fragments(share.words, key, share.pick(random.random(rows)))


def _feature_lists(world: World, random: np.random.Generator) -> list[str]:
    names = list(dict.fromkeys(feature for feature, _ in world.profile.feature_actions))
    lists = [""]
    for size in (1, 1, 1, 2, 2, 3, 4):
        for _ in range(6):
            chosen = sorted(random.choice(names, size, replace=False))
            lists.append(f',"features":[{",".join(quoted(str(name)) for name in chosen)}]')
    return lists


def feature_use(
    world: World, sessions: WorldSessions, rows: int, random: np.random.Generator
) -> MadeLines:
    """Lines of `feature_use`."""
    owner, times, arrived = _moments(world, sessions, rows, random)
    pairs = world.profile.feature_actions
    chosen = feature_actions(world.profile, owner, len(sessions.start_us), random)
    about = join(
        ',"session_id":"',
        sessions.identifier,
        '"',
        words(world.who, sessions.account),
        words(world.addresses, sessions.address),
        words(world.agents, sessions.account),
        fragments(world.profile.shares["models"].words, "model", sessions.model),
    )
    lines = join(
        *_head("feature_use", "occurred_at", random, times),
        about.take(pa.array(owner)),
        words([f',"feature":"{name}","action":"{action}"}}\n' for name, action in pairs], chosen),
    )
    return MadeLines(lines, arrived)


def error_log(
    world: World, sessions: WorldSessions, rows: int, random: np.random.Generator
) -> MadeLines:
    """Lines of `error_log`; messages carry the ids and paths that real ones carry."""
    shares = world.profile.shares
    owner, times, arrived = _moments(world, sessions, rows, random)
    texts = []
    for kind in world.profile.errors:
        for _ in range(_MESSAGE_VARIANTS):
            number, name = random.integers(1, 90_000), random.bytes(6).hex()
            message = quoted(kind.message.format(id=name, number=number))
            texts.append(
                f',"component":"{kind.component}","severity":"{kind.severity}"'
                f',"error_code":"{kind.error_code}","message":{message}'
            )
    chosen = shares["errors"].pick(random.random(rows)) * _MESSAGE_VARIANTS
    about = join(
        ',"session_id":"',
        sessions.identifier,
        '"',
        words(world.names, sessions.account),
        fragments(shares["models"].words, "model", sessions.model),
        fragments(shares["regions"].words, "region", sessions.region),
    )
    lines = join(
        *_head("error_log", "occurred_at", random, times),
        about.take(pa.array(owner)),
        words(texts, chosen + random.integers(0, _MESSAGE_VARIANTS, rows)),
        "}\n",
    )
    return MadeLines(lines, arrived)


MAKERS: Mapping[str, Maker] = {
    "api_request": api_request,
    "session": session,
    "feature_use": feature_use,
    "error_log": error_log,
}
"""Which function makes the lines of which event."""
