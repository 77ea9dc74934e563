"""Events from a real broker, through a real Flink cluster, into the lake: each exactly once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import CACHE
from tests.integration.flink.job import PARTITIONS, busiest, caught_up, install, submit, written_by
from tests.integration.kafka.chaos import Traffic, check_account
from tests.integration.services.flink import Cluster, running_cluster
from tests.integration.services.kafka import Broker
from tests.waiting import wait_for


@dataclass(frozen=True)
class Services:
    """A broker and a cluster with two slots."""

    broker: Broker
    cluster: Cluster


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("services")
    with (
        Broker(folder / "broker") as broker,
        running_cluster(CACHE, folder / "cluster") as cluster,
    ):
        yield Services(broker, cluster)


def test_each_event_is_stored_once_though_a_worker_is_killed(
    services: Services, tmp_path: Path
) -> None:
    broker, cluster = services.broker, services.cluster
    topic = broker.create_topic("telemetry.api_request", PARTITIONS)
    installation = install(tmp_path, broker, topic)
    traffic = Traffic(broker, topic, PARTITIONS, 800)
    traffic.start()
    began = time.monotonic()
    job = submit(installation, cluster)
    try:
        wait_for(lambda: installation.rows() > 0, "the first commit")
        first = time.monotonic() - began
        wait_for(lambda: len(written_by(installation)) == 2, "work of both workers")
        before = set(written_by(installation))
        moment = time.monotonic()
        busiest(cluster).kill()
        wait_for(lambda: len(set(written_by(installation)) - before) == 2, "new workers")
        recovered = time.monotonic() - moment
    finally:
        traffic.finish()
    wait_for(lambda: caught_up(installation, traffic), "the end of the topic")
    account = job.end(signal.SIGTERM, expect=0)
    kinds = check_account(installation, traffic)
    print(
        f"first commit {first:.0f} s, both workers again {recovered:.0f} s after the kill, "
        f"{kinds}, files by worker {dict(written_by(installation))}, {account}"
    )
    assert account["read"] == sum(kinds.values())
    wait_for(lambda: not cluster.alive(), "the end of the job")


def test_a_closed_privacy_gate_holds_the_job_until_it_is_open_again(
    services: Services, tmp_path: Path
) -> None:
    broker, cluster = services.broker, services.cluster
    topic = broker.create_topic("telemetry.api_request_gate", PARTITIONS)
    installation = install(tmp_path, broker, topic)
    traffic = Traffic(broker, topic, PARTITIONS, 400)
    traffic.start()
    key = installation.state / "keys" / "optout.key"
    job = submit(installation, cluster, workers=1)
    try:
        wait_for(lambda: installation.rows() > 0, "the first commit")
        key.chmod(0o644)  # others may read it: no worker opens such a key
        for pid in cluster.workers():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: "KeyUnavailable" in cluster.log("jobmanager"), "the refusal")
        held = installation.rows()
        time.sleep(5)
        assert installation.rows() == held
        key.chmod(0o600)
        wait_for(lambda: installation.rows() > held, "work after the repair")
    finally:
        key.chmod(0o600)
        traffic.finish()
    wait_for(lambda: caught_up(installation, traffic), "the end of the topic")
    assert job.end(signal.SIGINT, expect=130)["read"] > 0
    check_account(installation, traffic)
    assert "acct_1" not in cluster.log("jobmanager") + cluster.log("tm1")
