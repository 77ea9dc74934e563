"""AWS Secrets Manager: what only one of several gets, and how failures are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.keys.aws_api import AwsSecrets, connect
from pipeline.io.keys.secret_service import NoVersion, Unreadable
from tests.integration.services.aws_secrets import aws_secrets


@pytest.fixture
def client() -> Iterator[Any]:
    with aws_secrets() as served:
        yield served


@pytest.fixture
def manager(client: Any) -> AwsSecrets:
    del client
    return connect("eu-west-1", "telemetry")


def test_the_first_content_is_everybodys(manager: AwsSecrets) -> None:
    with pytest.raises(NoVersion):
        manager.first("optout")
    manager.add("optout", b"a" * 32)
    manager.add("optout", b"b" * 32)
    assert manager.first("optout") == b"a" * 32
    manager.destroy_first("optout")
    manager.destroy_first("optout")
    with pytest.raises(NoVersion):
        manager.first("optout")


def test_an_index_is_changed_by_who_saw_it_last(manager: AwsSecrets, client: Any) -> None:
    assert manager.annotations("index") == ("", {})
    manager.create("index")
    manager.create("index")
    before, texts = manager.annotations("index")
    assert texts == {}
    assert manager.annotate("index", before, {"installation": "1"})
    assert not manager.annotate("index", before, {"installation": "2"})
    after, texts = manager.annotations("index")
    assert (texts, after == before) == ({"installation": "1"}, False)
    stages = client.describe_secret(SecretId="telemetry-index")["VersionIdsToStages"]
    assert not any(label.startswith("proposed") for labels in stages.values() for label in labels)


def test_a_text_where_a_key_should_be_is_no_key(manager: AwsSecrets, client: Any) -> None:
    client.create_secret(Name="telemetry-files", SecretString="text")
    with pytest.raises(Unreadable):
        manager.first("files")
    client.create_secret(Name="telemetry-index", SecretString="[]")
    assert "epoch.unreadable" in manager.annotations("index")[1]


def test_a_service_that_is_away_is_told_without_what_was_asked(
    manager: AwsSecrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    gone = connect("eu-west-1", "telemetry")
    with pytest.raises(EnvironmentProblem, match="EndpointConnectionError") as caught:
        gone.add("files", b"hunter2" * 4)
    assert "hunter2" not in str(caught.value)
