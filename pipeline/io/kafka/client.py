"""How the pipeline connects to Kafka: addresses, TLS, SASL; and what its errors mean.

An access is a description that travels to workers: passwords are references that are resolved
where a connection is opened, so they are in no pipeline graph, pickle or `repr`. Errors of the
client become errors of ours that name topic and remedy; the client's own text is not passed on,
because it may quote what the broker sent.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka import errors as kafka_errors
from kafka.net.sasl.oauth import AbstractTokenProvider

from pipeline.errors import EnvironmentProblem, SettingsError, SourceError, TelemetryError
from pipeline.io.web.tokens import TokenAccess, TokenSource

Secret = Callable[[], str]
"""A reference to a secret: called where it is needed, never stored."""

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
OAUTH, MSK_IAM = "OAUTHBEARER", "AWS_MSK_IAM"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTH, MSK_IAM)

CLIENT_ID = "telemetry"

_LOG = logging.getLogger(__name__)

Unreachable = kafka_errors.RetriableError
"""The client's errors that mean: not now. Later it can succeed without anybody's help."""


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Where the brokers are and how to talk to them."""

    servers: tuple[str, ...]
    """`host:port` of some brokers."""
    protocol: str = "PLAINTEXT"
    """One of `PROTOCOLS`."""
    ca_file: Path | None = None
    """PEM file of the authority that signed the brokers' certificates; None: the system's."""
    certificate_file: Path | None = None
    """PEM file of our own certificate, for mutual TLS."""
    key_file: Path | None = None
    """PEM file of its key."""
    key_password: Secret | None = field(default=None, repr=False)
    mechanism: str = "SCRAM-SHA-512"
    """One of `MECHANISMS`; used with the SASL protocols."""
    username: Secret | None = field(default=None, repr=False)
    password: Secret | None = field(default=None, repr=False)
    tokens: TokenAccess | None = None
    """Where the tokens of `OAUTHBEARER` come from."""
    token_extensions: Mapping[str, str] = field(default_factory=dict)
    """What is sent along with a token."""

    def __post_init__(self) -> None:
        if not self.servers:
            raise SettingsError(
                "No Kafka servers are set", remedy="Set `servers` to host:port of a broker."
            )
        if self.protocol not in PROTOCOLS:
            raise SettingsError(
                "The Kafka setting `protocol` is unknown",
                remedy=f"Use one of {', '.join(PROTOCOLS)}.",
            )
        if self.protocol.startswith("SASL"):
            if self.mechanism not in MECHANISMS:
                raise SettingsError(
                    "The Kafka setting `mechanism` is unknown",
                    remedy=f"Use one of {', '.join(MECHANISMS)}.",
                )
            self._check_credentials()
        if (self.certificate_file is None) != (self.key_file is None):
            raise SettingsError(
                "Mutual TLS needs both `certificate_file` and `key_file`",
                where="the Kafka settings",
            )

    def _check_credentials(self) -> None:
        if self.mechanism == MSK_IAM:
            if self.protocol != "SASL_SSL":
                raise SettingsError(
                    f"{MSK_IAM} needs `protocol` SASL_SSL", where="the Kafka settings"
                )
        elif self.mechanism == OAUTH:
            if self.tokens is None:
                raise SettingsError(
                    f"{OAUTH} needs `token_endpoint`, `username` and `password`",
                    where="the Kafka settings",
                    remedy="They are the address of tokens, the client id and its secret.",
                )
        elif self.username is None or self.password is None:
            raise SettingsError(
                "SASL needs `username` and `password`",
                where="the Kafka settings",
                remedy='Give the password by reference, e.g. password = "env:KAFKA_PASSWORD".',
            )

    def client_settings(self) -> dict[str, Any]:
        """Return the client library's settings, with secrets resolved: do not keep or show them.

        Raises EnvironmentProblem if a file of the TLS settings cannot be read, or if there is no
        token, or no AWS credentials.
        """
        settings: dict[str, Any] = {
            "bootstrap_servers": list(self.servers),
            "client_id": CLIENT_ID,
            "security_protocol": self.protocol,
            "reconnect_backoff_max_ms": 2000,
            "metadata_max_age_ms": 10_000,
        }
        if "SSL" in self.protocol:
            settings["ssl_context"] = self.tls()
        if self.protocol.startswith("SASL"):
            settings |= {"sasl_mechanism": self.mechanism, **self._credentials()}
        return settings

    def _credentials(self) -> dict[str, Any]:
        if self.mechanism == MSK_IAM:
            check_aws()
            return {}
        if self.mechanism == OAUTH and self.tokens is not None:
            return {"sasl_oauth_token_provider": Tokens(self.tokens, self.token_extensions)}
        if self.username is None or self.password is None:
            return {}
        return {
            "sasl_plain_username": self.username(),
            "sasl_plain_password": self.password(),
        }

    def tls(self) -> ssl.SSLContext:
        """Return the TLS settings. Raises EnvironmentProblem if a file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate_file is not None and self.key_file is not None:
                context.load_cert_chain(self.certificate_file, self.key_file, self.key_password)
        except (OSError, ssl.SSLError) as error:
            raise EnvironmentProblem(
                "A certificate or key file of the Kafka settings cannot be used",
                why=f"of a {type(error).__name__}",
                remedy="Check `ca_file`, `certificate_file`, `key_file` and `key_password`.",
            ) from None
        return context


class Tokens(AbstractTokenProvider):  # type: ignore[misc]  # the client's classes are untyped
    """Tokens and extensions for the client's connections; the first token is fetched at once."""

    def __init__(self, access: TokenAccess, extensions: Mapping[str, str]) -> None:
        """Raise EnvironmentProblem or SettingsError if there is no token."""
        super().__init__()
        self._source, self._extensions = TokenSource(access), dict(extensions)
        self._source.token()

    def token(self) -> str:
        """Return a valid token; called by the client's own thread, which expects its own errors."""
        try:
            return self._source.token()
        except TelemetryError as problem:
            _LOG.warning("There is no token for Kafka: %s", str(problem))
            raise kafka_errors.SaslAuthenticationFailedError(problem.what) from None

    def extensions(self) -> dict[str, str]:
        """Return what is sent along."""
        return self._extensions

    def problem(self) -> EnvironmentProblem | None:
        """Say why there is no valid token now, if a request for one has failed."""
        return self._source.problem()


