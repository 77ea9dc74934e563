"""The record of processing activities (GDPR Art. 30), from the schemas and the settings in force.

What only the controller knows appears as `[fill in: ...]`. Everything else is what this
installation does: a field that a schema gains tomorrow is in tomorrow's record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import counted
from pipeline.events.promises import Promise
from pipeline.events.schema import EventSchema
from pipeline.events.treatments import Sensitivity

_IN_WORDS = {
    Sensitivity.TECHNICAL: "technical",
    Sensitivity.INTERACTION: "use of the service",
    Sensitivity.CONTENT: "may contain content",
    Sensitivity.IDENTIFYING: "identifying",
}

_EPOCHS = {"day": "day", "week": "week", "4weeks": "four weeks"}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the record takes from the settings."""

    lake: str
    """Where rows are stored; empty if the settings name no lake."""
    retention_days: int
    epoch: str
    """How long one pseudonym key is used."""
    encryption: str
    optout_stale_after: str
    sources: Sequence[str]
    """Each source in words."""


def processing_record(
    schemas: Mapping[str, tuple[EventSchema, ...]],
    promises: Sequence[Promise],
    found: Circumstances,
    now: datetime,
) -> str:
    """The record as Markdown; the newest version of every schema counts."""
    newest = [versions[-1] for _, versions in sorted(schemas.items())]
    parts = [
        "# Record of processing activities: usage telemetry",
        f"Generated {now:%Y-%m-%d} from the schemas and settings of this installation. "
        "Complete what stands in brackets.",
        "## Who is responsible",
        "- Controller, contact: [fill in: name, address, e-mail]\n"
        "- Data protection officer: [fill in: contact, or why none is needed]\n"
        "- Legal basis: [fill in: for example legitimate interest, with its assessment]",
        "## What for",
        _purposes(newest, promises),
        "## Whose data, and which",
        "Holders of accounts and those who use the service through them. Of each message exactly "
        "the fields below are read; everything else in it is discarded while it is decoded.",
        *(_event(schema) for schema in newest),
        "## Where it comes from and where it goes",
        _places(found),
        "## For how long",
        _limits(found),
        "## How it is protected",
        _protection(found),
    ]
    return "\n\n".join(parts) + "\n"


def _purposes(schemas: Iterable[EventSchema], promises: Sequence[Promise]) -> str:
    texts = {promise.id: promise.text for promise in promises}
    served: dict[str, set[str]] = {}
    for schema in schemas:
        for field in schema.fields:
            served.setdefault(field.purpose, set()).add(schema.event)
    lines = [
        f"- {texts[purpose]} ({purpose}): {', '.join(sorted(events))}"
        for purpose, events in sorted(served.items())
    ]
    lead = (
        "To improve the service: [fill in: in your own words]. Each field serves a stated promise:"
    )
    return "\n".join([lead, "", *lines])


def _event(schema: EventSchema) -> str:
    rows = [
        f"| `{field.name}` | {_IN_WORDS[field.sensitivity]} | {field.treatment.in_words()} | "
        f"{', '.join(f'`{column.name}`' for column in field.columns) or 'nothing'} |"
        for field in schema.fields
    ]
    head = (
        "| field read | kind | what is done with it | what is stored |\n| --- | --- | --- | --- |"
    )
    return "\n".join([f"### `{schema.event}`, version {schema.version}", "", head, *rows])


def _places(found: Circumstances) -> str:
    sources = [f"- Source: {source}" for source in found.sources]
    lake = found.lake or "[fill in: the settings name no lake]"
    return "\n".join(
        [
            *(sources or ["- Source: [fill in: the settings name none]"]),
            f"- Stored in: {lake} [fill in: who runs it, in which country, transfers outside the "
            "EEA and their safeguards]",
            "- Analysts of the controller: rows without identifiers, by account tokens that change",
            "- Product team: published figures, each of at least 20 accounts, perturbed",
            "- The person concerned: an export of their rows on request",
            "- Other recipients: [fill in, or: none]",
        ]
    )


def _limits(found: Circumstances) -> str:
    return "\n".join(
        [
            f"- Rows: gone within {counted(found.retention_days, 'day')} of the event; an erased "
            "account's within 30 days of the request",
            f"- Pseudonym keys: one for every {_EPOCHS[found.epoch]}, destroyed with the last day "
            "that it covers",
            "- Published figures: [fill in: for how long they are kept]",
            "- Receipts of erasures and expiries: without identifiers, kept as the proof",
            "- Raw messages before the pipeline: [fill in: retention of topics and log files, "
            "at most 7 days]",
        ]
    )


def _protection(found: Circumstances) -> str:
    files = (
        "AES-256 in every file, one data key for each epoch, and by the disk or bucket"
        if found.encryption == "epoch"
        else "AES-256 by the disk or bucket (`telemetry audit` checks what can be seen of it)"
    )
    return "\n".join(
        [
            "- Account and session ids: HMAC-SHA256 under keys that the lake does not hold",
            "- Addresses: cut to a network before anything is written",
            f"- At rest: {files}",
            "- Opt-outs: no event of an account that opted out is stored; the pipeline stops if "
            f"its list is older than {found.optout_stale_after}",
            "- Proof: `telemetry audit` checks each promise on what is stored, and writes a report",
            "- Access control, training, incident handling: [fill in]",
        ]
    )
