"""How to connect to brokers, from the settings: secrets stay references, lists have brokers too."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings
from pipeline.cli.wiring.topics import kafka_access, list_access, registry_openers
from pipeline.errors import RegistryUnreachable, SettingsError
from pipeline.settings import Settings

KAFKA = """
[kafka]
protocol = "SASL_SSL"
mechanism = "SCRAM-SHA-256"
username = "env:KAFKA_USER"
password = "env:KAFKA_PASSWORD"
"""


def settings(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "telemetry.toml"
    path.write_text(text)
    return load_settings(path, environ={})


def test_an_access_says_what_the_settings_say(tmp_path: Path) -> None:
    access = kafka_access(["a:9092", "b:9092"], settings(tmp_path, KAFKA))
    assert (access.servers, access.protocol) == (("a:9092", "b:9092"), "SASL_SSL")
    assert access.mechanism == "SCRAM-SHA-256"
    assert access.key_password is None


def test_a_secret_is_read_where_a_connection_is_opened_and_travels_as_a_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = kafka_access(["a:9092"], settings(tmp_path, KAFKA))
    monkeypatch.setenv("KAFKA_PASSWORD", "hunter2-secret")
    travelling = pickle.dumps(access)
    assert b"hunter2" not in travelling
    password = pickle.loads(travelling).password
    assert password is not None
    assert password() == "hunter2-secret"
    monkeypatch.delenv("KAFKA_PASSWORD")
    with pytest.raises(SettingsError, match=r"kafka\.password|KAFKA_PASSWORD"):
        password()


TOKENS = """
[kafka]
protocol = "SASL_SSL"
mechanism = "OAUTHBEARER"
username = "env:CLIENT_ID"
password = "env:CLIENT_SECRET"
token_endpoint = "https://login.example/token"
token_scope = "kafka"
token_extensions = { logicalCluster = "lkc-1" }
"""


def test_tokens_come_from_where_the_settings_say(tmp_path: Path) -> None:
    access = kafka_access(["a:9092"], settings(tmp_path, TOKENS))
    assert access.tokens is not None
    assert (access.tokens.endpoint, access.tokens.scope) == ("https://login.example/token", "kafka")
    assert dict(access.token_extensions) == {"logicalCluster": "lkc-1"}
    with pytest.raises(SettingsError, match=r"kafka\.username"):
        access.tokens.client_id()


SOURCES = """
[sources.b]
topic = "telemetry.session"
event = "session"
servers = ["b:9092"]
[sources.a]
topic = "telemetry.api_request"
event = "api_request"
servers = ["a:9092"]
"""


def test_lists_are_on_their_own_brokers_or_on_those_of_the_first_source(tmp_path: Path) -> None:
    assert list_access(settings(tmp_path, SOURCES)).servers == ("a:9092",)
    own = '[kafka]\nservers = ["lists:9092"]\n' + SOURCES
    assert list_access(settings(tmp_path, own)).servers == ("lists:9092",)


def test_lists_without_any_broker_are_refused_with_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no brokers") as caught:
        list_access(settings(tmp_path, ""))
    assert caught.value.where == "kafka.servers"
    assert "servers =" in caught.value.remedy


REGISTRY = """
[registry]
username = "env:REGISTRY_USER"
password = "env:REGISTRY_PASSWORD"
[sources.a]
topic = "edge"
event = "api_request"
servers = ["a:9092"]
registry = "http://127.0.0.1:1/"
[sources.b]
topic = "other"
event = "api_request"
servers = ["a:9092"]
"""


def test_a_registry_is_opened_where_it_is_used_and_its_secrets_travel_as_references(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_USER", "user")
    openers = registry_openers(settings(tmp_path, REGISTRY))
    assert set(openers) == {"a"}
    readers = pickle.loads(pickle.dumps(openers["a"]))()
    with pytest.raises(SettingsError, match=r"registry\.password"):
        readers.find({1})
    monkeypatch.setenv("REGISTRY_PASSWORD", "hunter2-secret")
    with pytest.raises(RegistryUnreachable):
        readers.find({1})
