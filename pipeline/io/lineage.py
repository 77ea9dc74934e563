"""Deliver OpenLineage run events: as a line of a file, or as a request to a collector.

Lineage describes the work and is no part of it: a failed delivery is logged and dropped.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.errors import TelemetryError
from pipeline.io.web.client import NoAnswer, WebClient

_LOG = logging.getLogger(__name__)


def append_to(file: Path, event: Mapping[str, object]) -> None:
    """Append an event to a file of JSON lines, which is created if it does not exist."""
    try:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(event) + "\n")
    except OSError as error:
        _LOG.warning("The lineage file cannot be written: %s", type(error).__name__)


def send_to(
    endpoint: str, authorization: Callable[[], str] | None, event: Mapping[str, object]
) -> None:
    """Send an event to a collector."""
    headers = {"Content-Type": "application/json"}
    try:
        if authorization is not None:
            headers["Authorization"] = authorization()
        answer = WebClient().ask(endpoint, headers, body=json.dumps(event).encode())
    except NoAnswer as reason:
        _LOG.warning("The lineage collector does not answer because %s", str(reason))
        return
    except TelemetryError as problem:
        _LOG.warning("The lineage collector cannot be asked: %s", str(problem))
        return
    if answer.status >= 300:
        _LOG.warning("The lineage collector answers with status %d", answer.status)
