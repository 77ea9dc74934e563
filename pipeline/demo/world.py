"""Who uses the demo's service, and when: accounts and their sessions, from a seed.

All four events draw on the same sessions, so that tokens agree across tables: a request, a
feature use and an error of one session carry its account, address and client. Sessions come in
parts of about 4,000 that can be made independently and in time order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from pipeline.demo.columns import DAY_US, Flags, Ints, hex_text, join, words
from pipeline.demo.profile import Floats, Profile, quoted
from pipeline.demo.story import HOUR_US, story_of

_PART = 4_000
_TRUSTED_PROXY = "198.19.255.{}"

PROXY_NETWORK = "198.19.255.0/28"
"""Where the demo's own proxies are: the settings must trust this network."""

DEMO_RANGES = ("198.18.0.0/15", "2001:db8::/32")
"""The only ranges that the demo's addresses come from: no real client can have one."""


VERSIONS = {"api_request": 2, "session": 2, "feature_use": 2, "error_log": 1}
"""The version that the lines of each event declare: the newest one."""


@dataclass(frozen=True, slots=True)
class WorldSessions:
    """A part of the sessions, ordered by start; every column has one value per session."""

    part: int
    account: Ints
    start_us: Ints
    duration_s: Floats
    open: Flags
    """Whether the session still runs at the end of the demo's time."""
    identifier: pa.Array
    model: Ints
    region: Ints
    address: Ints
    """Index into the world's address fragments."""


