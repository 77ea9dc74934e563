"""Avro and Protobuf of a real broker, with the schemas of a real registry."""

from __future__ import annotations

import io
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from kafka import KafkaProducer

from pipeline.io.folder_bytes import read_contents
from pipeline.io.registry.protoc import compiled
from pipeline.ops.audit.identifier_search import search
from tests.integration.kafka.telemetry import Installation, stop
from tests.integration.services import apicurio
from tests.integration.services.kafka import Broker
from tests.waiting import wait_for

Names = Callable[[], str]
REASON = apicurio.missing()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

FORMAT = """
comment = "Requests of our edge."
event = "api_request"
reads = "json"
[fields]
event_id = { from = "id" }
occurred_at = { from = "at", time = ["unix_ms", "rfc3339"] }
account_id = { from = "user.id" }
client_ip = { from = "user.address" }
status = { from = "status" }
latency_ms = { from = "seconds", unit = "s" }
user_agent = { from = 'headers."User-Agent"' }
"""
USER = {
    "type": "record",
    "name": "User",
    "namespace": "acme",
    "fields": [{"name": "id", "type": ["null", "string"]}, {"name": "address", "type": "string"}],
}
REQUEST: dict[str, Any] = {
    "type": "record",
    "name": "Request",
    "namespace": "acme",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "user", "type": "acme.User"},
        {"name": "status", "type": "int"},
        {"name": "seconds", "type": "double"},
        {"name": "headers", "type": {"type": "map", "values": "string"}},
    ],
}
NEWER = {**REQUEST, "fields": [{"name": "email", "type": "string"}, *REQUEST["fields"]]}
PROTO_USER = 'syntax = "proto3"; package acme; message User { string id = 1; string address = 2; }'
PROTO = """
syntax = "proto3";
package acme;
import "acme/user.proto";
import "google/protobuf/timestamp.proto";
message Unused { string a = 1; }
message Request {
  string id = 1;
  google.protobuf.Timestamp at = 2;
  User user = 3;
  int32 status = 4;
  double seconds = 5;
  map<string, string> headers = 6;
  string email = 7;
}
"""
CANARIES = ["canary-account@example.com", "canary-email@example.com", "canary-malformed"]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apicurio.Registry]:
    with apicurio.Registry(tmp_path_factory.mktemp("apicurio") / "log") as started:
        yield started


def request(number: int) -> dict[str, Any]:
    return {
        "id": f"r-{number}",
        "at": int(time.time() * 1000),
        "user": {"id": CANARIES[0], "address": "198.51.100.7"},
        "status": 200 + number,
        "seconds": 0.25,
        "headers": {"User-Agent": "curl/8.0", "X-Email": CANARIES[1]},
        "email": CANARIES[1],
    }


def avro(number: int, schema: Any, value: Any) -> bytes:
    named: dict[str, Any] = {}
    fastavro.parse_schema(USER, named)
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema, named), value)
    return b"\0" + number.to_bytes(4) + stream.getvalue()