def check_aws() -> None:
    """Raise EnvironmentProblem if requests to AWS cannot be signed: the client says so late."""
    try:
        session = import_module("botocore.session").Session()
    except ImportError:
        raise EnvironmentProblem(
            f"The Kafka mechanism {MSK_IAM} needs the client of AWS",
            remedy="Install the extra: pip install 'telemetry-pipeline[aws]'",
        ) from None
    if session.get_credentials() is None or not session.get_config_variable("region"):
        raise EnvironmentProblem(
            "There are no credentials of AWS, or no region, for Kafka",
            remedy="Run with a role of AWS (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), and "
            "set AWS_DEFAULT_REGION.",
        )


def connect_consumer(access: KafkaAccess, **settings: Any) -> KafkaConsumer:
    """Return a consumer without group membership that picks no starting point by itself.

    Raises TelemetryError; a broker that does not answer is an EnvironmentProblem.
    """
    fixed = {
        "group_id": None,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "allow_auto_create_topics": False,
        "check_crcs": True,
        "metrics_enabled": False,
    }
    return _connect(KafkaConsumer, access, {**fixed, **settings})


def connect_producer(access: KafkaAccess, **settings: Any) -> KafkaProducer:
    """Return an idempotent producer that waits for all replicas. Raises TelemetryError."""
    fixed = {"acks": "all", "enable_idempotence": True, "metrics_enabled": False}
    return _connect(KafkaProducer, access, {**fixed, **settings})


def connect_admin(access: KafkaAccess) -> KafkaAdminClient:
    """Return an admin client. Raises TelemetryError."""
    return _connect(KafkaAdminClient, access, {})


