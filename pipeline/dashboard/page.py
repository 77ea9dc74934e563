"""The page: one HTML file with style, charts, script and data inside, which loads nothing.

Its content security policy allows exactly the inlined script and style, by hash, and no request
at all. Text from the rollups reaches the document as text nodes, or escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from pipeline.dashboard.data import VERSION
from pipeline.parsing import parse_json

PACKAGE = "pipeline.dashboard"
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath fill='%232f5fd0' d='M1 9h3v6H1zM6 5h3v10H6zM11 1h3v14h-3z'/%3E%3C/svg%3E"
)
"""Inside the page, or a browser would ask the server for one."""

SCRIPTS = (
    "words", "values", "state", "ranges", "figures", "frame", "trends", "lists", "grids", "rows",
    "cards", "tiles", "page",
)  # fmt: skip
"""The modules of the page's script. They share one scope, and a later one may use what an earlier
one declares."""

_DATA = re.compile(r'(<script type="application/json" id="data">)(.*?)(</script>)', re.S)


def render(data: Mapping[str, Any], fixed: str) -> str:
    """Give the page for a data block as `page_data` makes it, and its fixed parts as HTML.

    Equal arguments, equal bytes.
    """
    world = _asset("vendor/world.json")
    style = _asset("style.css")
    charts = _asset("vendor/echarts.js")
    script = script_text()
    parts = {
        "policy": policy(),
        "icon": ICON,
        "fixed": fixed,
        "style": style,
        "charts": charts,
        "script": script,
        "world": _inert(world),
        "data": _block(data),
    }
    page = _asset("template.html")
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text, 1)
    return page


def with_notice(page: str, notice: str) -> str | None:
    """The same page with a notice above its figures; None if it is not a page of this version."""
    found = _DATA.search(page)
    data = parse_json(found[2]) if found else {}
    if data.get("version") != VERSION:
        return None
    return _DATA.sub(lambda parts: parts[1] + _block({**data, "notice": notice}) + parts[3], page)


def with_stamp(page: str, stamp: str) -> str:
    """The same page for a server, which it asks now and then whether `stamp` is still current.

    Its policy allows this one request, to where the page came from.
    """
    found = _DATA.search(page)
    assert found, "a page of this program has a data block"
    data = parse_json(found[2]) | {"live": stamp}
    page = page[: found.start(2)] + _block(data) + page[found.end(2) :]
    return page.replace(policy(), policy(live=True), 1)


def data_of(page: bytes) -> dict[str, Any] | None:
    """The data block of a page; None if it is not a page of this version."""
    try:
        found = _DATA.search(page.decode("utf-8"))
        data = parse_json(found[2]) if found else None
    except ValueError:
        return None
    return data if isinstance(data, dict) and data.get("version") == VERSION else None


def script_text() -> str:
    """The page's script: its modules in their order, in a scope of their own."""
    parts = "\n".join(_asset(f"script/{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def policy(*, live: bool = False) -> str:
    """The page's content security policy; a server adds `frame-ancestors`, which needs a header.

    `live`: for a page that asks its own server for changes.
    """
    connect = " connect-src 'self';" if live else ""
    script, charts, style = script_text(), _asset("vendor/echarts.js"), _asset("style.css")
    return (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data: blob:;{connect} "
        f"script-src {_allow(charts)} {_allow(script)}; style-src {_allow(style)}"
    )


def _block(data: Mapping[str, Any]) -> str:
    return _inert(json.dumps(data, ensure_ascii=False, separators=(",", ":")))


def _inert(text: str) -> str:
    """JSON that cannot end its script element, nor open a comment in it."""
    return text.strip().replace("<", "\\u003c").replace("\u2028", "\\u2028")


def _allow(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _asset(path: str) -> str:
    return files(PACKAGE).joinpath(path).read_text(encoding="utf-8")
