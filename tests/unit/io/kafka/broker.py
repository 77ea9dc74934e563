"""A broker of one topic in this process: the real protocol on a real socket, and nothing more.

The client that is under test is kafka-python itself, and so are the encoders of this side. What a
whole broker does besides (replicas, transactions, disks) is tested by `tests/integration/kafka`.
"""

from __future__ import annotations

import socketserver
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from kafka import errors as kafka_errors
from kafka.protocol.api_header import RequestHeader
from kafka.protocol.broker_version_data import BROKER_API_VERSIONS
from kafka.protocol.consumer import (
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
)
from kafka.protocol.metadata import (
    ApiVersionsRequest,
    ApiVersionsResponse,
    MetadataRequest,
    MetadataResponse,
)
from kafka.protocol.producer import (
    InitProducerIdRequest,
    InitProducerIdResponse,
    ProduceRequest,
    ProduceResponse,
)
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatchBuilder

from pipeline.io.kafka.client import KafkaAccess

TIME_MS = 1_790_000_000_000
"""When the messages that `put` lays down were created."""
READ, WRITE, DESCRIBE = 3, 4, 8
EARLIEST = -2
UNREADABLE = kafka_errors.OffsetOutOfRangeError.errno


def batch(base: int, values: Iterable[bytes], time_ms: int = TIME_MS) -> bytes:
    """A record batch whose first message has this offset."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for number, value in enumerate(values):
        builder.append(number, time_ms + number, None, value, [])
    # The offset stands before what the checksum covers.
    return struct.pack(">q", base) + bytes(builder.build())[8:]


@dataclass
class Log:
    """One partition: batches, by the offset after each."""

    begin: int = 0
    end: int = 0
    batches: list[tuple[int, bytes]] = field(default_factory=list)

    def put(self, *values: bytes, time_ms: int = TIME_MS) -> None:
        """Append one batch of messages."""
        self._append(batch(self.end, values, time_ms), len(values))

    def put_damaged(self, *values: bytes) -> None:
        """Append a batch whose last byte is another one than its checksum says."""
        whole = batch(self.end, values)
        self._append(whole[:-1] + bytes([whole[-1] ^ 1]), len(values))

    def take(self, records: bytes) -> int:
        """Append what a producer sent; return the first offset that it got."""
        base, found = self.end, MemoryRecords(records)
        while (one := found.next_batch()) is not None:
            self.put(*[record.value or b"" for record in one])
        return base

    def forget(self, begin: int) -> None:
        """Let retention take what is before an offset."""
        self.begin = begin
        self.batches = [one for one in self.batches if one[0] > begin]

    def _append(self, records: bytes, count: int) -> None:
        self.end += count
        self.batches.append((self.end, records))

    def records(self, offset: int) -> bytes:
        """Every batch that holds an offset or what follows."""
        return b"".join(records for end, records in self.batches if end > offset)


class Broker:
    """One topic on one node; a context that listens on a port of the loopback interface."""

    def __init__(self, topic: str = "t", partitions: int = 1) -> None:
        self.topic = topic
        self.topic_id = uuid.uuid4()
        self.logs = {number: Log() for number in range(partitions)}
        self.allowed = {READ, WRITE, DESCRIBE}
        self.refuses: type[kafka_errors.BrokerResponseError] | None = None
        """What a producer is answered."""
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        self.access = KafkaAccess((f"127.0.0.1:{self.port}",))

    def __enter__(self) -> Broker:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def recreate(self) -> None:
        """Delete the topic, and create it again under its name."""
        self.topic_id = uuid.uuid4()
        self.logs = {number: Log() for number in self.logs}

    # -- the protocol ---------------------------------------------------------------------------

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        broker = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while len(head := self.rfile.read(4)) == 4:
                    (size,) = struct.unpack(">i", head)
                    self.wfile.write(broker._answer(self.rfile.read(size)))

        return Handler

    def _answer(self, frame: bytes) -> bytes:
        key, version = struct.unpack_from(">hh", frame)
        kind, answer = ANSWERS[key]
        request = kind.decode(frame, version=version, header=True)
        header: RequestHeader = request.header
        response = answer(self, request, version)
        response.with_header(correlation_id=header.correlation_id)
        encoded: bytes = bytes(response.encode(header=True, framed=True))
        return encoded

    def _versions(self, _request: Any, version: int) -> Any:
        known = BROKER_API_VERSIONS[4, 1]
        return ApiVersionsResponse(
            version=version,
            api_keys=[
                ApiVersionsResponse.ApiVersion(api_key=key, min_version=low, max_version=high)
                for key in ANSWERS
                for low, high in [known[key]]
            ],
        )

    def _metadata(self, request: Any, version: int) -> Any:
        kind = MetadataResponse.MetadataResponseTopic
        names = [one.name for one in request.topics or []] or [self.topic]
        partitions = [
            kind.MetadataResponsePartition(
                partition_index=number,
                leader_id=1,
                leader_epoch=0,
                replica_nodes=[1],
                isr_nodes=[1],
            )
            for number in self.logs
        ]
        unknown = kafka_errors.UnknownTopicOrPartitionError.errno
        topics = [
            kind(
                name=name,
                topic_id=self.topic_id if name == self.topic else uuid.UUID(int=0),
                error_code=0 if name == self.topic else unknown,
                partitions=partitions if name == self.topic else [],
                authorized_operations=self.allowed,
            )
            for name in names
        ]
        node = MetadataResponse.MetadataResponseBroker(
            node_id=1, host="127.0.0.1", port=self.port, rack=None
        )
        return MetadataResponse(
            version=version, brokers=[node], cluster_id="c", controller_id=1, topics=topics
        )

    def _offsets(self, request: Any, version: int) -> Any:
        kind = ListOffsetsResponse.ListOffsetsTopicResponse
        asked = [(topic, part) for topic in request.topics for part in topic.partitions]
        return ListOffsetsResponse(
            version=version,
            topics=[
                kind(
                    name=topic.name,
                    partitions=[
                        kind.ListOffsetsPartitionResponse(
                            partition_index=part.partition_index,
                            timestamp=-1,
                            offset=log.begin if part.timestamp == EARLIEST else log.end,
                            leader_epoch=0,
                        )
                        for log in [self.logs[part.partition_index]]
                    ],
                )
                for topic, part in asked
            ],
        )

    def _fetch(self, request: Any, version: int) -> Any:
        kind = FetchResponse.FetchableTopicResponse
        topics = []
        for topic in request.topics:
            found = []
            for part in topic.partitions:
                log = self.logs[part.partition]
                lies = log.begin <= part.fetch_offset <= log.end
                found.append(
                    kind.PartitionData(
                        partition_index=part.partition,
                        error_code=0 if lies else UNREADABLE,
                        high_watermark=log.end,
                        last_stable_offset=log.end,
                        log_start_offset=log.begin,
                        aborted_transactions=[],
                        preferred_read_replica=-1,
                        records=log.records(part.fetch_offset) if lies else b"",
                    )
                )
            topics.append(kind(topic=topic.topic, topic_id=topic.topic_id, partitions=found))
        if not any(part.records for topic in topics for part in topic.partitions):
            time.sleep(request.max_wait_ms / 1000)
        return FetchResponse(version=version, responses=topics, session_id=0)

    def _epochs(self, request: Any, version: int) -> Any:
        kind = OffsetForLeaderEpochResponse.OffsetForLeaderTopicResult
        return OffsetForLeaderEpochResponse(
            version=version,
            topics=[
                kind(
                    topic=topic.topic,
                    partitions=[
                        kind.EpochEndOffset(
                            partition=part.partition,
                            leader_epoch=0,
                            end_offset=self.logs[part.partition].end,
                        )
                        for part in topic.partitions
                    ],
                )
                for topic in request.topics
            ],
        )

    def _producer_id(self, _request: Any, version: int) -> Any:
        return InitProducerIdResponse(version=version, producer_id=7, producer_epoch=0)

    def _produce(self, request: Any, version: int) -> Any:
        kind = ProduceResponse.TopicProduceResponse
        code = 0 if self.refuses is None else self.refuses.errno
        return ProduceResponse(
            version=version,
            responses=[
                kind(
                    name=topic.name,
                    topic_id=topic.topic_id,
                    partition_responses=[
                        kind.PartitionProduceResponse(
                            index=part.index,
                            error_code=code,
                            base_offset=-1 if code else self.logs[part.index].take(part.records),
                            log_append_time_ms=-1,
                            log_start_offset=0,
                        )
                        for part in topic.partition_data
                    ],
                )
                for topic in request.topic_data
            ],
        )


ANSWERS: dict[int, tuple[Any, Callable[[Broker, Any, int], Any]]] = {
    kind.API_KEY: (kind, answer)
    for kind, answer in (
        (ApiVersionsRequest, Broker._versions),
        (MetadataRequest, Broker._metadata),
        (ListOffsetsRequest, Broker._offsets),
        (FetchRequest, Broker._fetch),
        (OffsetForLeaderEpochRequest, Broker._epochs),
        (InitProducerIdRequest, Broker._producer_id),
        (ProduceRequest, Broker._produce),
    )
}