class World:
    """The accounts, and the rhythm in which they open sessions between two times."""

    def __init__(
        self, profile: Profile, *, seed: int, begin: datetime, end: datetime, sessions: int
    ) -> None:
        self.profile = profile
        self.seed = seed
        self.begin_us = _microseconds(begin)
        self.end_us = _microseconds(end)
        self.sessions = max(1, sessions)
        self.parts = max(1, round(self.sessions / _PART))
        self.accounts = int(np.clip(self.sessions // 5, 40, 100_000))
        self._arrivals = self._rhythm()
        self._people()
        self.story = story_of(profile, self.begin_us, self.end_us)

    def random(self, *purpose: int) -> np.random.Generator:
        """A separate generator for each purpose, so that parts do not depend on each other."""
        return np.random.Generator(np.random.PCG64([self.seed, *purpose]))

    def account_id(self, index: int) -> str:
        """The raw account id."""
        return f"acct_{self._ids[index]:012x}"

    def opted_out(self) -> list[str]:
        """The raw ids of the accounts that have opted out: about one in a hundred."""
        return [self.account_id(index) for index in np.flatnonzero(self._opted_out).tolist()]

    def part(self, number: int) -> WorldSessions:
        """Make one part of the sessions; the same part always has the same sessions."""
        random = self.random(1, number)
        first = self.sessions * number // self.parts
        count = self.sessions * (number + 1) // self.parts - first
        quantiles = (first + np.sort(random.random(count)) * count) / self.sessions
        start = np.interp(quantiles, *self._arrivals).astype(np.int64)
        account = np.searchsorted(self._activity, random.random(count)).astype(np.int64)
        # Nobody opens a session before the account exists: an older account takes its place.
        early = self._created_us[account] > start
        account[early] = account[early] % self._first_new
        duration = np.exp(random.normal(5.6, 1.25, count)).clip(2, 4 * 3600)
        is_open = start + (duration * 1e6).astype(np.int64) > self.end_us
        region = self.profile.shares["regions"].pick(random.random(count))
        roaming = random.random(count)
        anonymous = random.random(count) < 0.01
        return WorldSessions(
            part=number,
            account=np.where(anonymous, self.accounts, account),
            start_us=start,
            duration_s=duration,
            open=is_open,
            identifier=join("sess_", hex_text(random, count, 12)),
            model=self.profile.shares["models"].pick(random.random(count)),
            region=region,
            address=account * 3 + (roaming > 0.8) + (roaming > 0.95),
        )

    def all_parts(self) -> Iterator[WorldSessions]:
        """Every part, in order of time."""
        return (self.part(number) for number in range(self.parts))

    def _rhythm(self) -> tuple[Floats, Floats]:
        """Quantile -> time: hours of the day, days of the week and slow growth."""
        hours = np.arange(self.begin_us // HOUR_US, -(-self.end_us // HOUR_US))
        days = hours // 24
        # 1970-01-01 was a Thursday, the fourth day of a week that begins on Monday.
        rate = self.profile.hours[hours % 24] * self.profile.weekdays[(days + 3) % 7]
        rate = rate * (1 + self.profile.growth_per_day) ** (days - days[0])
        edges = np.append(hours, hours[-1] + 1) * HOUR_US
        edges = edges.clip(self.begin_us, self.end_us).astype(np.float64)
        weight = rate * np.diff(edges)
        return np.concatenate([[0.0], np.cumsum(weight) / weight.sum()]), edges

    def _people(self) -> None:
        random = self.random(0)
        count, shares = self.accounts, self.profile.shares
        self._ids = random.integers(0, 2**48, count)
        # Heavy-tailed: a few accounts make most of the sessions, but none a fifth of them.
        weight = random.pareto(1.25, count).clip(0.02, 60) + 0.02
        # One account in two hundred is new on a day, and one in eight however short the time is.
        new = float(np.clip(0.005 * (self.end_us - self.begin_us) / DAY_US, 0.12, 0.4))
        self._first_new = max(1, round(count * (1 - new)))
        self._created_us = self.begin_us - (random.exponential(240, count) * DAY_US).astype(int)
        fresh = count - self._first_new
        span = max(1, self.end_us - self.begin_us)
        self._created_us[self._first_new :] = self.begin_us + random.integers(0, span, fresh)
        self._activity = np.cumsum(weight) / weight.sum()
        self._activity[-1] = 1.0
        self._opted_out = random.random(count) < 0.01
        # However small the demo, one account that really appears has opted out.
        self._opted_out[np.searchsorted(self._activity, 0.5)] = True
        plans = [shares["plans"].words[i] for i in shares["plans"].pick(random.random(count))]
        dates = np.datetime_as_string((self._created_us // DAY_US).astype("datetime64[D]"))
        signal = random.random(count)
        signals = [
            ',"gpc":"1"' if value < 0.006 else ',"dnt":"1"' if value < 0.01 else ""
            for value in signal
        ]
        names = [f',"account_id":"{self.account_id(i)}"{signals[i]}' for i in range(count)]
        self.names = _texts(names)
        self.who = _texts(
            f'{name},"plan":"{plan}","account_created_on":"{day}"'
            for name, plan, day in zip(names, plans, dates, strict=True)
        )
        client = shares["clients"].pick(random.random(count))
        kinds = [self.profile.clients[index] for index in client]
        self.agents = _texts(f',"user_agent":{quoted(kind.user_agent)}' for kind in kinds)
        self.sdks = _texts(
            f',"sdk_name":"{kind.sdk}","sdk_version":"{kind.version}"' if kind.sdk else ""
            for kind in kinds
        )
        self.addresses = _texts(self._places(random))

    def _places(self, random: np.random.Generator) -> list[str]:
        """Three addresses per account: at home, at work behind our own proxy, on the road."""
        rows = self.accounts * 3
        country = self.profile.shares["countries"].pick(random.random(rows))
        country[1::3] = country[::3]
        # Each country holds a sixteenth of both ranges; the top of the last one is kept for
        # proxies and canaries.
        host = random.integers(0, 7_900, rows)
        is_v6 = random.random(rows) < 0.18
        low = random.integers(0, 2**16, (rows, 2))
        proxy = random.integers(1, 15, rows)
        found = []
        for row in range(rows):
            number = (198 << 24 | 18 << 16) + (int(country[row]) << 13) + int(host[row])
            text = f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            if is_v6[row]:
                group = (int(country[row]) << 12) + int(host[row] % 4096)
                text = f"2001:db8:{group:x}:{low[row, 0]:x}::{low[row, 1]:x}"
            if row % 3 == 1:
                own = _TRUSTED_PROXY.format(proxy[row])
                found.append(f',"client_ip":"{own}","forwarded_for":"{text}"')
            else:
                found.append(f',"client_ip":"{text}"')
        return found


def _texts(texts: Iterable[str]) -> pa.Array:
    """A text for each account, and an empty one at the end for sessions without an account."""
    return pa.array([*texts, ""], pa.string())


def _microseconds(time: datetime) -> int:
    return round(time.astimezone(UTC).timestamp()) * 1_000_000


def fragments(choices: tuple[str, ...], key: str, indices: Ints) -> pa.Array:
    """`,"key":"word"` for one of the words per row."""
    return words([f',"{key}":{quoted(word)}' for word in choices], indices)
