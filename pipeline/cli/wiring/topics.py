"""From settings to brokers: how to connect to those of a source and of the lists.

Also to the schema registries of their messages.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pipeline.errors import SettingsError
from pipeline.io.kafka.source import KafkaSourceSettings
from pipeline.settings import Secret, Settings
from pipeline.settings.secrets import reveal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pipeline.io.kafka.client import KafkaAccess
    from pipeline.io.registry.readers import RegistryReaders
    from pipeline.io.web.tokens import TokenAccess
    from pipeline.settings.connections import KafkaSettings


def topics_of(settings: Settings) -> Iterator[tuple[str, KafkaSourceSettings]]:
    """The sources that are topics, by name and in this order."""
    for name, source in sorted(settings.sources.items()):
        if isinstance(source, KafkaSourceSettings):
            yield name, source


def registry_openers(settings: Settings) -> Mapping[str, partial[RegistryReaders]]:
    """What opens the schema registry of each source that has one; secrets stay references."""
    told = settings.registry
    return {
        name: partial(
            _registry_readers, source.registry, told.username, told.password, told.ca_file
        )
        for name, source in topics_of(settings)
        if source.registry is not None
    }


def _registry_readers(
    url: str, username: Secret | None, password: Secret | None, ca_file: Path | None
) -> RegistryReaders:
    from pipeline.io.registry.client import RegistryAccess
    from pipeline.io.registry.readers import RegistryReaders

    access = RegistryAccess(
        url,
        _opener("registry.username", username),
        _opener("registry.password", password),
        ca_file,
    )
    return RegistryReaders(access)


def _opener(place: str, secret: Secret | None) -> partial[str] | None:
    """What reveals a secret when a connection is opened."""
    return None if secret is None else partial(reveal, secret, place)


def kafka_access(servers: Sequence[str], settings: Settings) -> KafkaAccess:
    """How to connect to these servers; secrets stay references until a connection is opened."""
    from pipeline.io.kafka.client import KafkaAccess

    kafka = settings.kafka
    return KafkaAccess(
        servers=tuple(servers),
        protocol=kafka.protocol,
        ca_file=kafka.ca_file,
        certificate_file=kafka.certificate_file,
        key_file=kafka.key_file,
        key_password=_opener("kafka.key_password", kafka.key_password),
        mechanism=kafka.mechanism,
        username=_opener("kafka.username", kafka.username),
        password=_opener("kafka.password", kafka.password),
        tokens=_tokens(kafka),
        token_extensions=kafka.token_extensions,
    )


def _tokens(kafka: KafkaSettings) -> TokenAccess | None:
    from pipeline.io.web.tokens import TokenAccess

    if kafka.token_endpoint is None or kafka.username is None or kafka.password is None:
        return None
    return TokenAccess(
        kafka.token_endpoint,
        partial(reveal, kafka.username, "kafka.username"),
        partial(reveal, kafka.password, "kafka.password"),
        kafka.token_scope,
        kafka.token_ca_file,
    )


def list_access(settings: Settings) -> KafkaAccess:
    """How to connect to the brokers of the lists. Raises SettingsError if none are named."""
    servers = settings.kafka.servers or next(
        (source.servers for _, source in topics_of(settings)), ()
    )
    if not servers:
        raise SettingsError(
            "no brokers are set",
            where="kafka.servers",
            remedy='Write [kafka] servers = ["host:9092"] in telemetry.toml',
        )
    return kafka_access(servers, settings)
