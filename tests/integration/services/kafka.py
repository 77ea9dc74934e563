"""A real Kafka broker for tests: KRaft, one process a node, no containers.

The jars come from Maven once and stay in the user's cache folder
(`$XDG_CACHE_HOME/telemetry-pipeline/kafka`); `TELEMETRY_KAFKA_LIBS` names another folder of jars.
A broker can be stopped, killed, frozen and started again on the same port and data. The secure
variant has TLS, SASL (SCRAM and PLAIN), mutual TLS and the authorizer, with a plain internal
listener on the loopback address for the test itself.
"""

from __future__ import annotations

import ctypes
import datetime
import ipaddress
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import confluent_kafka
from confluent_kafka import admin

from tests.integration.services import java
from tests.integration.services.fetching import alone_in
from tests.integration.services.ports import free_port
from tests.integration.services.token_endpoint import AUDIENCE
from tests.waiting import PATIENCE_SECONDS

VERSION = "4.1.1"

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>telemetry.tests</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""


def missing() -> str | None:
    """Say what is missing to start a broker here, or None."""
    if shutil.which("java") is None:
        return "needs Java 17 on the PATH"
    if os.environ.get("TELEMETRY_KAFKA_LIBS") or (_cache() / "libs").is_dir():
        return None
    if shutil.which("mvn") is None:
        return "needs Maven, or TELEMETRY_KAFKA_LIBS=<folder of Kafka's jars>"
    return None


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "telemetry-pipeline" / "kafka" / f"{VERSION}-tools"


def libraries() -> Path:
    """The folder of Kafka's jars, fetched at first use."""
    named = os.environ.get("TELEMETRY_KAFKA_LIBS")
    if named:
        return Path(named)
    cache = _cache()
    libs = cache / "libs"
    with alone_in(cache):
        if not libs.is_dir():
            part = cache / "part"
            shutil.rmtree(part, ignore_errors=True)
            (cache / "pom.xml").write_text(_POM)
            subprocess.run(
                ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={part}"],
                cwd=cache,
                check=True,
                timeout=600,
            )
            part.rename(libs)
    return libs


