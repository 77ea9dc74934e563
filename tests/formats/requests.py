"""What really happened: requests from a seed, from which the writers of each format make lines."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

CANARY = "canary7421"
"""Stands in every value that must be found nowhere in what is stored."""

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

AGENTS = (
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/130.0.0.0 Safari/537.36 {CANARY}",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Safari/604.1 {CANARY}",
    f"curl/8.5.0 {CANARY}",
)
METHODS = ("GET", "GET", "GET", "POST", "PUT", "DELETE")
STATUSES = (200, 200, 200, 201, 304, 404, 429, 499, 500, 503)


@dataclass(frozen=True)
class Request:
    """One request, in the units of the raw fields."""

    number: int
    at: datetime
    account: str | None
    ip: str
    forwarded: str | None
    method: str
    path: str
    query: str
    status: int
    latency_ms: int
    bytes_in: int
    bytes_out: int
    agent: str
    referrer: str | None
    gpc: str | None

    @property
    def micros(self) -> int:
        """The time in microseconds since 1970."""
        return (self.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    @property
    def id(self) -> str:
        """An id that no other request has."""
        return f"{self.number:08x}-{CANARY}"

    @property
    def uri(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path


def requests(count: int, seed: int = 1) -> list[Request]:
    """Requests in their order, mostly a fraction of a second apart."""
    rng = random.Random(seed)
    at, found = START, []
    for number in range(count):
        at += timedelta(milliseconds=rng.choice([1, 7, 40, 250]))
        found.append(
            Request(
                number,
                at,
                f"acct-{CANARY}-{rng.randrange(50)}" if rng.random() < 0.8 else None,
                rng.choice(["198.18.3.4", "198.18.77.1", "2001:db8::7421", "10.1.2.3"]),
                rng.choice([None, "198.19.1.1", "198.19.1.1, 198.18.9.9"]),
                rng.choice(METHODS),
                rng.choice(
                    [
                        f"/v1/sessions/{CANARY}-{number % 97}",
                        "/v1/models",
                        f"/{CANARY}/x",
                        "/v1/%7Euser",
                    ]
                ),
                rng.choice(["", f"token={CANARY}&mail=a%40b.example"]),
                rng.choice(STATUSES),
                rng.randrange(1, 9000),
                rng.randrange(5000),
                rng.randrange(50_000),
                rng.choice(AGENTS),
                rng.choice([None, f"https://search.example/?q={CANARY}"]),
                rng.choice([None, None, None, "1", "0"]),
            )
        )
    return found
