"""The promises, as `schemas/promises.yaml` states them: the one place that defines their ids.

A field of a schema names the promise that it serves; a promise names the checks that prove it. This
module does not know what a check does.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.events.documents import read_document


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise and the names of its checks."""

    id: str
    text: str
    checks: tuple[str, ...]


def parse_promises(text: str, where: str) -> tuple[Promise, ...]:
    """Read `promises.yaml`; SchemaError for a promise without a check, or one that is repeated."""
    document = read_document(text, where)
    promises: dict[str, Promise] = {}
    for entry in document.items("promises"):
        promise = Promise(entry.text("id"), entry.text("text"), entry.texts("checks"))
        entry.close()
        if not promise.checks:
            raise entry.refuse("a promise has no check", "What nothing proves is not a promise.")
        if promise.id in promises:
            raise entry.refuse("a promise is listed twice", "Give each an id of its own.")
        promises[promise.id] = promise
    document.close()
    return tuple(promises.values())