def _connect(kind: Any, access: KafkaAccess, settings: Mapping[str, Any]) -> Any:
    base = {"bootstrap_timeout_ms": 10_000, **access.client_settings()}
    try:
        with kafka_faults("connecting to Kafka"):
            return kind(**{**base, **settings})
    except EnvironmentProblem as problem:
        why = diagnose(access)
        raise EnvironmentProblem(problem.what, why=why, remedy=problem.remedy) from None


def diagnose(access: KafkaAccess) -> str:
    """Say why no broker could be used, as a clause that follows "because".

    The client only says that time ran out; so the first server is tried step by step.
    """
    host, _, port = access.servers[0].rpartition(":")
    host = host.strip("[]")
    try:
        with socket.create_connection((host, int(port)), timeout=5) as plain:
            if "SSL" in access.protocol:
                with access.tls().wrap_socket(plain, server_hostname=host) as secured:
                    secured.settimeout(1)
                    # A broker that wants a client certificate refuses after the handshake.
                    with suppress(TimeoutError):
                        secured.recv(1)
                        return "the broker closes the TLS connection: it may want a certificate"
    except ssl.SSLCertVerificationError:
        return "the broker's certificate is not trusted or has another name: check `ca_file`"
    except ssl.SSLError:
        return "TLS fails: check `protocol`, `ca_file` and `certificate_file`"
    except (OSError, ValueError):
        return "no connection to the first server can be opened: check `servers`"
    if access.protocol.startswith("SASL") and access.mechanism in (OAUTH, MSK_IAM):
        what = "the token" if access.mechanism == OAUTH else "these credentials of AWS"
        return f"the broker refuses {what}, or does not know `mechanism`"
    if access.protocol.startswith("SASL"):
        return "the broker refuses `username` and `password`, or does not know `mechanism`"
    return "the server does not speak Kafka with this `protocol`, or is starting"


@contextmanager
def kafka_faults(doing: str, topic: str = "") -> Iterator[None]:
    """Turn the client's errors into errors of ours; `doing` says what was going on."""
    try:
        yield
    except kafka_errors.KafkaError as error:
        raise explain(error, doing, topic) from None
    except (OSError, ssl.SSLError) as error:
        raise EnvironmentProblem(
            f"Failed at {doing}", why=f"of a {type(error).__name__}", remedy=_DOCTOR
        ) from None


_DOCTOR = "Run `telemetry doctor` to test the connection."


def explain(error: BaseException, doing: str, topic: str = "") -> TelemetryError:
    """Return our error for one of the client's: what failed, where and what to do."""
    where = f"topic {topic}" if topic else ""
    kind = type(error).__name__
    if isinstance(error, kafka_errors.SaslAuthenticationFailedError):
        return EnvironmentProblem(
            "Kafka refuses the credentials",
            where=where,
            remedy="Check `username`, `password` and `mechanism` in the Kafka settings.",
        )
    if isinstance(error, kafka_errors.GroupAuthorizationFailedError):
        return EnvironmentProblem(
            "Kafka does not allow the consumer group",
            remedy="Grant READ on the group, or remove `group` from the settings.",
        )
    if isinstance(error, kafka_errors.AuthorizationError):
        return EnvironmentProblem(
            "Kafka does not allow this user to read the topic",
            where=where,
            why="an ACL is missing",
            remedy="Grant READ and DESCRIBE on the topic (telemetry doctor checks them).",
        )
    if isinstance(error, kafka_errors.UnknownTopicOrPartitionError):
        return EnvironmentProblem(
            "The topic does not exist, or this user may not see it",
            where=where,
            remedy="Create it (deploy/kafka/create-topics.sh), or grant DESCRIBE on it.",
        )
    if isinstance(error, kafka_errors.CorruptRecordError):
        return SourceError(
            "A record batch is damaged",
            where=where,
            why="its checksum or structure is wrong",
            remedy="Look at the broker's disks; to skip it: `telemetry kafka gap`.",
        )
    if isinstance(error, Unreachable):
        return EnvironmentProblem(
            "Kafka does not answer",
            where=where,
            why=f"{doing} ended with {kind}",
            remedy=_DOCTOR,
        )
    return EnvironmentProblem(f"Failed at {doing}", where=where, why=f"of a {kind}", remedy=_DOCTOR)
