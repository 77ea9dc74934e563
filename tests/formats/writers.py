"""How each format writes a request, and which raw fields are read from that line.

The expectation is made from the request, never by reading the line: it is independent of every
decoder. Lines are shaped by the public documentation of each product.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.formats.requests import CANARY, Request

Fields = dict[str, Any]
Writer = Callable[[Request, random.Random], tuple[str, Fields]]


def _common(r: Request, **more: Any) -> Fields:
    made = {
        "occurred_at": r.micros,
        "client_ip": r.ip,
        "method": r.method,
        "status": r.status,
        "bytes_out": r.bytes_out,
        **more,
    }
    return {name: value for name, value in made.items() if value is not None}


def _whole_second(r: Request) -> int:
    return r.micros // 1_000_000 * 1_000_000


def _json(value: Any, rng: random.Random) -> str:
    separators = rng.choice([(",", ":"), (", ", ": ")])
    return json.dumps(value, separators=separators, ensure_ascii=rng.random() < 0.5)


def _rfc3339(r: Request, spec: str = "milliseconds") -> str:
    return r.at.isoformat(timespec=spec).replace("+00:00", "Z")


def _signal(r: Request) -> str | None:
    return "1" if r.gpc == "1" else None


def nginx_json(r: Request, rng: random.Random) -> tuple[str, Fields]:
    line = {
        "time_iso8601": r.at.isoformat(timespec="seconds"),
        "request_id": r.id,
        "remote_addr": r.ip,
        "http_x_forwarded_for": r.forwarded or "",
        "request_method": r.method,
        "request_uri": r.uri,
        "status": rng.choice([r.status, str(r.status)]),
        "request_time": f"{r.latency_ms / 1000:.3f}",
        "upstream_response_time": rng.choice(["0.001, 0.002", "-", "0.001 : 0.2"]),
        "body_bytes_sent": rng.choice([r.bytes_out, str(r.bytes_out)]),
        "http_user_agent": r.agent,
        "http_referer": r.referrer or rng.choice(["", "-"]),
        "http_x_account_id": r.account or rng.choice(["", "-"]),
        "http_sec_gpc": r.gpc or "",
        "http_cookie": CANARY,
    }
    latency = float(line["request_time"]) * 1000  # type: ignore[arg-type]
    return _json(line, rng), _common(
        r,
        event_id=r.id,
        occurred_at=_whole_second(r),
        account_id=r.account,
        forwarded_for=r.forwarded,
        path=r.uri,
        latency_ms=latency,
        user_agent=r.agent,
        referrer=r.referrer,
        gpc=_signal(r),
    )


def _access(r: Request, rng: random.Random, quote_: str) -> tuple[str, str, Fields]:
    """What is common to both servers: the line up to its size, the rest, and its fields."""
    stamp = r.at.strftime("%d/%b/%Y:%H:%M:%S +0000")
    agent = r.agent if rng.random() < 0.8 else r.agent + ' "x"'
    fields = _common(
        r,
        occurred_at=_whole_second(r),
        account_id=r.account,
        path=r.path,
        user_agent=agent,
        referrer=r.referrer,
    )
    request = f"{r.method} {r.uri} HTTP/1.1"
    trap = rng.random()
    if trap < 0.02:  # TLS on a plain port, or nothing at all
        request = rng.choice(["", r"\x16\x03\x01\x02\x00\x01\x00 \xFC\x03", "-"])
        del fields["method"], fields["path"]
    front = r.ip
    if trap > 0.97:  # an address list in front
        front = f"{CANARY}.example, {r.ip}"
    agent = agent.replace('"', quote_)
    size = rng.choice(["-", "0"]) if r.status == 304 else str(r.bytes_out)
    if r.status == 304:
        fields.pop("bytes_out")
        if size == "0":
            fields["bytes_out"] = 0
    line = f'{front} - {r.account or "-"} [{stamp}] "{request}" {r.status} {size}'
    return line, f' "{r.referrer or "-"}" "{agent}"', fields


def nginx_combined(r: Request, rng: random.Random) -> tuple[str, Fields]:
    head, rest, fields = _access(r, rng, r"\x22")
    line = head + rest
    if r.forwarded is not None:
        line, fields["forwarded_for"] = f'{line} "{r.forwarded}"', r.forwarded
    return line, fields


def apache_combined(r: Request, rng: random.Random) -> tuple[str, Fields]:
    head, rest, fields = _access(r, rng, r"\"")
    return head + rest, fields


def apache_common(r: Request, rng: random.Random) -> tuple[str, Fields]:
    line, _, fields = _access(r, rng, r"\"")
    fields = {name: v for name, v in fields.items() if name not in ("user_agent", "referrer")}
    return line, fields


def envoy(r: Request, rng: random.Random) -> tuple[str, Fields]:
    aborted = rng.random() < 0.05
    line = {
        "start_time": _rfc3339(r),
        "request_id": rng.choice([r.id, None, "-"]),
        "downstream_remote_address": f"[{r.ip}]:443" if ":" in r.ip else f"{r.ip}:50123",
        "x_forwarded_for": r.forwarded,
        "method": r.method,
        "path": r.uri,
        "protocol": "HTTP/2",
        "response_code": 0 if aborted else r.status,
        "duration": rng.choice([r.latency_ms, str(r.latency_ms), f"{r.latency_ms}ms"]),
        "bytes_received": r.bytes_in,
        "bytes_sent": r.bytes_out,
        "user_agent": r.agent,
        "authority": f"{CANARY}.example",
        "x_account_id": r.account,
        "sec_gpc": r.gpc or "-",
    }
    found = _common(
        r,
        event_id=r.id if line["request_id"] == r.id else None,
        account_id=r.account,
        client_ip=line["downstream_remote_address"],
        forwarded_for=r.forwarded,
        path=r.uri,
        status=None if aborted else r.status,
        latency_ms=float(r.latency_ms),
        bytes_in=r.bytes_in,
        user_agent=r.agent,
        gpc=_signal(r),
    )
    return _json(line, rng), found


def aws_alb(r: Request, rng: random.Random) -> tuple[str, Fields]:
    times = [f"{part:.3f}" for part in (0.001, r.latency_ms / 1000, 0.0)]
    latency: float | None = 0.0
    if rng.random() < 0.1:
        times[rng.randrange(3)] = "-1"
        latency = None
    else:
        for text in times:
            latency = (latency or 0.0) + float(text) * 1000
    peer = f"[{r.ip}]:2817" if ":" in r.ip else f"{r.ip}:2817"
    trace = rng.choice(["-", f"Root=1-67891233-{r.id}"])
    agent = r.agent.replace("(", r"\x28") if rng.random() < 0.2 else r.agent
    columns = [
        *("h2", _rfc3339(r, "microseconds"), "app/lb/50dc6c495c0c9188", peer, "10.0.0.1:80"),
        *(*times, str(r.status), str(r.status), str(r.bytes_in), str(r.bytes_out)),
        f'"{r.method} https://{CANARY}.example:443{r.uri} HTTP/2.0"',
        *(f'"{agent}"', "ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.2", "arn:aws:x", f'"{trace}"'),
        *(f'"{CANARY}.example"', '"-"', "0", _rfc3339(r), '"forward"', '"-"', '"-"'),
    ]
    columns += rng.choice([[], ['"10.0.0.1:80"', '"200"', '"-"', '"-"', f"TID_{CANARY}", '"new"']])
    return " ".join(columns), _common(
        r,
        event_id=None if trace == "-" else trace,
        client_ip=peer,
        path=r.path,
        latency_ms=latency,
        bytes_in=r.bytes_in,
        user_agent=r.agent,
    )


def cloudfront(r: Request, rng: random.Random) -> tuple[str, Fields]:
    agent = quote(r.agent, safe="/;.,:=")
    if rng.random() < 0.5:
        agent = quote(agent, safe="/;.,:=")
    referrer = None if r.referrer is None else rng.choice([r.referrer, r.referrer[8:]])
    columns = [
        *(r.at.strftime("%Y-%m-%d"), r.at.strftime("%H:%M:%S"), "FRA56-P1", str(r.bytes_out)),
        *(r.ip, r.method, f"{CANARY}.cloudfront.net", r.path, str(r.status), referrer or "-"),
        *(agent, r.query or "-", f"c={CANARY}", "Hit", r.id, f"{CANARY}.example", "https"),
        *(str(r.bytes_in), f"{r.latency_ms / 1000:.3f}", (r.forwarded or "-").replace(" ", "%20")),
        *("TLSv1.3", "TLS_AES_128_GCM_SHA256", "Hit", "HTTP/2.0", "-", "-", "443", "0.001"),
        *("Hit", "text/html", "78", "-", "-"),
    ]
    return "\t".join(columns), _common(
        r,
        event_id=r.id,
        occurred_at=_whole_second(r),
        forwarded_for=r.forwarded,
        path=r.path,
        latency_ms=float(f"{r.latency_ms / 1000:.3f}") * 1000,
        bytes_in=r.bytes_in,
        user_agent=r.agent,
        referrer=referrer,
    )


def cloudflare(r: Request, rng: random.Random) -> tuple[str, Fields]:
    nanos = r.micros * 1000 + rng.randrange(1000)
    in_nanos = rng.random() < 0.5
    dropped = rng.random() < 0.05
    line = {
        "EdgeStartTimestamp": nanos if in_nanos else _rfc3339(r),
        "EdgeEndTimestamp": nanos + r.latency_ms * 1_000_000 if in_nanos else _rfc3339(r),
        "RayID": r.id,
        "ClientIP": r.ip,
        "ClientRequestMethod": r.method,
        "ClientRequestURI": r.uri,
        "ClientRequestHost": f"{CANARY}.example",
        "EdgeResponseStatus": 0 if dropped else r.status,
        "ClientRequestBytes": r.bytes_in,
        "EdgeResponseBytes": r.bytes_out,
        "ClientRequestUserAgent": r.agent,
        "ClientRequestReferer": r.referrer or "",
    }
    return _json(line, rng), _common(
        r,
        event_id=r.id,
        path=r.uri,
        status=None if dropped else r.status,
        latency_ms=float(r.latency_ms) if in_nanos else None,
        bytes_in=r.bytes_in,
        user_agent=r.agent,
        referrer=r.referrer,
    )


def caddy(r: Request, rng: random.Random) -> tuple[str, Fields]:
    aborted = rng.random() < 0.05
    headers: dict[str, list[str]] = {"User-Agent": [r.agent], "Cookie": [CANARY]}
    if r.referrer is not None:
        headers["Referer"] = [r.referrer]
    if r.gpc is not None:
        headers["Sec-Gpc"] = [r.gpc]
    if r.forwarded is not None:
        headers["X-Forwarded-For"] = [CANARY, r.forwarded]
    duration = repr(r.latency_ms / 1000)
    line = {
        "level": "info",
        "ts": 0,
        "logger": "http.log.access.log0",
        "msg": "handled request",
        "request": {
            "remote_ip": r.ip,
            "remote_port": "50123",
            "client_ip": r.ip,
            "proto": "HTTP/2.0",
            "method": r.method,
            "host": f"{CANARY}.example",
            "uri": r.uri,
            "headers": headers,
            "tls": {"resumed": False, "version": 772, "server_name": f"{CANARY}.example"},
        },
        "bytes_read": r.bytes_in,
        "user_id": r.account or "",
        "duration": float(duration),
        "size": r.bytes_out,
        "status": 0 if aborted else r.status,
        "resp_headers": {"Server": ["Caddy"]},
    }
    text = _json(line, rng)
    at = f"{r.micros // 1_000_000}.{r.micros % 1_000_000:06}9"
    for zero in ('"ts":0', '"ts": 0'):
        text = text.replace(zero, f'"ts":{at}', 1)
    return text, _common(
        r,
        account_id=r.account,
        forwarded_for=r.forwarded,
        path=r.uri,
        status=None if aborted else r.status,
        latency_ms=float(duration) * 1000,
        bytes_in=r.bytes_in,
        user_agent=r.agent,
        referrer=r.referrer,
        gpc=_signal(r),
    )


def traefik(r: Request, rng: random.Random) -> tuple[str, Fields]:
    line = {
        "ClientAddr": f"{r.ip}:1",
        "ClientHost": CANARY,
        "ClientUsername": r.account or "-",
        "DownstreamContentSize": r.bytes_out,
        "DownstreamStatus": r.status,
        "Duration": r.latency_ms * 1_000_000,
        "RequestContentSize": r.bytes_in,
        "RequestMethod": r.method,
        "RequestPath": r.uri,
        "StartUTC": f"{r.at:%Y-%m-%dT%H:%M:%S}.{r.micros % 1_000_000:06}123Z",
        "request_User-Agent": r.agent,
        "request_Cookie": CANARY,
        "time": _rfc3339(r),
    }
    for name, value in (("X-Forwarded-For", r.forwarded), ("Sec-Gpc", r.gpc)):
        if value is not None:
            line[f"request_{name}"] = value
    return _json(line, rng), _common(
        r,
        account_id=r.account,
        client_ip=f"{r.ip}:1",
        forwarded_for=r.forwarded,
        path=r.uri,
        latency_ms=float(r.latency_ms),
        bytes_in=r.bytes_in,
        user_agent=r.agent,
        gpc=_signal(r),
    )


def kong(r: Request, rng: random.Random) -> tuple[str, Fields]:
    headers = {"user-agent": rng.choice([r.agent, [r.agent]]), "authorization": CANARY}
    if r.gpc is not None:
        headers["sec-gpc"] = r.gpc
    line = {
        "started_at": r.micros // 1000,
        "client_ip": r.ip,
        "request": {
            "id": r.id,
            "method": r.method,
            "uri": r.uri,
            "url": f"https://{CANARY}.example{r.uri}",
            "size": rng.choice([r.bytes_in, str(r.bytes_in)]),
            "headers": headers,
            "querystring": {"token": CANARY},
        },
        "response": {"status": r.status, "size": r.bytes_out, "headers": {"x": CANARY}},
        "latencies": {"request": r.latency_ms, "kong": 3, "proxy": -1},
        "authenticated_entity": {"id": CANARY, "consumer_id": r.account},
        "route": {"paths": [f"/{CANARY}"], "service": {"id": CANARY}},
    }
    return _json(line, rng), _common(
        r,
        event_id=r.id,
        occurred_at=r.micros // 1000 * 1000,
        account_id=r.account,
        path=r.uri,
        latency_ms=float(r.latency_ms),
        queue_ms=3.0,
        bytes_in=r.bytes_in,
        user_agent=r.agent,
        gpc=_signal(r),
    )


IIS_COLUMNS = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) "
    "cs(Referer) sc-status sc-substatus sc-win32-status sc-bytes cs-bytes time-taken"
)


def iis(r: Request, rng: random.Random) -> tuple[str, Fields]:
    columns = [
        *(r.at.strftime("%Y-%m-%d"), r.at.strftime("%H:%M:%S"), "10.0.0.1", r.method, r.path),
        *(r.query or "-", "443", r.account or "-", r.ip, r.agent.replace(" ", "+")),
        *(r.referrer or "-", str(r.status), "0", "0", str(r.bytes_out), str(r.bytes_in)),
        str(r.latency_ms),
    ]
    return " ".join(columns), _common(
        r,
        occurred_at=_whole_second(r),
        account_id=r.account,
        path=r.path,
        latency_ms=float(r.latency_ms),
        bytes_in=r.bytes_in,
        user_agent=r.agent,
        referrer=r.referrer,
    )


def _track(r: Request, rng: random.Random, when: str, where: bool) -> tuple[str, Fields]:
    line = {
        "type": "track",
        "event": rng.choice(["recording", "relighting", f"{CANARY} bought"]),
        "messageId": r.id,
        "userId": r.account,
        "anonymousId": CANARY,
        when: _rfc3339(r),
        "context": {
            "userAgent": r.agent,
            "page": {"url": f"https://{CANARY}.example"},
            "traits": {"plan": "pro", "email": f"{CANARY}@example.com"},
        },
        "properties": {"action": "start", "text": CANARY, "products": [{"id": CANARY}]},
    }
    if where:
        line["context"]["ip"] = r.ip  # type: ignore[index]
    else:
        line["request_ip"] = r.ip
    found = {
        "event_id": r.id,
        "occurred_at": r.micros // 1000 * 1000,
        "account_id": r.account,
        "feature": line["event"],
        "action": "start",
        "plan": "pro",
        "user_agent": r.agent,
        "client_ip": r.ip,
    }
    return _json(line, rng), {name: value for name, value in found.items() if value is not None}


def segment(r: Request, rng: random.Random) -> tuple[str, Fields]:
    return _track(r, rng, "timestamp", where=True)


def rudderstack(r: Request, rng: random.Random) -> tuple[str, Fields]:
    return _track(r, rng, "originalTimestamp", where=False)


def otlp(r: Request, rng: random.Random) -> tuple[str, Fields]:
    values: Fields = {
        "http.request.method": {"stringValue": r.method},
        "url.path": {"stringValue": r.path},
        "url.query": {"stringValue": CANARY},
        "client.address": {"stringValue": r.ip},
        "user_agent.original": {"stringValue": r.agent},
        "http.response.status_code": {"intValue": rng.choice([r.status, str(r.status)])},
        "http.response.body.size": {"intValue": str(r.bytes_out)},
        "http.request.header.cookie": {"arrayValue": {"values": [{"stringValue": CANARY}]}},
        "user.id": {"stringValue": r.account} if r.account else {},
    }
    record = {
        "timeUnixNano": str(r.micros * 1000 + 999),
        "severityNumber": 9,
        "body": {"stringValue": CANARY},
        "attributes": [{"key": name, "value": value} for name, value in values.items()],
        "traceId": "5b8efff798038103d269b633813fc60c",
    }
    return json.dumps(record), _common(
        r, account_id=r.account, path=r.path, user_agent=r.agent, region="eu-west"
    )


def otlp_line(records: list[str]) -> str:
    """The line of an exporter that has collected so many records."""
    region = {"key": "cloud.region", "value": {"stringValue": "eu-west"}}
    host = {"key": "host.name", "value": {"stringValue": CANARY}}
    resource = json.dumps({"attributes": [host, region]})
    scope = f'{{"scope":{{"name":"{CANARY}"}},"logRecords":[{",".join(records)}]}}'
    return f'{{"resourceLogs":[{{"resource":{resource},"scopeLogs":[{scope}]}}]}}'


def snowplow(r: Request, rng: random.Random) -> tuple[str, Fields]:
    columns = [rng.choice(["", CANARY]) for _ in range(131)]
    put = {
        3: r.at.strftime("%Y-%m-%d %H:%M:%S.") + f"{r.at.microsecond // 1000:03}",
        6: r.id,
        12: r.account or "",
        13: r.ip,
        53: rng.choice(["recording", ""]),
        54: "start",
        77: r.agent,
        123: "",
    }
    for at, value in put.items():
        columns[at] = value
    found = {
        "event_id": r.id,
        "occurred_at": r.micros // 1000 * 1000,
        "account_id": r.account,
        "client_ip": r.ip,
        "feature": put[53] or None,
        "action": "start",
        "user_agent": r.agent,
    }
    return "\t".join(columns), {name: v for name, v in found.items() if v is not None}


WRITERS: dict[str, Writer] = {
    one.__name__: one
    for one in (
        apache_combined,
        apache_common,
        aws_alb,
        caddy,
        cloudflare,
        cloudfront,
        envoy,
        iis,
        kong,
        nginx_combined,
        nginx_json,
        otlp,
        rudderstack,
        segment,
        snowplow,
        traefik,
    )
}
