"""From settings to the topics of opt-outs and requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from pipeline.cli.opening import open_keystore
from pipeline.cli.options import Invocation
from pipeline.errors import SettingsError
from pipeline.settings import Secret, Settings
from pipeline.settings.secrets import reveal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.io.kafka_client import KafkaAccess
    from pipeline.io.kafka_optout import OptOutTopic
    from pipeline.io.kafka_optout_writer import OptOutTopicWriter
    from pipeline.io.optout_list import OptOutList


def kafka_access(servers: Sequence[str], settings: Settings) -> KafkaAccess:
    """How to connect to these servers; secrets stay references until a connection is opened."""
    from pipeline.io.kafka_client import KafkaAccess

    kafka = settings.kafka

    def opener(name: str, secret: Secret | None) -> partial[str] | None:
        return None if secret is None else partial(reveal, secret, f"kafka.{name}")

    return KafkaAccess(
        servers=tuple(servers),
        protocol=kafka.protocol,
        ca_file=kafka.ca_file,
        certificate_file=kafka.certificate_file,
        key_file=kafka.key_file,
        key_password=opener("key_password", kafka.key_password),
        mechanism=kafka.mechanism,
        username=opener("username", kafka.username),
        password=opener("password", kafka.password),
    )


def list_access(settings: Settings) -> KafkaAccess:
    """How to connect to the brokers of the lists. Raises SettingsError if none are named."""
    servers = settings.kafka.servers or next(
        (source.servers for _, source in sorted(settings.sources.items()) if source.servers), ()
    )
    if not servers:
        raise SettingsError(
            "no brokers are set",
            where="kafka.servers",
            remedy='Write [kafka] servers = ["host:9092"] in telemetry.toml',
        )
    return kafka_access(servers, settings)


def open_optout_topic(settings: Settings, now: Callable[[], datetime]) -> OptOutTopic:
    """The list of the topic that the settings name; connects when it is loaded."""
    from pipeline.io.kafka_optout import OptOutTopic

    topic = settings.kafka.optout_topic
    if topic is None:
        raise SettingsError(
            "no opt-out topic is set",
            where="kafka.optout_topic",
            remedy='Write [kafka] optout_topic = "telemetry.optouts" in telemetry.toml',
        )
    return OptOutTopic(
        list_access(settings), topic, now, stale_after=settings.privacy.optout_stale_after
    )


def open_optout_writer(call: Invocation) -> OptOutTopicWriter:
    """The same list, to change it."""
    from pipeline.io.kafka_optout_writer import OptOutTopicWriter

    topic = open_optout_topic(call.settings, call.now)
    key = open_keystore(call.settings, call.now).permanent_key("optout")
    return OptOutTopicWriter(list_access(call.settings), topic, key)


@contextmanager
def optout_list(call: Invocation) -> Iterator[OptOutList]:
    """The list that the settings name: the topic's, or the file of the state folder."""
    if call.settings.kafka.optout_topic is None:
        from pipeline.io.optout_list import OptOutFile

        state = call.settings.need_state()
        key = open_keystore(call.settings, call.now).permanent_key("optout")
        yield OptOutFile(state / "optout.ndjson", key)
        return
    with open_optout_writer(call) as writer:
        yield writer
