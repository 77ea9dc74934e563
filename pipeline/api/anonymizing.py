"""Messages of one event, anonymized in memory by the stages and the keys of `telemetry run`.

Nothing is stored here, so nothing is exactly once: what to do with rows that are anonymized twice
is up to the caller, and `event_token` tells them apart. No lake means no retention either:
whoever keeps the rows has to delete them and carry out erasures in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn, Protocol

import pyarrow as pa

from pipeline.api.clock import Clock, utc_now
from pipeline.api.messages import limited_slice, lines_of_rows, split_lines
from pipeline.cli.declared import load_settings
from pipeline.cli.wiring.fitting import open_fitting_lake
from pipeline.cli.wiring.lists import optout_source
from pipeline.cli.wiring.opening import (
    make_policy,
    newest_schema,
    open_catalogue,
    open_country,
    open_keystore,
    open_schemas,
)
from pipeline.cli.wiring.state import open_private_state
from pipeline.errors import UsageError
from pipeline.events.decode.decoder import Decoder, Decodes
from pipeline.events.formats.decoder import FormatDecoder
from pipeline.events.formats.model import in_envelope
from pipeline.events.model import NATIVE, CleanBatch, Slice
from pipeline.events.schema import EventSchema
from pipeline.flow.steps.accounted import anonymize, decode, drop
from pipeline.flow.steps.guard import guarded
from pipeline.io.closing import Closing
from pipeline.io.package_data import load_format
from pipeline.ops.trial import ThrownAwayKeys
from pipeline.privacy.anonymize import Anonymizer as Treatments
from pipeline.privacy.identity.epochs import Epoch
from pipeline.privacy.optout import OptOutGate, OptOutState
from pipeline.privacy.shuffle import shuffled
from pipeline.settings import Settings


@dataclass(frozen=True, slots=True, repr=False)
class Anonymized:
    """What became of the messages of one call; the counts add up to `read`."""

    read: int
    """How many messages came in."""
    rows: pa.RecordBatch
    """What may be stored: the columns of `schemas()[event]`, in an order that says nothing."""
    rejected: pa.RecordBatch
    """One row for each message that was refused: `offset` (int64, its number from 0), `size`
    (int32, bytes), `stage` and `reason` (closed lists, docs/privacy.md#reasons)."""
    dropped: Mapping[str, int]
    """How many messages were dropped, by reason: opt_out, signal, restricted, erased."""
    nulled: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """How many values were made null, by (raw field, reason)."""

    def __repr__(self) -> str:
        return (
            f"Anonymized(read={self.read}, rows={self.rows.num_rows}, "
            f"rejected={self.rejected.num_rows}, dropped={dict(self.dropped)})"
        )


class Anonymizer(Closing):
    """Anonymizes messages of one event; made by `open_anonymizer`, and closed by its `with`.

    For one thread. It remembers results for values that recur, so it cannot be pickled or
    copied: open one in each process.
    """

    __slots__ = ("_close", "_decoder", "_gate", "_name", "_now", "_schema", "_standing", "_treat")

    def __init__(
        self,
        schema: EventSchema,
        decoder: Decodes,
        name: str,
        gate: OptOutGate,
        treat: Treatments,
        standing: Callable[[datetime], OptOutState],
        close: Callable[[], None],
        now: Clock,
    ) -> None:
        """Not for callers: the parameters are not part of the contract."""
        self._schema, self._decoder, self._name = schema, decoder, name
        self._gate, self._treat, self._standing = gate, treat, standing
        self._close, self._now = close, now

    def __repr__(self) -> str:
        return f"Anonymizer({self._schema.event!r})"

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "An anonymizer cannot be pickled or copied",
            why="it holds keys and remembers values",
            remedy="Call open_anonymizer in each process",
        )

    def close(self) -> None:
        """Release connections; calling it again is fine."""
        self._close()

    @property
    def schema(self) -> pa.Schema:
        """The columns of `Anonymized.rows`, with comment, unit and sensitivity as metadata."""
        return self._schema.stored

    def lines(self, text: bytes | Iterable[bytes]) -> Anonymized:
        """Anonymize lines: a whole text, or an iterable of lines without their ends.

        They are in the format that was named, else each is one JSON object of the event. A format
        that names its columns in a first line (`#Fields:`) finds it in the text of each call.
        A line that cannot be read is rejected, not raised. Raises OptOutStale or KeyUnavailable
        if the list or the keys are unavailable, UsageError for more than 256 MiB.
        """
        held = split_lines(text) if isinstance(text, bytes) else text
        return self._anonymize(limited_slice(held, self._schema.event))

    def batch(self, rows: pa.RecordBatch) -> Anonymized:
        """Anonymize the rows of a record batch, whose columns are raw fields of the event.

        Text for texts and identifiers, numbers, timestamps (without zone: UTC), dates, lists of
        text; null means not reported. Columns that the schema does not declare are ignored. Rows
        are judged like lines, which makes this slower than `lines`. Raises as `lines` does,
        and UsageError for a column of another type or an anonymizer of a format.
        """
        if self._name != NATIVE:
            raise UsageError(
                "A record batch has raw fields, and this anonymizer reads lines of a format",
                remedy="Open one without format=",
            )
        # Not lazily: a library's error about a value must not leave this call.
        lines = guarded("reading rows", None, lambda: list(lines_of_rows(rows, self._schema)))
        return self._anonymize(limited_slice(lines, self._schema.event))

    def _anonymize(self, messages: Slice) -> Anonymized:
        now = self._now()
        standing = self._standing(now)
        raw = decode(self._decoder, messages)
        kept = drop(self._gate, raw, standing, now, self._schema.time_field)
        return _account(anonymize(self._treat, kept, now), self._schema)


