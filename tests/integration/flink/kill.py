"""Exactly once on Flink, whatever dies: `make flink-kill-test`, ten minutes or as many as you say.

Two TaskManagers, two reading workers, eight partitions, a live producer. In turn: a worker, a
TaskManager, the worker pool and the JobManager are killed with -9, the broker is stopped or
killed, the client is killed, and a job is cancelled and submitted anew from nothing. At the end
every message of every partition has to be in one place, the right one; and neither heaps nor
checkpoints nor workers may have grown with time, nor may an idle job turn faster than it needs.

    python -m tests.integration.flink.kill [SECONDS] [KIND...]

It goes on until the time has passed and every kind of harm was done once.
"""

from __future__ import annotations

import itertools
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import CACHE
from tests.integration.flink.job import PARTITIONS, Job, busiest, caught_up, install, submit
from tests.integration.flink.watch import IDLE_TURNS_PER_SECOND, Watch
from tests.integration.kafka.chaos import Traffic, check_account
from tests.integration.kafka.telemetry import Installation
from tests.integration.services.flink import Cluster, running_cluster
from tests.integration.services.kafka import Broker
from tests.integration.services.ports import free_port
from tests.waiting import wait_for

KINDS = ("worker", "taskmanager", "broker", "pool", "client", "jobmanager", "worker", "cancel")
SETTLE_SECONDS = 8
IDLE_SECONDS = 15


class Trial:
    """A job, and everything under it that can die."""

    def __init__(
        self, broker: Broker, cluster: Cluster, installation: Installation, metrics_port: int
    ) -> None:
        self.broker, self.cluster, self.installation = broker, cluster, installation
        self.ours = ("--metrics-port", str(metrics_port))
        self.job = submit(installation, cluster, ours=self.ours)
        self.done: Counter[str] = Counter()
        self.submitted = 1
        self.chance = random.Random(1)

    def harm(self, kind: str) -> None:
        """Do one bad thing, and what an operator's supervisor would do about it."""
        cluster = self.cluster
        if kind == "worker":
            self.await_workers()
            busiest(cluster).kill()
        elif kind == "taskmanager":
            number = self.chance.choice((1, 2))
            cluster.kill(f"tm{number}")
            cluster.start_taskmanager(number)
        elif kind == "pool":
            cluster.kill("pool1")
            cluster.start_pool()
        elif kind == "jobmanager":
            cluster.kill("jobmanager")
            cluster.start_jobmanager()
        elif kind == "broker":
            self.broker.kill() if self.done[kind] % 2 else self.broker.stop()
            time.sleep(2)
            self.broker.start()
        elif kind == "client":
            self.job.client.kill()
            self.job.client.wait()
        else:
            self.job.end(signal.SIGTERM, expect=0)
        self.tend()
        self.done[kind] += 1
        print(f"{time.strftime('%T')} {kind}", flush=True)

    def tend(self) -> None:
        """Submit again when the client has ended, as a pod's restart does."""
        if self.job.client.poll() is not None:
            self.job = submit(self.installation, self.cluster, ours=self.ours)
            self.submitted += 1

    def await_workers(self) -> None:
        """Wait until there are workers: a job that was lost takes a while to come back."""
        began = time.monotonic()
        while not self.cluster.workers():
            assert time.monotonic() - began < 300, "no worker comes back"
            self.tend()
            time.sleep(1)

    def await_rows(self) -> float:
        """Wait until the lake grows, and return how long that took.

        Workers that are about to end still commit what they have: their last rows do not count.
        """
        began = time.monotonic()
        time.sleep(SETTLE_SECONDS)
        before = self.installation.rows()
        while self.installation.rows() == before:
            assert time.monotonic() - began < 300, "the job does not come back"
            self.tend()
            time.sleep(1)
        return time.monotonic() - began


def main(seconds: float, chosen: Sequence[str]) -> None:
    """Do these kinds of harm in turn for so long, and print the account."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            Broker(folder / "broker") as broker,
            running_cluster(CACHE, folder / "cluster", taskmanagers=2, slots=1) as cluster,
        ):
            topic = broker.create_topic("telemetry.api_request", PARTITIONS)
            installation = install(folder, broker, topic)
            traffic = Traffic(broker, topic, PARTITIONS, 1000)
            traffic.start()
            watch = Watch(cluster, free_port())
            trial = Trial(broker, cluster, installation, watch.metrics_port)
            trial.await_rows()
            began = time.monotonic()
            with watch.running():
                outages = _harm(trial, seconds, chosen)
            traffic.finish()
            wait_for(lambda: _caught_up(trial, traffic), "the end of the topic")
            turns = watch.idle_turns(IDLE_SECONDS)
            _finish(trial.job)
            kinds = check_account(installation, traffic)
            worst = {kind: round(max(times)) for kind, times in outages.items()}
            print(f"{time.monotonic() - began:.0f} s, {kinds}, {dict(trial.done)}")
            print("Every message is in one place, the right one.")
            print(f"Submitted {trial.submitted} times; longest wait for rows in s: {worst}")
            print(f"Idle turns of a worker process in a second: {turns:.1f}")
            print("Least/median/most at the beginning, in the middle, at the end:")
            print(*watch.report(), sep="\n")
            faults = watch.judge()
            if turns > IDLE_TURNS_PER_SECOND:
                faults.append(f"an idle worker takes {turns:.1f} turns a second")
            if faults:
                raise SystemExit("; ".join(faults))
            print("Nothing grew.")


def _harm(trial: Trial, seconds: float, chosen: Sequence[str]) -> dict[str, list[float]]:
    """Do harm after harm, and return how long each time no rows came."""
    outages: dict[str, list[float]] = {}
    began = time.monotonic()
    for kind in itertools.cycle(chosen):
        if time.monotonic() - began >= seconds and len(outages) == len(set(chosen)):
            break
        time.sleep(trial.chance.uniform(3, 10))
        trial.harm(kind)
        outages.setdefault(kind, []).append(trial.await_rows())
    return outages


def _caught_up(trial: Trial, traffic: Traffic) -> bool:
    trial.tend()
    return caught_up(trial.installation, traffic)


def _finish(job: Job) -> None:
    if job.client.poll() is None:
        job.end(signal.SIGTERM, expect=0)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 600, sys.argv[2:] or KINDS)
