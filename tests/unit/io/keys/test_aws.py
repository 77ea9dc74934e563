"""How settings name AWS Secrets Manager, and what opens it."""

from __future__ import annotations

import sys

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.keys.aws import AWS_SECRETS
from tests.integration.services.aws_secrets import aws_secrets
from tests.unit.io.keys.stores import NOW


@pytest.mark.parametrize(
    ("reference", "fits"),
    [
        ("aws-sm:eu-west-1/telemetry", True),
        ("aws-sm:us-gov-east-1/team/telemetry", True),
        ("aws-sm:telemetry", False),
        ("aws-sm:eu-west-1/", False),
        ("gcp-sm:projects/p/secrets/x", False),
    ],
)
def test_a_reference_is_a_region_and_a_prefix(reference: str, fits: bool) -> None:
    assert (AWS_SECRETS.pattern.fullmatch(reference) is not None) == fits


def test_the_region_and_the_prefix_are_those_of_the_reference() -> None:
    with aws_secrets() as client:
        store = AWS_SECRETS.open("aws-sm:eu-west-1/team/keys", now=lambda: NOW, retention_days=90)
        key = store.permanent_key("optout")
        assert client.get_secret_value(SecretId="team/keys-optout")["SecretBinary"] == key


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(EnvironmentProblem) as caught:
        AWS_SECRETS.open("aws-sm:eu-west-1/telemetry", now=lambda: NOW, retention_days=90)
    assert "[aws]" in caught.value.remedy
