"""Change the opt-out list of a topic: whole standings, as one transaction.

The last standing of a token wins, so a change is read, applied and written by one writer at a
time: the transactional id fences an older process that is still running.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from kafka import KafkaProducer

from pipeline.io.closing import Closing
from pipeline.io.kafka.client import KafkaAccess, connect_producer, kafka_faults
from pipeline.io.rights.optout_list import Change
from pipeline.io.rights.optout_topic import HEARTBEAT, POSITION, OptOutTopic
from pipeline.io.standings.entries import encode, opted_in, opted_out, to_micros
from pipeline.privacy.identity.tokens import Domain, TokenKey
from pipeline.privacy.optout import Standing

TRANSACTIONAL_ID = "telemetry-optout"


class OptOutTopicWriter(Closing):
    """The list of a topic with the account ids' key: the counterpart of `OptOutFile`.

    Use it as a context manager. Raises TelemetryError; after an error make a new one.
    """

    def __init__(self, access: KafkaAccess, topic: OptOutTopic, key: bytes) -> None:
        self._access = access
        self._list = topic
        self._keys = TokenKey(key)
        self._producer: KafkaProducer | None = None

    def tokens(self, account_ids: Sequence[str]) -> list[str]:
        """Return the tokens of accounts. Raises UsageError for an id that cannot be one."""
        return [token.hex() for token in self._keys.tokens(Domain.OPTOUT, account_ids)]

    def standings(self) -> Mapping[str, Standing]:
        """Return the whole list as of now."""
        return self._list.read_to_end()

    def served(self) -> Mapping[str, int]:
        """Return the positions of requests, by `<topic>/<partition>`, as last read."""
        return self._list.served

    def check(self, account_ids: Sequence[str]) -> list[Standing]:
        """Return what each account asked for, as of now."""
        standings = self._list.read_to_end()
        none = Standing()
        return [standings.get(token, none) for token in self.tokens(account_ids)]

    def add(self, account_ids: Sequence[str], now: datetime) -> int:
        """Opt accounts out from `now` on; return how many were not opted out before."""
        return self.change(self.tokens(account_ids), opted_out, now)

    def remove(self, account_ids: Sequence[str], now: datetime) -> int:
        """Opt accounts in again from `now` on; return how many were opted out before."""
        return self.change(self.tokens(account_ids), opted_in, now)

    def change(self, tokens: Sequence[str], change: Change, now: datetime) -> int:
        """Apply `change` to the standings of tokens; return how many became different."""
        standings = self._list.read_to_end()
        changed: dict[str, Standing] = {}
        for token in tokens:
            before = changed.get(token, standings.get(token, Standing()))
            after = change(before, to_micros(now))
            if after != before:
                changed[token] = after
        self.write(changed, now)
        return len(changed)

    def write(
        self,
        standings: Mapping[str, Standing],
        now: datetime,
        *,
        served: Mapping[str, int] | None = None,
        heartbeat: bool = False,
    ) -> None:
        """Write standings, a heartbeat and positions of requests, all or nothing.

        Positions are kept beside the outcome of the requests, as the lake does it: a consumer
        group would be a second place, and kafka-python 3.0 waits forever when offsets of a group
        are to be part of a transaction.
        """
        if not standings and not served and not heartbeat:
            return
        at = to_micros(now)
        producer = self._connected()
        with kafka_faults("writing the opt-out list", self._list.topic):
            producer.begin_transaction()
            for token, standing in standings.items():
                # Nothing is left to be known about the token: compaction removes it from the topic.
                known = standing != Standing()
                value = encode(token, standing, at).encode() if known else None
                producer.send(self._list.topic, key=token.encode(), value=value)
            if heartbeat:
                producer.send(self._list.topic, key=HEARTBEAT, value=b"{}")
            for name, position in (served or {}).items():
                value = b'{"next":%d}' % position
                producer.send(self._list.topic, key=POSITION + name.encode(), value=value)
            producer.commit_transaction()

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = connect_producer(self._access, transactional_id=TRANSACTIONAL_ID)
            with kafka_faults("starting transactions", self._list.topic):
                self._producer.init_transactions()
        return self._producer

    def close(self) -> None:
        """Close the connections."""
        if self._producer is not None:
            self._producer.close(timeout=5)
            self._producer = None
        self._list.close()
