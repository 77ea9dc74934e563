"""`make flink-demo`: a broker, a cluster and a job on this machine for a minute, to look at.

Everything is started, told and ended by this one command; jars are fetched at first use.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import CACHE
from tests.integration.flink.job import PARTITIONS, install, submit, written_by
from tests.integration.kafka.chaos import Traffic, check_account
from tests.integration.kafka.telemetry import wait_for
from tests.integration.services import flink, kafka
from tests.integration.services.flink import running_cluster
from tests.integration.services.kafka import Broker


def main(seconds: float) -> None:
    """Run for so long after the first commit, and show where the events went."""
    reason = flink.missing() or kafka.missing()
    if reason is not None:
        raise SystemExit(f"The demo cannot run here: {reason}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            Broker(folder / "broker") as broker,
            running_cluster(CACHE, folder / "cluster") as cluster,
        ):
            topic = broker.create_topic("telemetry.api_request", PARTITIONS)
            installation = install(folder, broker, topic)
            traffic = Traffic(broker, topic, PARTITIONS, 1000)
            traffic.start()
            print(f"Flink's page:   http://localhost:{cluster.rest_port}")
            print(f"Kafka:          {broker.servers}, topic {topic}, 1,000 events/s")
            print(f"Lake:           {installation.lake}")
            job = submit(installation, cluster)
            wait_for(lambda: installation.rows() > 0, 240, "the first commit")
            for _ in range(max(1, int(seconds / 5))):
                time.sleep(5)
                print(f"{installation.rows():>10,} rows stored", flush=True)
            traffic.finish()
            wait_for(
                lambda: (
                    sum(installation.position(topic, p) for p in range(PARTITIONS))
                    == sum(map(len, traffic.sent.values()))
                ),
                120,
                "the end of the topic",
            )
            account = job.end(signal.SIGTERM, expect=0)
            kinds = check_account(installation, traffic)
            print(f"Sent:           {kinds}")
            print(f"Accounted for:  {account['read']:,} read, {account['written']:,} written")
            print(f"Files:          {dict(written_by(installation))} by worker process")
            print("Every event is in one place, the right one.")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
