"""Lines that go wrong in every way that real ones do, and the canaries that must not come out.

A canary is an invented e-mail address, API key, network address or account id. Canaries are in
every identifying field, in key names and in undeclared fields; a scan of everything that was
written must find none of them (`pipeline.ops.audit.value_scan`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from pipeline.demo.world import VERSIONS

EMAIL = "canary.person+7421@example.com"
API_KEY = "sk_live_CANARY9f3b61c07d2e48aa"
ADDRESS_V4 = "198.19.254.253"
ADDRESS_V6 = "2001:db8:fa1c:4e50::7421"
ACCOUNT = "acct_canary5d1c9f"

CANARIES = (EMAIL, API_KEY, ADDRESS_V4, ADDRESS_V6, ACCOUNT)
"""Texts that are in the generated input and may be in no output."""

Fields = dict[str, object]
_Edit = Callable[[Fields], object]

_OVERSIZED = 70_000
_ACCOUNTS = 40
"""Few accounts send awkward lines, so that these do not look like growth in the figures."""
_TIME_FIELD = {"session": "started_at"}


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _sound(event: str, moment: datetime, random: np.random.Generator) -> Fields:
    """A small event that is accepted; the awkward lines are edited from it."""
    fields: Fields = {
        "event": event,
        "version": VERSIONS[event],
        "event_id": random.bytes(16).hex(),
        _TIME_FIELD.get(event, "occurred_at"): _time(moment),
        "account_id": f"acct_{random.integers(_ACCOUNTS):012x}",
        "session_id": f"sess_{random.bytes(12).hex()}",
        "client_ip": f"198.18.{random.integers(0, 256)}.{random.integers(1, 255)}",
        "user_agent": "curl/8.9.1",
    }
    if event == "api_request":
        fields |= {"method": "GET", "path": "/v1/models", "status": 200, "latency_ms": 8.5}
    if event == "session":
        fields |= {"time_to_first_frame_ms": 540.0}
    return fields


def _set(**values: object) -> _Edit:
    return lambda fields: fields.update(values)


def _nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


# Accepted, with values that a careless treatment would let through.
_ACCEPTED: tuple[_Edit, ...] = (
    _set(account_id=EMAIL, session_id=f"sess_{EMAIL}"),
    _set(account_id=ACCOUNT, event_id=f"evt_{ACCOUNT}"),
    _set(client_ip=ADDRESS_V4),
    _set(client_ip=ADDRESS_V6),
    _set(client_ip="198.19.255.3", forwarded_for=f"192.168.1.20, {ADDRESS_V4}"),
    _set(client_ip=f"::ffff:{ADDRESS_V4}"),
    _set(client_ip="::ffff:c613:fefd"),
    _set(client_ip=f"fe80::1%{EMAIL}"),
    _set(client_ip=True),
    _set(client_ip=3323199229),
    _set(client_ip="192.168.1.20"),
    _set(client_ip=f"{ADDRESS_V4}:443"),
    _set(user_agent=f"{EMAIL} ({API_KEY})"),
    _set(user_agent=f"Mozilla/5.0 (compatible; {ACCOUNT}Bot/9.9)"),
    _set(path=f"/v1/streams/{ACCOUNT}/frames?api_key={API_KEY}", referrer=f"https://{EMAIL}/"),
    _set(path=f"/users/{EMAIL}", method=API_KEY),
    _set(error_code=API_KEY, error_message=f"login of {EMAIL} from {ADDRESS_V4} failed"),
    _set(message=f"login of {EMAIL} from {ADDRESS_V4} with {API_KEY} failed", component=ACCOUNT),
    _set(model=API_KEY, region=EMAIL, plan=ACCOUNT, sdk_name=EMAIL, sdk_version=API_KEY),
    _set(feature=EMAIL, action=API_KEY, features=[EMAIL, ACCOUNT], protocol=API_KEY),
    _set(email=EMAIL, headers={"Authorization": f"Bearer {API_KEY}"}, trace={"ip": ADDRESS_V6}),
    lambda fields: fields.update({EMAIL: 1, API_KEY: True, f"x-{ACCOUNT}": ADDRESS_V4}),
    _set(account_created_on=EMAIL, latency_ms=-1.0, rtt_ms=-4, bytes_in=-7),
    _set(account_id=None, session_id=None, client_ip=None, user_agent=None),
)

# Refused, each for a different reason, and again full of canaries.
_REFUSED: tuple[_Edit, ...] = (
    _set(version=99, account_id=EMAIL),
    _set(event="invoice", account_id=EMAIL),
    _set(event_id=None, account_id=ACCOUNT),
    _set(event_id=7),
    _set(occurred_at=EMAIL, started_at=EMAIL),
    _set(account_id=EMAIL + "x" * 300),
    _set(user_agent="Mozilla/5.0 " + ADDRESS_V4 * 300, path="/" + API_KEY * 100),
    _set(padding=EMAIL + "x" * _OVERSIZED),
    _set(notes=_nested(9), account_id=ACCOUNT),
    lambda fields: fields.update({f"{ACCOUNT}_{index}": 1 for index in range(120)}),
    _set(status=10**25, bytes_in=2**70, bitrate_kbps=10**30, account_id=EMAIL),
    _set(account_id=f"{ACCOUNT}\x00admin"),
)


def _malformed(line: bytes) -> tuple[bytes, ...]:
    text = line.rstrip(b"\n")
    return (
        text[: len(text) // 2] + b"\n",
        b"[" + text + b"]\n",
        f"{EMAIL} logged in from {ADDRESS_V4}\n".encode(),
        b'"' + API_KEY.encode() + b'"\n',
        text[:-1] + f', "account_id": "{EMAIL}"}}\n'.encode(),
        text[:-1] + f', "account\\u005fid": "{ACCOUNT}"}}\n'.encode(),
        text[:-1] + b', "latency_ms": NaN, "rtt_ms": Infinity}\n',
        text[:-1] + b', "plan": "pro\xff\xfe' + ACCOUNT.encode() + b'"}\n',
        b"\xef\xbb\xbf" + text + b"\n",
        text + text + b"\n",
        b"null\n",
    )


def awkward_lines(
    event: str, random: np.random.Generator, arrival: Callable[[], tuple[datetime, datetime]]
) -> Iterator[bytes]:
    """Yield awkward lines without end: each kind in turn.

    `arrival` gives the time at which the next line arrives, and the end of the day or of the
    demo, against which future and old events are set.
    """
    while True:
        for edit in (*_ACCEPTED, *_REFUSED):
            fields = _sound(event, arrival()[0], random)
            edit(fields)
            yield _line({name: value for name, value in fields.items() if value is not None})
        yield from _malformed(_line(_sound(event, arrival()[0], random)))
        for offset in (timedelta(hours=2), timedelta(days=30), timedelta(days=-400)):
            yield _line(_sound(event, arrival()[1] + offset, random))
        for signal in ("gpc", "dnt"):
            yield _line({**_sound(event, arrival()[0], random), signal: "1", "account_id": EMAIL})


def _line(fields: Fields) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


KINDS = len(_ACCEPTED) + len(_REFUSED) + len(_malformed(b"{}")) + 5
"""How many lines pass before the kinds repeat."""
