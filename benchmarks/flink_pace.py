"""One worker on Flink against one embedded worker, same topic, same machine, one after the other.

    python -m benchmarks.flink_pace [EVENTS]

Prints events/s of both and their ratio. On Flink the clock runs from the first commit that is seen
to the last, so starting a cluster and a job does not count; the events of that first sight do not
either.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.conftest import CACHE
from tests.integration.flink.job import PARTITIONS, submit
from tests.integration.kafka.telemetry import Installation, event, wait_for
from tests.integration.services.flink import running_cluster
from tests.integration.services.kafka import Broker

EVENTS = 1_000_000
PADDING = {"user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 " * 4}


def main(events: int) -> None:
    """Produce, run embedded, run on Flink, print."""
    with tempfile.TemporaryDirectory() as name, Broker(Path(name) / "broker") as broker:
        folder = Path(name)
        topic = broker.create_topic("telemetry.api_request", PARTITIONS)
        producer: Any = broker.producer(compression_type="lz4", linger_ms=50)
        for number in range(events):
            value = event(number, f"acct_{number % 5000}", **PADDING)
            producer.produce(topic, value, partition=number % PARTITIONS)
            if number % 20_000 == 0:
                producer.flush()
        producer.flush()

        def install(part: str) -> Installation:
            (folder / part).mkdir()
            installation = Installation(folder / part)
            installation.configure(
                f'[sources.api]\nevent = "api_request"\nservers = ["{broker.servers}"]\n'
                f'topic = "{topic}"\n[flush]\ninterval = "1s"\nbytes = "8MiB"\n'
            )
            return installation

        embedded = install("embedded").run("run", "--once")["events_per_second"]
        print(f"embedded: {embedded:,} events/s", flush=True)
        other = install("flink")
        other.run("optout", "add", "acct_nobody")
        with running_cluster(CACHE, folder / "cluster") as cluster:
            job = submit(other, cluster, workers=1)
            wait_for(lambda: other.rows() > 0, 300, "the first commit")
            began, before = time.monotonic(), other.rows()
            wait_for(lambda: other.rows() == events, 300, "the end of the topic")
            flink = (events - before) / (time.monotonic() - began)
            job.end(signal.SIGTERM, expect=0)
        print(f"Flink:    {flink:,.0f} events/s, {flink / embedded:.2f} x", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)
