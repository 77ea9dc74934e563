"""The hook into kafka-python's fetcher: runs of whole record batches instead of record objects.

`raw_records` makes a subclass of the fetcher's own parser. Checksums, aborted transactions and
control batches are treated as the parent does; only the last step, bytes to records, is ours. The
names used here are not public: the client's version is pinned, and the first records of every
consumer are compared with the parent's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, NamedTuple

from kafka import errors as kafka_errors
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords

from pipeline.io.kafka import record_batch
from pipeline.io.kafka.messages import PartitionMessages, of_values

VERIFIED_RECORDS = 1000
"""How many of the first records are compared with the public parser."""

MOST_IN_A_BATCH = 1 << 24
"""A damaged batch that claims more messages than that is not believed."""

_HEADER_BYTES = 61
_PIECE = 512


@dataclass(slots=True, repr=False)
class Run:
    """Consecutive messages of one partition."""

    parts: list[PartitionMessages] = field(default_factory=list)
    size: int = 0
    """Bytes of the messages as they were sent, without compression."""
    oldest_ms: int | None = None
    """The earliest time that a message or batch names, in milliseconds since 1970."""
    streamed: bool = False
    """Whether a batch was so large that its values may be cut."""

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def add(self, messages: PartitionMessages, size: int) -> None:
        """Add messages that follow; `size` is what they count for."""
        if len(messages):
            self.parts.append(messages)
        self.size += size

    def note_time(self, time_ms: int) -> None:
        """Take note of a message's time; -1 means that it has none."""
        if time_ms > 0 and (self.oldest_ms is None or time_ms < self.oldest_ms):
            self.oldest_ms = time_ms


class BadBatch(kafka_errors.CorruptRecordError):  # type: ignore[misc]
    """A batch that cannot be read, and where it is."""

    def __init__(self, kind: str, start: int, stop: int | None) -> None:
        super().__init__(kind)
        self.start = start
        self.stop = stop
        """The offset after it; None if that is unknown."""


class RawPathBroken(Exception):
    """The hook does not fit this version of the client, or reads other messages than the client."""


class _Piece(NamedTuple):
    messages: PartitionMessages
    size: int
    stop: int
    """The offset to go on from after this piece."""
    streamed: bool = False


def raw_records(public: Any, room: Callable[[], int]) -> Any:
    """Return the class that the fetcher is to use in place of `public`, its own parser.

    `room` says how many bytes a run may have; a run ends with the batch that fills it. Raises
    AttributeError if `public` lacks the expected shape.
    """
    for name in ("_consume_aborted_transactions_up_to", "_contains_abort_marker", "drain"):
        getattr(public, name)
    unverified = VERIFIED_RECORDS

    class RawRecords(public):  # type: ignore[misc]
        """Yields a `Run` where the parent yields a record."""

        def _maybe_skip_record(self, _run: Run) -> bool:
            # A "drop while" predicate; the floor of a seek into a batch is applied in `_pieces`.
            return False

        def _unpack_records(self, tp: Any, records: Any, *_deserializers: Any) -> Iterator[Run]:
            nonlocal unverified
            held = records._buffer
            # Copied before the parser below uses it up.
            aborted = tuple(self.aborted_transactions)
            try:
                for run in self._runs(records):
                    if unverified > 0 and held and not run.streamed:
                        other = public(
                            self.fetch_offset,
                            tp,
                            MemoryRecords(held),
                            isolation_level=self.isolation_level,
                            aborted_transactions=aborted,
                        )
                        _compare(run, self.next_fetch_offset, other.record_iterator)
                        unverified -= len(run)
                        held = b""
                    yield run
            except Exception:
                # A parser that failed and is not drained makes the client's loop spin forever.
                self.drain()
                raise

        def _runs(self, records: Any) -> Iterator[Run]:
            run = Run()
            batch = None
            try:
                while (batch := records.next_batch()) is not None:
                    for piece in self._pieces(batch):
                        run.add(piece.messages, piece.size)
                        run.streamed |= piece.streamed
                        run.note_time(_earliest(batch) if len(piece.messages) else -1)
                        self.next_fetch_offset = piece.stop
                        if run.parts and run.size >= room():
                            yield run
                            run = Run()
            except kafka_errors.CorruptRecordError as error:
                # What came before the damage is good.
                if run.parts:
                    yield run
                start = self.next_fetch_offset
                raise BadBatch(str(error), start, _end_of(batch, records, start)) from None
            # Drained before the last run is handed out, so that the next fetch starts meanwhile.
            self.drain()
            if run.parts:
                yield run

        def _pieces(self, batch: Any) -> Iterator[_Piece]:
            if self.check_crcs and not batch.validate_crc():
                raise kafka_errors.CorruptRecordError("checksum")
            if batch.magic < 2:
                yield from _old_format(batch, self.fetch_offset)
                return
            self.leader_epoch = batch.leader_epoch
            if self._is_passed_over(batch):
                yield _Piece(of_values((), ()), 0, batch.next_offset)
                return
            try:
                yield from _current_format(batch, self.fetch_offset)
            except record_batch.BrokenBatch:
                raise kafka_errors.CorruptRecordError("structure") from None

        def _is_passed_over(self, batch: Any) -> bool:
            """Return whether the batch is a control batch or belongs to an aborted transaction."""
            if self.isolation_level == IsolationLevel.READ_COMMITTED and batch.has_producer_id():
                self._consume_aborted_transactions_up_to(batch.last_offset)
                if self._contains_abort_marker(batch):
                    self.aborted_producer_ids.discard(batch.producer_id)
                elif self._is_batch_aborted(batch):
                    return True
            return bool(batch.is_control_batch)

    return RawRecords


