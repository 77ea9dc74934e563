"""`make flink-demo`: a broker, a cluster and a job on this machine for a minute, to look at.

Everything is started, told and ended by this one command; jars are fetched at first use.
"""

from __future__ import annotations

import shlex
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import CACHE
from tests.integration.flink.job import PARTITIONS, caught_up, install, submit, written_by
from tests.integration.kafka.chaos import Traffic, check_account
from tests.integration.services import flink, kafka
from tests.integration.services.flink import Cluster, running_cluster
from tests.integration.services.kafka import Broker
from tests.integration.services.ports import free_port
from tests.waiting import wait_for


def main(seconds: float) -> None:
    """Run for so long after the first commit, and show where the events went."""
    reason = flink.missing() or kafka.missing()
    if reason is not None:
        raise SystemExit(f"The demo cannot run here: {reason}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _say("Starting a broker and a Flink cluster (the first time, their jars are fetched)")
        with (
            Broker(folder / "broker") as broker,
            running_cluster(CACHE, folder / "cluster") as cluster,
        ):
            _show(folder, broker, cluster, seconds)
        _say("Broker, cluster and lake are gone again.")


def _show(folder: Path, broker: Broker, cluster: Cluster, seconds: float) -> None:
    topic = broker.create_topic("telemetry.api_request", PARTITIONS)
    installation = install(folder, broker, topic)
    traffic = Traffic(broker, topic, PARTITIONS, 1000)
    traffic.start()
    _say(f"Flink's page:   http://localhost:{cluster.rest_port}")
    _say(f"Kafka:          {broker.servers}, topic {topic}, 1,000 events/s")
    _say(f"Lake:           {installation.lake}")
    port = free_port()
    job = submit(installation, cluster, ours=("--metrics-port", str(port)))
    _say(f"Metrics:        http://127.0.0.1:{port}/metrics, and the next ports")
    _say(f"Submitted:      {shlex.join(job.command)}")
    began = time.monotonic()
    wait_for(lambda: installation.rows() > 0, "the first commit")
    _say(f"First commit after {time.monotonic() - began:.0f} s")
    for _ in range(max(1, int(seconds / 5))):
        time.sleep(5)
        _say(f"{installation.rows():>10,} rows stored")
    traffic.finish()
    wait_for(lambda: caught_up(installation, traffic), "the end of the topic")
    account = job.end(signal.SIGTERM, expect=0)
    kinds = check_account(installation, traffic)
    _say("Sent:           " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()))
    _say(f"Accounted for:  {account['read']:,} read, {account['written']:,} written")
    files = sorted(written_by(installation).values(), reverse=True)
    _say(f"Files:          {', '.join(map(str, files))}, by worker process")
    _say("Every event is in one place, the right one.")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