def open_anonymizer(
    event: str | None = None,
    *,
    format: str | None = None,  # noqa: A002 - as the setting and the flag are called
    envelope: str | None = None,
    settings: Settings | None = None,
    trial: bool = False,
    backfill: bool = False,
    now: Clock | None = None,
) -> Anonymizer:
    """Open an anonymizer of one event, with the keys and the opt-out list of the settings.

    `format` is the name of a packaged format or the path of a format file, and says the event;
    `envelope` is `docker` or `cri`. Without `settings` they are read as a command reads them.
    They need a state folder: its tokens join with those of the lake, and events of accounts on the
    opt-out list are dropped. If they name a lake too, state folder and lake must fit together.
    With `trial` keys are made for this object and gone with it, nobody is on the list, and
    nothing is made on the disk: for tests and for trying out. `backfill` admits events of 89 days
    instead of 7. `now` is the clock, in UTC.

    Raises SettingsError, SchemaError, UsageError (no such event), EnvironmentProblem,
    KeyUnavailable, WrongInstallation or OptOutStale.

    >>> from datetime import UTC, datetime
    >>> line = (b'{"event": "feature_use", "version": 1, "event_id": "e-1", "account_id": "jane",'
    ...     b' "occurred_at": "2026-11-24T09:41:07Z", "feature": "export", "ip": "203.0.113.9"}')
    >>> clock = lambda: datetime(2026, 11, 24, 12, tzinfo=UTC)
    >>> with open_anonymizer("feature_use", trial=True, now=clock) as anonymizer:
    ...     found = anonymizer.lines(line + b"\\nnonsense")
    >>> found
    Anonymized(read=2, rows=1, rejected=1, dropped={})
    >>> found.rows.column("event_hour").to_pylist(), len(found.rows.column("subject")[0].as_py())
    ([9], 32)
    >>> found.rejected.select(["offset", "reason"]).to_pylist()
    [{'offset': 1, 'reason': 'not_json'}]
    """
    settings = load_settings() if settings is None else settings
    clock = now or utc_now
    known = open_schemas(settings)
    told = None if format is None else in_envelope(load_format(format, known), envelope)
    event = event or (None if told is None else told.event)
    if event is None or (told is not None and told.event != event):
        raise UsageError(
            "The event is missing, or is another one than the format's",
            remedy="Name an event, or a format alone",
        )
    schema = newest_schema(known, event)
    decoder = Decoder(known[event]) if told is None else FormatDecoder(told, known[event])
    keys, standing, close = _for_trial() if trial else _in_earnest(settings, clock)
    treat = Treatments(
        {event: known[event]},
        open_catalogue(settings),
        keys,
        open_country(settings),
        make_policy(settings, backfill=backfill),
    )
    name = NATIVE if told is None else told.name
    gate = OptOutGate(keys.permanent_key("optout"))
    return Anonymizer(schema, decoder, name, gate, treat, standing, close, clock)


class _Keys(Protocol):
    """What an anonymizer needs from a keystore."""

    def epoch_key(self, epoch: Epoch) -> bytes | None: ...
    def permanent_key(self, name: str) -> bytes: ...


_Opened = tuple[_Keys, Callable[[datetime], OptOutState], Callable[[], None]]
"""Keys, what gives the opt-out list as of a time, and what releases it."""


def _for_trial() -> _Opened:
    return ThrownAwayKeys(), lambda _: OptOutState(), lambda: None


def _in_earnest(settings: Settings, clock: Clock) -> _Opened:
    open_private_state(settings)
    if settings.lake.path is not None:
        open_fitting_lake(settings, clock).close()
    keys = open_keystore(settings, clock)
    source = optout_source(settings, clock)()
    source.load()
    return keys, source.refresh, source.close


def _account(batch: CleanBatch, schema: EventSchema) -> Anonymized:
    """Return what callers get: texts of closed lists as plain text, rows in random order."""
    rows = shuffled(batch.rows, os.urandom)
    columns = [rows.column(field.name).cast(field.type) for field in schema.stored]
    return Anonymized(
        batch.read,
        pa.RecordBatch.from_arrays(columns, schema=schema.stored),
        batch.rejected,
        {reason.value: count for reason, count in batch.dropped.items()},
        dict(batch.nulled),
    )