def die_with_parent() -> None:
    """Called in a new process: a service that outlives a killed test run holds memory for ever."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _prepared(libs: Path) -> Path:
    """Where a broker's classes lie ready, written by a broker that ends in order, at first use."""
    archive = java.archive_in(_cache(), libs)
    with alone_in(_cache() / "classes"):
        if not archive.exists():
            part = archive.with_suffix(".part")
            with TemporaryDirectory() as folder:
                Broker(Path(folder), writes=part).start().stop()
            part.rename(archive)
    return archive


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files of a test authority, a server and a client called `telemetry`."""

    ca: Path
    server: Path
    client_certificate: Path
    client_key: Path


class Broker:
    """One broker (and controller) process; `servers` is its plain listener on the loopback."""

    def __init__(
        self,
        folder: Path,
        *,
        secure: bool = False,
        properties: Mapping[str, str] | None = None,
        heap: str = "512m",
        joins: Broker | None = None,
        token_keys: Path | None = None,
        writes: Path | None = None,
    ) -> None:
        """`joins` names the broker whose cluster this one is a second node of.

        With `token_keys`, a file with a key set (JWKS), a secure one takes tokens (OAUTHBEARER).
        `writes` is where this one leaves its classes for those that come after it.
        """
        self.token_keys = token_keys
        self.folder = folder
        self.secure = secure
        self.heap = heap
        self.joins = joins
        self.port = free_port()
        self.controller_port: int = joins.controller_port if joins else free_port()
        self.sasl_port = free_port()
        self.mutual_port = free_port()
        self.servers = f"localhost:{self.port}"
        self.sasl_servers = f"localhost:{self.sasl_port}"
        self.mutual_servers = f"localhost:{self.mutual_port}"
        self.certificates: Certificates | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self._admin: admin.AdminClient | None = None
        self._extra = dict(properties or {})
        self._libs = libraries()
        self._options = java.writing(writes) if writes else java.reading(_prepared(self._libs))

    # -- life -------------------------------------------------------------------------------

    def start(self) -> Broker:
        """Format the storage at first start, run the process, wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        properties = self.folder / "server.properties"
        if not properties.exists():
            if self.secure:
                self.certificates = make_certificates(self.folder / "tls")
            properties.write_text(self._properties())
            command = [*self._java("256m"), "kafka.tools.StorageTool", "format"]
            identity = "MkU3OEVBNTcwNTJENDM2Qk"
            kind = "--no-initial-controllers" if self.joins else "--standalone"
            subprocess.run(
                [*command, "-t", identity, "-c", str(properties), kind],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=120,
            )
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._java(self.heap, *self._token_options()), "kafka.Kafka", str(properties)],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        self._wait()
        return self

    def _java(self, heap: str, *more: str) -> list[str]:
        return ["java", f"-Xmx{heap}", *self._options, *more, "-cp", f"{self._libs}/*"]

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended: see {self.folder / 'broker.log'}")
            try:
                self.admin().list_topics(timeout=2)
            except confluent_kafka.KafkaException:
                time.sleep(0.2)
            else:
                return
        raise RuntimeError(f"the broker does not answer: see {self.folder / 'broker.log'}")

    def stop(self) -> None:
        """Stop it in order, as an operator does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, as a power failure does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the process without ending it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(PATIENCE_SECONDS)
        self.process = None

    def __enter__(self) -> Broker:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    # -- what tests do to it ------------------------------------------------------------------

    def admin(self) -> admin.AdminClient:
        """The admin client on the plain listener; kept, as its futures die with it."""
        if self._admin is None:
            self._admin = admin.AdminClient({"bootstrap.servers": self.servers, "log_level": 0})
        return self._admin

    def create_topic(
        self,
        name: str,
        partitions: int = 1,
        config: Mapping[str, str] | None = None,
        replicas: int = 1,
    ) -> str:
        """Create a topic and wait until it has leaders; gives the name back."""
        topic = admin.NewTopic(name, partitions, replicas, config=dict(config or {}))
        for done in self.admin().create_topics([topic]).values():
            done.result(30)
        self._wait_for_partitions(name, partitions)
        return name

    def delete_topic(self, name: str) -> None:
        """Delete a topic and wait until nobody sees it any more."""
        for done in self.admin().delete_topics([name]).values():
            done.result(30)
        deadline = time.monotonic() + 30
        while name in self.admin().list_topics(timeout=5).topics:
            if time.monotonic() > deadline:
                raise RuntimeError("the topic is still there")
            time.sleep(0.1)

    def segment(self, topic: str, partition: int = 0) -> Path:
        """Return the file that holds a partition's messages; a test that changes it stops first."""
        (found,) = self.folder.glob(f"**/{topic}-{partition}/*.log")
        return found

    def leaders(self, name: str) -> list[int]:
        """The node that leads each partition; -1 for none."""
        found = self.admin().list_topics(name, timeout=5).topics[name].partitions
        return [found[number].leader for number in sorted(found)]

    def add_partitions(self, name: str, total: int) -> None:
        """Raise the number of partitions."""
        for done in self.admin().create_partitions([admin.NewPartitions(name, total)]).values():
            done.result(30)
        self._wait_for_partitions(name, total)

    def _wait_for_partitions(self, name: str, partitions: int) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = self.admin().list_topics(name, timeout=5).topics[name].partitions
            if len(found) == partitions and all(p.leader >= 0 for p in found.values()):
                return
            time.sleep(0.1)
        raise RuntimeError("the topic has no leaders")

    def configure_topic(self, name: str, config: Mapping[str, str]) -> None:
        """Change settings of a topic."""
        entries = [
            admin.ConfigEntry(key, value, incremental_operation=admin.AlterConfigOpType.SET)
            for key, value in config.items()
        ]
        resource = admin.ConfigResource(admin.ResourceType.TOPIC, name, incremental_configs=entries)
        for done in self.admin().incremental_alter_configs([resource]).values():
            done.result(30)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Move the start of a partition, as retention does."""
        where = confluent_kafka.TopicPartition(topic, partition, before)
        for done in self.admin().delete_records([where]).values():
            done.result(30)

    def producer(self, **settings: Any) -> confluent_kafka.Producer:
        """A producer on the plain listener."""
        return confluent_kafka.Producer(
            {
                "bootstrap.servers": self.servers,
                "linger.ms": 5,
                "log_level": 0,
                **{key.replace("_", "."): value for key, value in settings.items()},
            }
        )

    def produce(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        partition: int = 0,
        keys: Sequence[bytes | None] | None = None,
        **settings: Any,
    ) -> None:
        """Send values to one partition and wait until the broker has them."""
        producer = self.producer(**settings)
        for number, value in enumerate(values):
            key = keys[number] if keys is not None else None
            while True:
                try:
                    producer.produce(topic, value=value, key=key, partition=partition)
                    break
                except BufferError:
                    producer.poll(0.05)
        if producer.flush(60):
            raise RuntimeError("messages were not delivered")

    def offsets(self, topic: str, partition: int = 0) -> tuple[int, int]:
        """First and end offset of a partition."""
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self.servers, "group.id": "offsets", "log_level": 0}
        )
        try:
            low, high = consumer.get_watermark_offsets(
                confluent_kafka.TopicPartition(topic, partition), timeout=15
            )
        finally:
            consumer.close()
        return int(low), int(high)

    def values(self, topic: str, partition: int = 0) -> dict[int, bytes]:
        """Return what a consumer reads at each offset of a partition, up to its end."""
        settings = {"bootstrap.servers": self.servers, "group.id": "values", "log_level": 0}
        consumer = confluent_kafka.Consumer({**settings, "enable.auto.commit": False})
        low, end = self.offsets(topic, partition)
        found: dict[int, bytes] = {}
        deadline = time.monotonic() + 120
        try:
            consumer.assign([confluent_kafka.TopicPartition(topic, partition, low)])
            while len(found) < end - low and time.monotonic() < deadline:
                for message in consumer.consume(1000, 1.0):
                    offset, value = message.offset(), message.value()
                    if message.error() is None and offset is not None and offset < end:
                        found[offset] = bytes(value or b"")
        finally:
            consumer.close()
        return found

    def add_user(self, name: str, password: str, mechanism: str = "SCRAM-SHA-512") -> None:
        """Create a SCRAM user."""
        kinds = {
            "SCRAM-SHA-256": admin.ScramMechanism.SCRAM_SHA_256,
            "SCRAM-SHA-512": admin.ScramMechanism.SCRAM_SHA_512,
        }
        wanted = admin.UserScramCredentialUpsertion(
            name, admin.ScramCredentialInfo(kinds[mechanism], 4096), password.encode()
        )
        for done in self.admin().alter_user_scram_credentials([wanted]).values():
            done.result(30)

    def allow(self, user: str, operation: str, kind: str, name: str) -> None:
        """Add one ACL: `allow("telemetry", "READ", "TOPIC", "events")`."""
        for done in self.admin().create_acls([_acl(user, operation, kind, name)]).values():
            done.result(30)

    # -- settings -------------------------------------------------------------------------------

    def _token_options(self) -> list[str]:
        if self.token_keys is None:
            return []
        allowed = "org.apache.kafka.sasl.oauthbearer.allowed"
        keys = self.token_keys
        return [f"-D{allowed}.urls={keys.as_uri()}", f"-D{allowed}.files={keys}"]

    def _properties(self) -> str:
        values = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"localhost:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "INTERNAL",
            "listeners": f"INTERNAL://localhost:{self.port},"
            f"CONTROLLER://localhost:{self.controller_port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,"
            "SASL:SASL_SSL,MUTUAL:SSL",
            "log.dirs": str(self.folder / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.num.partitions": "2",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "auto.create.topics.enable": "false",
            "log.retention.check.interval.ms": "1000",
            "log.segment.delete.delay.ms": "1000",
            "log.cleaner.backoff.ms": "500",
            # A broker that was killed may come back soon.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "log.initial.task.delay.ms": "500",
            "leader.imbalance.check.interval.seconds": "2",
            "replica.lag.time.max.ms": "5000",
        }
        if self.secure:
            assert self.certificates is not None
            values["listeners"] += (
                f",SASL://localhost:{self.sasl_port},MUTUAL://localhost:{self.mutual_port}"
            )
            values |= {
                "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(self.certificates.server),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.certificates.ca),
                "listener.name.mutual.ssl.client.auth": "required",
                "listener.name.mutual.ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
                "listener.name.sasl.plain.sasl.jaas.config": "org.apache.kafka.common.security."
                'plain.PlainLoginModule required user_plain="plain-secret";',
                "listener.name.sasl.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common."
                "security.scram.ScramLoginModule required;",
                "listener.name.sasl.scram-sha-512.sasl.jaas.config": "org.apache.kafka.common."
                "security.scram.ScramLoginModule required;",
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
            }
        if self.token_keys is not None:
            listener = "listener.name.sasl.oauthbearer"
            values |= {
                "sasl.enabled.mechanisms": f"{values['sasl.enabled.mechanisms']},OAUTHBEARER",
                f"{listener}.sasl.jaas.config": "org.apache.kafka.common.security.oauthbearer."
                "OAuthBearerLoginModule required;",
                f"{listener}.sasl.server.callback.handler.class": "org.apache.kafka.common."
                "security.oauthbearer.OAuthBearerValidatorCallbackHandler",
                # The default validator of 4.1 looks at no signature, even with a key set.
                "sasl.oauthbearer.jwt.validator.class": "org.apache.kafka.common.security."
                "oauthbearer.BrokerJwtValidator",
                "sasl.oauthbearer.jwks.endpoint.url": self.token_keys.as_uri(),
                "sasl.oauthbearer.expected.audience": AUDIENCE,
                "sasl.oauthbearer.expected.issuer": "https://issuer.test",
                # A connection ends with its token, unless the client brings another in time.
                "connections.max.reauth.ms": "3600000",
            }
        if self.joins is not None:
            values |= {
                "process.roles": "broker",
                "node.id": "2",
                "listeners": f"INTERNAL://localhost:{self.port}",
            }
        values |= self._extra
        return "".join(f"{key}={value}\n" for key, value in values.items())


def _acl(user: str, operation: str, kind: str, name: str) -> admin.AclBinding:
    return admin.AclBinding(
        admin.ResourceType[kind],
        name,
        admin.ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        admin.AclOperation[operation],
        admin.AclPermissionType.ALLOW,
    )


def make_certificates(folder: Path) -> Certificates:
    """Make an authority, a server for localhost and a client named `telemetry`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    def certificate(
        subject: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("test authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(
                x509.BasicConstraints(ca=subject == "test authority", path_length=None), True
            )
            .add_extension(
                x509.SubjectAlternativeName(
                    [
                        x509.DNSName("localhost"),
                        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                    ]
                ),
                False,
            )
        )
        return builder.sign(signer, hashes.SHA256())

    def pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    pem = serialization.Encoding.PEM
    authority, server, client = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    made = Certificates(
        folder / "ca.pem", folder / "server.pem", folder / "client.pem", folder / "client.key"
    )
    ca = certificate("test authority", authority, authority).public_bytes(pem)
    made.ca.write_bytes(ca)
    server_certificate = certificate("localhost", server, authority).public_bytes(pem)
    made.server.write_bytes(pem_key(server) + server_certificate + ca)
    made.client_certificate.write_bytes(
        certificate("telemetry", client, authority).public_bytes(pem)
    )
    made.client_key.write_bytes(pem_key(client))
    return made
