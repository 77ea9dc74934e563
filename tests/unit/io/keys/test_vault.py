"""How settings name Vault, and what opens it."""

from __future__ import annotations

import sys

import pytest

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.io.keys.vault import VAULT
from tests.unit.io.keys.stores import NOW


@pytest.mark.parametrize(
    ("reference", "fits"),
    [
        ("vault:secret/telemetry", True),
        ("vault:kv-2/team/telemetry/keys", True),
        ("vault:secret", False),
        ("vault:secret/", False),
        ("vault:secret//telemetry", False),
        ("vault:secret/../sys", False),
        ("vault:secret/telemetry?version=2", False),
        ("aws-sm:eu-west-1/telemetry", False),
    ],
)
def test_a_reference_is_an_engine_and_a_prefix(reference: str, fits: bool) -> None:
    assert (VAULT.pattern.fullmatch(reference) is not None) == fits


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example")
    monkeypatch.setitem(sys.modules, "hvac", None)
    with pytest.raises(EnvironmentProblem) as caught:
        VAULT.open("vault:secret/telemetry", now=lambda: NOW, retention_days=90)
    assert "[vault]" in caught.value.remedy


def test_without_an_address_nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    with pytest.raises(SettingsError) as caught:
        VAULT.open("vault:secret/telemetry", now=lambda: NOW, retention_days=90)
    assert caught.value.where == "VAULT_ADDR"
