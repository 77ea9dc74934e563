"""Every cloud's service has the calls that the keystore makes, with the same names."""

from __future__ import annotations

import inspect

import pytest

from pipeline.io.keys.aws_api import AwsSecrets
from pipeline.io.keys.google_api import GoogleSecrets
from pipeline.io.keys.secret_service import SecretService
from pipeline.io.keys.vault_api import VaultSecrets


@pytest.mark.parametrize("service", [AwsSecrets, GoogleSecrets, VaultSecrets])
def test_a_service_answers_the_calls_of_the_port(service: type) -> None:
    for name, call in vars(SecretService).items():
        if not name.startswith("_"):
            assert inspect.signature(getattr(service, name)) == inspect.signature(call)