def protobuf(number: int, value: dict[str, Any]) -> bytes:
    pool = descriptor_pool.DescriptorPool()
    files = compiled(PROTO, {"acme/user.proto": PROTO_USER})
    for file in descriptor_pb2.FileDescriptorSet.FromString(files).file:
        pool.Add(file)
    found: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("acme.Request"))
    at = value["at"]
    message = found(**{**value, "at": {"seconds": at // 1000}})
    return b"\0" + number.to_bytes(4) + b"\x02\x02" + bytes(message.SerializeToString())


def configure(
    installation: Installation, broker: Broker, registry: apicurio.Registry, *topics: str
) -> None:
    (installation.folder / "edge.toml").write_text(FORMAT)
    installation.configure(
        "".join(
            f'[sources.s{at}]\nservers = ["{broker.servers}"]\ntopic = "{topic}"\n'
            f'format = "edge.toml"\nregistry = "{registry.url}"\n'
            for at, topic in enumerate(topics)
        )
    )


def statuses(installation: Installation) -> list[int]:
    table = installation.table()
    assert table is not None
    return sorted(table.to_pyarrow_dataset().to_table(["status"]).column(0).to_pylist())


def test_messages_of_two_schemas_and_two_kinds_become_rows_and_nothing_else_passes(
    broker: Broker, registry: apicurio.Registry, topic_name: Names, tmp_path: Path
) -> None:
    topics = [broker.create_topic(topic_name()) for _ in range(2)]
    registry.register("acme.User", json.dumps(USER))
    refers = [{"name": "acme.User", "subject": "acme.User", "version": 1}]
    first, second = (
        registry.register(f"{topics[0]}-value", json.dumps(one), references=refers)
        for one in (REQUEST, NEWER)
    )
    registry.register("acme.user.proto", PROTO_USER, schemaType="PROTOBUF")
    third = registry.register(
        f"{topics[1]}-value",
        PROTO,
        schemaType="PROTOBUF",
        references=[{"name": "acme/user.proto", "subject": "acme.user.proto", "version": 1}],
    )
    whole = avro(second, NEWER, request(3))
    broker.produce(
        topics[0],
        [
            avro(first, REQUEST, request(0)),
            b'{"id": "canary-malformed"}',
            avro(second, NEWER, request(1)),
            whole[:-4],
            b"\0" + (1 << 30).to_bytes(4) + b"canary-malformed",
            None,
        ],
    )
    broker.produce(
        topics[1], [protobuf(third, request(2)), b"\0" + third.to_bytes(4) + b"\x02\x7e"]
    )
    installation = Installation(tmp_path)
    configure(installation, broker, registry, *topics)
    done = installation.run("run", "--once")
    assert done["rejected"] == {"empty": 1, "not_in_format": 3, "unusable_schema": 1}
    assert (done["read"], statuses(installation)) == (8, [200, 201, 202])
    table = installation.table()
    assert table is not None
    rows = table.to_pyarrow_dataset().to_table().to_pylist()
    assert {row["client_family"] for row in rows} == {"curl"}
    assert len({row["subject"] for row in rows}) == 1
    (tmp_path / "out").write_text(json.dumps(done))
    assert search(read_contents(tmp_path), CANARIES).leaks == ()


def test_a_registry_that_does_not_answer_stops_the_topic_and_loses_nothing(
    broker: Broker, registry: apicurio.Registry, topic_name: Names, tmp_path: Path
) -> None:
    topic = broker.create_topic(topic_name())
    fields = [*REQUEST["fields"]]
    fields[2] = {"name": "user", "type": USER}
    flat = {**REQUEST, "name": "Flat", "fields": fields}
    number = registry.register(f"{topic}-value", json.dumps(flat))
    broker.produce(topic, [avro(number, flat, request(at)) for at in range(3)])
    installation = Installation(tmp_path)
    configure(installation, broker, registry, topic)
    registry.freeze()
    try:
        error = installation.run("run", "--once", expect=3)["error"]
        assert error["code"] == "registry-unreachable"
        running = installation.start("run", "--flush-interval", "100ms")
        wait_for(lambda: "schema registry does not answer" in installation.logs())
        assert installation.position(topic) == 0
    finally:
        registry.thaw()
    wait_for(lambda: installation.rows() == 3)
    registry.freeze()
    try:
        # A schema that is known needs no registry.
        broker.produce(topic, [avro(number, flat, request(3))])
        wait_for(lambda: installation.rows() == 4)
    finally:
        registry.thaw()
    assert stop(running) == 0
    assert (statuses(installation), installation.position(topic)) == ([200, 201, 202, 203], 4)


def test_the_doctor_asks_the_registry_for_the_topics_schema(
    broker: Broker, registry: apicurio.Registry, topic_name: Names, tmp_path: Path
) -> None:
    good, bare, recursive = (broker.create_topic(topic_name()) for _ in range(3))
    fields = [*REQUEST["fields"]]
    fields[2] = {"name": "user", "type": USER}
    number = registry.register(
        f"{good}-value", json.dumps({**REQUEST, "name": "D", "fields": fields})
    )
    again = {"name": "next", "type": ["null", "Chain"]}
    chain = {"type": "record", "name": "Chain", "fields": [again]}
    registry.register(f"{recursive}-value", json.dumps(chain))
    installation = Installation(tmp_path)
    configure(installation, broker, registry, good, bare, recursive)
    (tmp_path / "edge.toml").write_text(FORMAT)

    def checks() -> list[dict[str, str]]:
        found = json.loads(told(installation, "doctor"))["checks"]
        return [one for one in found if one["name"].startswith("registry of")]

    states = checks()
    assert [(one["name"], one["state"]) for one in states] == [
        ("registry of s0", "ok"),
        ("registry of s1", "warn"),
        ("registry of s2", "fail"),
    ]
    assert states[0]["detail"] == f"it answers; schema {number} (Avro) can be read"
    assert f"no subject {bare}-value" in states[1]["detail"]
    assert "cannot be read" in states[2]["detail"] and states[2]["remedy"]
    registry.freeze()
    try:
        assert {one["state"] for one in checks()} == {"fail"}
        assert "does not answer" in checks()[0]["detail"]
    finally:
        registry.thaw()


def test_a_schemas_number_in_a_header_is_refused_with_the_setting_to_change(
    broker: Broker, registry: apicurio.Registry, topic_name: Names, tmp_path: Path
) -> None:
    topic = broker.create_topic(topic_name())
    fields = [*REQUEST["fields"]]
    fields[2] = {"name": "user", "type": USER}
    flat = {**REQUEST, "name": "InHeader", "fields": fields}
    number = registry.register(f"{topic}-value", json.dumps(flat))
    producer = KafkaProducer(bootstrap_servers=broker.servers)
    for at in range(2):
        body = avro(number, flat, request(at))[5:]
        named = [("__value_schema_id", b"\x01" + bytes(range(16)))]
        producer.send(topic, body, headers=named)
    producer.close()
    installation = Installation(tmp_path)
    configure(installation, broker, registry, topic)
    error = installation.run("run", "--once", expect=3)["error"]
    assert "not_in_format 2" in error["why"]
    assert "PrefixSchemaIdSerializer" in str(error)
    assert installation.position(topic) in (None, 0)


def told(installation: Installation, *words: str) -> str:
    """What a command prints with --json, whatever its exit code is."""
    command = installation.command(*words, "--json")
    return subprocess.run(command, capture_output=True, text=True).stdout
