"""A broker and a pipeline on a network of their own that is cut and comes back.

    unshare --net python -m tests.integration.kafka.cut_off FOLDER

Everything here talks over the loopback device of a network namespace. While that device is down,
no packet arrives and no connection is closed: a partition, and not a broker that has gone away.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.integration.kafka.chaos import OUT, Traffic, check_account
from tests.integration.kafka.telemetry import Installation, stop
from tests.integration.kafka.test_kafka_kill import configure
from tests.integration.services.kafka import Broker
from tests.waiting import wait_for

PARTITIONS = 2
CUTS, SECONDS = 2, 4.0


def network(state: str) -> None:
    """Bring the network up, or take it down."""
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


def positions(installation: Installation, topic: str) -> int:
    """How many messages are behind the positions of all partitions."""
    return sum(installation.position(topic, number) for number in range(PARTITIONS))


def main(folder: Path) -> None:
    """Produce, run, cut, and account for everything."""
    network("up")
    with Broker(folder / "broker") as broker:
        topic = broker.create_topic("telemetry.api_request", PARTITIONS)
        installation = Installation(folder)
        configure(installation, broker, topic)
        installation.run("optout", "add", OUT)
        traffic = Traffic(broker, topic, PARTITIONS, 300)
        traffic.start()
        process = installation.start("run", "--workers", "2")
        try:
            for _ in range(CUTS):
                before = positions(installation, topic)
                wait_for(lambda: positions(installation, topic) > before)  # noqa: B023
                network("down")
                time.sleep(SECONDS)
                network("up")
            traffic.finish()
            ends = sum(broker.offsets(topic, number)[1] for number in range(PARTITIONS))
            wait_for(lambda: positions(installation, topic) == ends)
            assert process.poll() is None, installation.logs()[-2000:]
        finally:
            code = stop(process)
        print(json.dumps({"kinds": check_account(installation, traffic), "code": code}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
