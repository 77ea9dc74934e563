"""Contender: confluent-kafka, then the same decoder, opt-out test and anonymizer, plain Parquet.

Reads a topic to its end in blocks of 50,000 messages. It has no positions that survive it, no
atomic commits, no guard, no metrics and no checks of staleness.

    python -m benchmarks.kafka_confluent SERVERS TOPIC STATE OUTPUT
"""

import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import confluent_kafka
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.events.decode.decoder import Decoder
from pipeline.events.model import Span
from pipeline.io.geo import CountryDatabase
from pipeline.io.kafka.messages import of_values
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.io.parquet.encoding import split_by_date
from pipeline.io.rights.optout_list import OptOutFile
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.optout import OptOutGate
from pipeline.privacy.policy import Policy

BLOCK = 50_000


def main(servers: str, topic: str, state: Path, target: Path) -> None:
    """Read all partitions to their ends as of now."""
    pa.set_cpu_count(1)
    schemas, now = load_schemas(None), datetime.now(UTC)
    keys = LocalKeystore(state / "keys", now=lambda: datetime.now(UTC), retention_days=90)
    secret = keys.permanent_key("optout")
    decoder, gate = Decoder(schemas["api_request"]), OptOutGate(secret)
    standings = OptOutFile(state / "optout.ndjson", secret).load()
    policy = Policy(max_age_days=89)
    anonymizer = Anonymizer(schemas, load_catalogue(None), keys, CountryDatabase(None), policy)
    consumer: Any = confluent_kafka.Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "benchmark",
            "enable.auto.commit": False,
            "check.crcs": True,
            "enable.partition.eof": False,
        }
    )
    waiting = {}
    for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
        _, end = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, number))
        waiting[number] = end
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in waiting])
    blocks: dict[int, tuple[list[bytes], list[int]]] = {number: ([], []) for number in waiting}

    def flush(number: int) -> None:
        values, offsets = blocks[number]
        if not values:
            return
        span = Span("kafka", topic, number, offsets[0], offsets[-1] + 1)
        raw = decoder.decode(of_values(values, offsets).slice(span, "api_request"))
        now_us = round(now.timestamp() * 1_000_000)
        kept = gate.drop(raw, standings, now_us, time_field="occurred_at")
        clean = anonymizer.anonymize(kept, now)
        for day, rows in split_by_date(clean.rows, "event_date"):
            folder = target / f"event_date={day}"
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(
                pa.Table.from_batches([rows]),
                folder / f"{uuid.uuid4().hex}.parquet",
                compression="zstd",
            )
        blocks[number] = ([], [])

    while waiting:
        for message in consumer.consume(10_000, timeout=0.5):
            number = message.partition()
            values, offsets = blocks[number]
            values.append(message.value() or b"")
            offsets.append(message.offset())
            if len(values) >= BLOCK or offsets[-1] + 1 >= waiting.get(number, 0):
                if offsets[-1] + 1 >= waiting.get(number, 0):
                    waiting.pop(number, None)
                flush(number)
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
