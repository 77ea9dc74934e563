"""The settings of services that the pipeline connects to, declared like those in `sections`."""

# `setting` returns a dataclass field, which is what a default may be.
# ruff: noqa: RUF009

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pipeline.settings.table import Table
from pipeline.settings.values import (
    Secret,
    address,
    choice,
    duration,
    path,
    secret,
    setting,
    switch,
    text,
    text_list,
    texts,
)

_NO_TEXTS: Mapping[str, str] = Table({})


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """Metrics and traces to an OpenTelemetry collector, beside or instead of Prometheus."""

    endpoint: str | None = setting(
        None,
        text,
        "Address of a collector that takes OTLP over HTTP, such as `http://localhost:4318`. Needs "
        "the extra `otel`. Default: nothing is sent.",
    )
    interval: timedelta = setting(
        timedelta(seconds=15), duration("1s", "10m"), "How often metrics and spans are sent."
    )
    authorization: Secret | None = setting(
        None, secret, "The header of that name, if one is needed."
    )


@dataclass(frozen=True, slots=True)
class LineageSettings:
    """OpenLineage run events: which command read and wrote what, and how it ended."""

    file: Path | None = setting(
        None, path, "File of JSON lines that events are added to. Default: none is written."
    )
    endpoint: str | None = setting(
        None,
        address,
        "Where events are sent, such as `http://localhost:5000/api/v1/lineage` of Marquez. "
        "Default: nothing is sent.",
    )
    authorization: Secret | None = setting(
        None, secret, "The header of that name, if one is needed."
    )
    namespace: str = setting("telemetry", text, "Namespace of jobs and datasets.")


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How to connect to Kafka, for every Kafka source, and the topics of opt-outs and requests."""

    servers: tuple[str, ...] = setting(
        (),
        text_list,
        "Brokers of the opt-out and request topics. Default: those of the first Kafka source.",
    )
    optout_topic: str | None = setting(
        None, text, "Compacted topic of the opt-out list. Default: the file in the state folder."
    )
    requests_topic: str = setting(
        "telemetry.privacy_requests", text, "Topic that `telemetry requests serve` reads."
    )
    protocol: str = setting(
        "PLAINTEXT",
        choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        "Security protocol.",
    )
    mechanism: str = setting(
        "SCRAM-SHA-512",
        choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"),
        "SASL mechanism. `AWS_MSK_IAM` needs the extra `aws`.",
    )
    username: Secret | None = setting(
        None, secret, "SASL user name; with `OAUTHBEARER`, the client id."
    )
    password: Secret | None = setting(
        None, secret, "SASL password; with `OAUTHBEARER`, the client secret."
    )
    token_endpoint: str | None = setting(
        None,
        address,
        "Where `OAUTHBEARER` gets its tokens (OIDC, client credentials). `https`, except on this "
        "machine.",
    )
    token_scope: str | None = setting(None, text, "Scope to ask for, if one is needed.")
    token_extensions: Mapping[str, str] = setting(
        _NO_TEXTS,
        texts,
        "SASL extensions to send with a token, such as `logicalCluster` of Confluent Cloud.",
    )
    token_ca_file: Path | None = setting(
        None, path, "Certificates that sign the token endpoint's one (PEM)."
    )
    ca_file: Path | None = setting(None, path, "Certificates that sign the brokers' ones (PEM).")
    certificate_file: Path | None = setting(None, path, "Certificate of this client (PEM).")
    key_file: Path | None = setting(None, path, "Private key of this client (PEM).")
    key_password: Secret | None = setting(None, secret, "Password of that key.")
    read_committed: bool = setting(False, switch, "Leave out records of aborted transactions.")


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How to connect to the schema registries that sources name."""

    username: Secret | None = setting(None, secret, "User name, if one is needed.")
    password: Secret | None = setting(None, secret, "Password of that user.")
    ca_file: Path | None = setting(None, path, "Certificates that sign the registry's one (PEM).")
