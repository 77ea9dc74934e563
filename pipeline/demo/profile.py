"""What the demo's traffic is made of: weighted words and numbers, read from `schemas/demo/`.

The files are data of ours, packaged with the code, so a malformed one is a defect and fails as
such; there is nothing in them for an operator to set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.parsing import parse_toml

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weighted:
    """Words with their cumulative shares, ready for sampling by a uniform number."""

    words: tuple[str, ...]
    cumulative: Floats

    def pick(self, uniform: Floats) -> npt.NDArray[np.int64]:
        """Map uniform numbers in [0, 1) to word indices."""
        return np.searchsorted(self.cumulative, uniform, side="right").astype(np.int64)


@dataclass(frozen=True, slots=True)
class RouteTraffic:
    """One route: how often it is called, how long it takes and what it moves."""

    method: str
    template: str
    median_ms: float
    sigma: float
    slow_share: float
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True)
class Incident:
    """A few hours in which one region often fails."""

    title: str
    region: str
    hours: int
    start_hour: int
    failure_share: float
    """Of requests that fail with `status`."""
    slowdown: float
    status: int
    error_code: str
    no_start_share: float
    """Of sessions that never show a frame."""


@dataclass(frozen=True, slots=True)
class Release:
    """A version that makes one route and the first frame faster."""

    title: str
    days_ago: int
    route: str
    latency: float
    """Factor on the response time of the route."""
    first_frame: float
    """Factor on the time to the first frame, and on lost frames."""


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One kind of line in the error log; the message has `{id}` and `{number}` to fill in."""

    component: str
    severity: str
    error_code: str
    message: str


@dataclass(frozen=True, slots=True)
class ClientKind:
    """What an account calls the API with: SDK fields, if any, and the user agent."""

    sdk: str
    version: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Profile:
    """The whole mix. Each tuple of kinds has its shares in `shares` under the same name."""

    hours: Floats
    weekdays: Floats
    growth_per_day: float
    slowness: Mapping[str, float]
    """Factor on round trips and first frames, by connection type."""
    incident: Incident
    release: Release
    no_start_share: float
    """Of sessions that never show a frame, on an ordinary day."""
    lost_frames: float
    """Mean share of frames that do not arrive in time, on a connection of factor 1."""
    routes: tuple[RouteTraffic, ...]
    statuses: tuple[tuple[int, str], ...]
    errors: tuple[ErrorKind, ...]
    clients: tuple[ClientKind, ...]
    feature_actions: tuple[tuple[str, str], ...]
    shares: Mapping[str, Weighted]
    """By name: countries, routes, statuses, errors, clients, feature_actions, models, ..."""


def _weighted(pairs: Mapping[str, float] | list[tuple[str, float]]) -> Weighted:
    items = list(pairs.items()) if isinstance(pairs, Mapping) else pairs
    weights = np.array([weight for _, weight in items], dtype=np.float64)
    cumulative = np.cumsum(weights) / weights.sum()
    cumulative[-1] = 1.0
    return Weighted(tuple(word for word, _ in items), cumulative)


def _clients(document: Mapping[str, Any], browsers: list[Any]) -> list[tuple[ClientKind, float]]:
    found: list[tuple[ClientKind, float]] = []
    for sdk in document["sdks"]:
        versions = sdk["versions"]
        # The newest version has most users, each older one half of the next.
        halves = [2.0**index for index in range(len(versions))]
        for version, half in zip(versions, halves, strict=True):
            agent = sdk["agent"].replace("{version}", version)
            kind = ClientKind(sdk["name"], version, agent)
            found.append((kind, sdk["weight"] * half / sum(halves)))
    total = sum(weight for weight, _ in browsers)
    for weight, agent in browsers:
        share = document["browser_weight"] * weight / total
        found.append((ClientKind("", "", agent), share))
    return found


def parse_profile(traffic: str, user_agents: str) -> Profile:
    """Build the profile from the texts of `traffic.toml` and `user_agents.toml`."""
    document = parse_toml(traffic)
    clients = _clients(document, parse_toml(user_agents)["browsers"])
    actions = [
        ((feature, action), weight)
        for feature, weights in document["features"].items()
        for action, weight in weights.items()
    ]
    shares = {name: _weighted(weights) for name, weights in document["weights"].items()}
    shares["countries"] = _weighted([(str(i), w) for i, w in enumerate(document["countries"])])
    shares["routes"] = _weighted([(row[1], row[2]) for row in document["routes"]])
    shares["statuses"] = _weighted([(str(row[0]), row[2]) for row in document["statuses"]])
    shares["errors"] = _weighted([(row[4], row[3]) for row in document["errors"]])
    shares["clients"] = _weighted([(kind.user_agent, weight) for kind, weight in clients])
    shares["feature_actions"] = _weighted([("/".join(pair), weight) for pair, weight in actions])
    return Profile(
        hours=np.array(document["hours"], dtype=np.float64),
        weekdays=np.array(document["weekdays"], dtype=np.float64),
        growth_per_day=document["growth_per_day"],
        slowness=document["slowness"],
        incident=Incident(**document["incident"]),
        release=Release(**document["release"]),
        no_start_share=document["no_start_share"],
        lost_frames=document["lost_frames"],
        routes=tuple(RouteTraffic(*row[:2], *row[3:]) for row in document["routes"]),
        statuses=tuple((row[0], row[1]) for row in document["statuses"]),
        errors=tuple(ErrorKind(row[0], row[1], row[2], row[4]) for row in document["errors"]),
        clients=tuple(kind for kind, _ in clients),
        feature_actions=tuple(pair for pair, _ in actions),
        shares=shares,
    )


def quoted(text: str) -> str:
    """The text as a JSON string, quotes included."""
    return json.dumps(text, ensure_ascii=False)
