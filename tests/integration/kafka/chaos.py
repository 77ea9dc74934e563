"""Producers that know what they sent where, and an account of where all of it went."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import confluent_kafka
import deltalake
import pyarrow.compute as pc

from pipeline.io.keys.local import LocalKeystore
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from pipeline.privacy.identity.tokens import Domain, TokenKey
from tests.integration.kafka.telemetry import Installation, event
from tests.integration.services.kafka import Broker

GOOD, MALFORMED, OPTED_OUT = "good", "malformed", "opted out"
OUT = "acct_out"


@dataclass
class Traffic:
    """A producer for each partition: lz4 on the even ones, zstd on the odd ones.

    `sent[partition][offset]` is what lies there: its kind, and the event id of a good one. While
    it runs, that is what the broker has acknowledged; at the end, what a consumer reads: a
    producer whose broker dies may have stored more than it was told.
    """

    broker: Broker
    topic: str
    partitions: int
    per_second: int
    sent: dict[int, dict[int, tuple[str, str]]] = field(default_factory=dict)
    failed: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for partition in range(self.partitions):
            self.sent[partition] = {}
            thread = threading.Thread(target=self._produce, args=(partition,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self) -> None:
        """Stop, and wait until everything was delivered."""
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a producer does not come to its end"
        assert self.failed == 0
        for partition, acknowledged in self.sent.items():
            there = self._read_back(partition)
            assert acknowledged.items() <= there.items(), "the broker lost what it acknowledged"
            self.sent[partition] = there

    def _read_back(self, partition: int) -> dict[int, tuple[str, str]]:
        values = self.broker.values(self.topic, partition)
        return {offset: _classified(value) for offset, value in values.items()}

    def _produce(self, partition: int) -> None:
        chance = random.Random(partition)
        mine = self.sent[partition]

        def delivered(what: tuple[str, str]) -> object:
            def note(error: object, message: confluent_kafka.Message) -> None:
                if error is not None:
                    self.failed += 1
                    return
                offset = message.offset()
                assert offset is not None
                mine[offset] = what

            return note

        producer = self.broker.producer(
            enable_idempotence=True,
            compression_type="lz4" if partition % 2 == 0 else "zstd",
            message_timeout_ms=120_000,
        )
        number = 0
        pause = 50 / (self.per_second / self.partitions)
        while not self._stop.is_set():
            for _ in range(50):
                number += 1
                name = f"{partition}-{number}"
                drawn = chance.random()
                if drawn < 0.02:
                    value, what = b'{"event": "api_request", ', (MALFORMED, "")
                elif drawn < 0.07:
                    value, what = event(number, OUT, event_id=name), (OPTED_OUT, "")
                else:
                    value, what = event(number, event_id=name), (GOOD, name)
                callback = delivered(what)
                producer.produce(self.topic, value, partition=partition, on_delivery=callback)  # type: ignore[arg-type]
            producer.poll(0)
            self._stop.wait(pause)
        producer.flush(120)


def _classified(value: bytes) -> tuple[str, str]:
    try:
        fields = json.loads(value)
    except ValueError:
        return MALFORMED, ""
    return (OPTED_OUT, "") if fields["account_id"] == OUT else (GOOD, fields["event_id"])


def check_account(installation: Installation, traffic: Traffic) -> dict[str, int]:
    """Assert that every offset of [0, end) went to exactly one place, the right one."""
    table = installation.table()
    assert table is not None
    kinds = dict.fromkeys((GOOD, MALFORMED, OPTED_OUT), 0)
    names: list[str] = []
    for partition, sent in traffic.sent.items():
        low, end = traffic.broker.offsets(traffic.topic, partition)
        assert low == 0, f"partition {partition} begins at {low}"
        _same(list(sent), range(end), f"offsets of partition {partition}")
        for kind, name in sent.values():
            kinds[kind] += 1
            if kind == GOOD:
                names.append(name)
        position = installation.position(traffic.topic, partition)
        assert position == end, f"partition {partition} stands at {position} of {end}"
    _same(stored_tokens(table), tokens_of(installation, names), "stored events")
    _check_commits(table, traffic)
    _check_rejections(installation, traffic)
    return kinds


def _check_commits(table: deltalake.DeltaTable, traffic: Traffic) -> None:
    """The spans of each partition's commits join without gap or overlap, and their counts fit."""
    spans: dict[str, list[tuple[int, int]]] = {}
    dropped = written = 0
    for entry in table.history():
        commit = entry.get("telemetry")
        if commit is None:
            continue
        start, stop = int(commit["start"]), int(commit["stop"])
        spans.setdefault(commit["app_id"], []).append((start, stop))
        refused = _counts(commit["rejected"]) + _counts(commit["dropped"])
        counts = (int(commit["read"]), stop - start, int(commit["written"]) + refused)
        assert len(set(counts)) == 1, f"a commit counts {counts}"
        dropped += _counts(commit["dropped"])
        written += int(commit["written"])
    for partition, sent in traffic.sent.items():
        found = sorted(spans[f"kafka/{traffic.topic}/{partition}"])
        assert (found[0][0], found[-1][1]) == (0, len(sent)), f"of {partition}: {found}"
        joined = all(before[1] == after[0] for before, after in itertools.pairwise(found))
        assert joined, f"of {partition}: {found}"
    everything = [kind for sent in traffic.sent.values() for kind, _ in sent.values()]
    counted = (everything.count(GOOD), everything.count(OPTED_OUT))
    assert (written, dropped) == counted, f"{written}, {dropped} in the log, sent {counted}"


def _counts(value: dict[str, int]) -> int:
    return sum(value.values())


def _check_rejections(installation: Installation, traffic: Traffic) -> None:
    table = deltalake.DeltaTable(str(installation.lake / "rejections"))
    rows = table.to_pyarrow_table(columns=["partition", "offset"]).to_pylist()
    wanted = [
        (partition, offset)
        for partition, sent in traffic.sent.items()
        for offset, (kind, _) in sent.items()
        if kind == MALFORMED
    ]
    _same([(row["partition"], row["offset"]) for row in rows], wanted, "rejections")


def _same(found: Iterable[object], wanted: Iterable[object], what: str) -> None:
    """Assert that both hold the same, each as often; tell the differences, not the rest."""
    have, need = Counter(found), Counter(wanted)
    lacking, beyond = need - have, have - need
    assert have == need, (
        f"{what}: {lacking.total()} are missing: {list(lacking)[:20]}, "
        f"{beyond.total()} are too many: {list(beyond)[:20]}"
    )


def stored_tokens(table: deltalake.DeltaTable) -> list[str]:
    """The event tokens of all rows, sorted; a doubled row is there twice."""
    column = table.to_pyarrow_table(columns=["event_token"]).column(0)
    found: list[str] = pc.sort_indices(column).to_pylist()
    values = column.to_pylist()
    return [values[index] for index in found]


def tokens_of(installation: Installation, names: Sequence[str]) -> list[str]:
    """The tokens that events of today have."""
    keys = LocalKeystore(
        installation.state / "keys", now=lambda: datetime.now(UTC), retention_days=90
    )
    key = keys.epoch_key(epoch_of(datetime.now(UTC).date(), EpochKind.FOUR_WEEKS))
    assert key is not None
    return [token.hex() for token in TokenKey(key).tokens(Domain.EVENT, list(names))]