def _end_of(batch: Any, records: Any, start: int) -> int | None:
    """Return the offset after a damaged batch: where the next begins, or what its header says."""
    try:
        following = records.next_batch()
        stop = batch.next_offset if following is None else following.base_offset
    except (kafka_errors.CorruptRecordError, AttributeError, TypeError, ValueError, struct.error):
        return None
    return int(stop) if start < stop <= start + MOST_IN_A_BATCH else None


def _current_format(batch: Any, floor: int) -> Iterator[_Piece]:
    data = memoryview(batch._buffer)[_HEADER_BYTES:]
    base, count, stop = batch.base_offset, batch.records_count, batch.next_offset
    records = record_batch.decompress(batch.compression_type, data)
    if records is None:
        with record_batch.open_stream(batch.compression_type, data) as stream:
            yield from _streamed(record_batch.unpack_stream(stream, count, base), floor, stop)
        return
    # A seek into the middle of a batch brings all of it.
    messages = record_batch.unpack(records, count, base, floor)
    yield _Piece(messages, len(records), stop)


def _streamed(stream: Iterator[tuple[int, bytes]], floor: int, stop: int) -> Iterator[_Piece]:
    while part := list(islice(stream, _PIECE)):
        kept = [(offset, value) for offset, value in part if offset >= floor]
        messages = of_values([value for _, value in kept], [offset for offset, _ in kept])
        yield _Piece(messages, len(messages.data), part[-1][0] + 1, True)
    yield _Piece(of_values((), ()), 0, stop)


def _old_format(batch: Any, floor: int) -> Iterator[_Piece]:
    """Read a batch from Kafka before 0.11 with the client's own parser."""
    kept = [(record.offset, record.value or b"") for record in batch if record.offset >= floor]
    if kept:
        messages = of_values([value for _, value in kept], [offset for offset, _ in kept])
        yield _Piece(messages, len(messages.data), kept[-1][0] + 1)


def _earliest(batch: Any) -> int:
    if batch.magic < 2:
        return -1
    return int(batch.max_timestamp if batch.timestamp_type else batch.first_timestamp)


def _compare(run: Run, stop: int, expected: Iterator[Any]) -> None:
    """Raise RawPathBroken unless the run begins with what the public parser reads."""
    ours = islice(chain.from_iterable(run.parts), VERIFIED_RECORDS)
    for offset, value in ours:
        record = next(expected, None)
        if record is None or record.offset != offset or (record.value or b"") != value:
            raise RawPathBroken
    if len(run) <= VERIFIED_RECORDS:
        try:
            record = next(expected, None)
        except kafka_errors.CorruptRecordError:
            return  # The run ends before a damaged batch, which is reported in its turn.
        if record is not None and record.offset < stop:
            raise RawPathBroken
