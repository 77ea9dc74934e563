"""The shell scripts of deploy/kafka, run with Kafka's own tools against a broker with ACLs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import admin

from tests.integration.services.kafka import Broker, libraries

DEPLOY = Path(__file__).parents[3] / "deploy" / "kafka"
CLASSES = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
}


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("deploy"), secure=True) as broker:
        yield broker


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., None]:
    """Run a script, with Kafka's tools on the PATH as its distribution has them."""
    for name, main in CLASSES.items():
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\nexec java -Xmx128m -cp "{libraries()}/*" {main} "$@"\n')
        tool.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def run(name: str, *words: str) -> None:
        done = subprocess.run(
            [str(DEPLOY / name), *words], env=environ, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def test_topics_get_the_settings_that_promises_need(
    secure: Broker, script: Callable[..., None]
) -> None:
    for _ in range(2):
        script("create-topics.sh", secure.servers, "3", "1")
    client = secure.admin()
    topics = client.list_topics(timeout=10).topics
    assert len(topics["telemetry.api_request"].partitions) == 3
    wanted = {
        "telemetry.api_request": {"retention.ms": "86400000", "cleanup.policy": "delete"},
        "telemetry.privacy_requests": {"retention.ms": "86400000", "segment.ms": "3600000"},
        "telemetry.optouts": {"cleanup.policy": "compact", "retention.ms": "-1"},
    }
    for name, settings in wanted.items():
        resource = admin.ConfigResource(admin.ResourceType.TOPIC, name)
        (found,) = client.describe_configs([resource]).values()
        values = {key: entry.value for key, entry in found.result(20).items()}
        fixed = {
            "message.timestamp.type": "LogAppendTime",
            "unclean.leader.election.enable": "false",
        }
        for key, value in {**settings, **fixed}.items():
            assert values[key] == value, (name, key)


def test_rights_are_read_and_describe_and_nobody_may_create(
    secure: Broker, script: Callable[..., None]
) -> None:
    script("create-acls.sh", secure.servers, "pipe", "serve")
    anything: Any = (
        *(admin.ResourceType.ANY, None, admin.ResourcePatternType.ANY, None, None),
        *(admin.AclOperation.ANY, admin.AclPermissionType.ANY),
    )
    everything = admin.AclBindingFilter(*anything)
    found = secure.admin().describe_acls(everything).result(20)
    granted = {(acl.principal, acl.name, acl.operation.name) for acl in found}
    assert ("User:pipe", "telemetry.api_request", "READ") in granted
    assert ("User:serve", "telemetry-optout", "WRITE") in granted
    assert {operation for user, _, operation in granted if user == "User:pipe"} == {
        "READ",
        "DESCRIBE",
    }
    assert not {operation for _, _, operation in granted} & {"CREATE", "ALTER", "DELETE", "ALL"}
