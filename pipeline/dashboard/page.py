"""The page: one HTML file with style, charts, script and data inside, that asks for nothing.

Its content security policy allows exactly the inlined script and style, by hash, and no request
at all. Text from the rollups reaches the document as text nodes only.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

PACKAGE = "pipeline.dashboard"


def render(data: Mapping[str, Any]) -> str:
    """Give the page for a data block as `page_data` makes it; equal data, equal bytes."""
    world = _asset("vendor/world.json")
    style = _asset("style.css")
    charts = _asset("vendor/echarts.js")
    script = _asset("page.js")
    parts = {
        "policy": policy(),
        "style": style,
        "charts": charts,
        "script": script,
        "world": _inert(world),
        "data": _inert(json.dumps(data, ensure_ascii=False, separators=(",", ":"))),
    }
    page = _asset("template.html")
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text, 1)
    return page


def policy() -> str:
    """The page's content security policy; a server adds `frame-ancestors`, which needs a header."""
    script, charts, style = map(_asset, ("page.js", "vendor/echarts.js", "style.css"))
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data: blob:; "
        f"script-src {_allow(charts)} {_allow(script)}; style-src {_allow(style)}"
    )


def _inert(text: str) -> str:
    """JSON that cannot end its script element, nor open a comment in it."""
    return text.strip().replace("<", "\\u003c").replace("\u2028", "\\u2028")


def _allow(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _asset(path: str) -> str:
    return files(PACKAGE).joinpath(path).read_text(encoding="utf-8")
