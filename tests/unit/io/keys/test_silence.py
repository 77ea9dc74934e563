"""No verbosity makes a client of a secret manager tell a key or a login in a log."""

from __future__ import annotations

import base64
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.cli.frame.logs import levels_of_one_command, set_up_logging
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from pipeline.settings import Secret
from pipeline.settings.secrets import reveal
from tests.integration.services.aws_secrets import aws_secrets
from tests.integration.services.azure_vault import TOKEN, azure_vault
from tests.unit.io.keys.stores import HERE, NOW, STORES, Clock


@pytest.mark.parametrize("store", HERE)
def test_no_key_is_logged_at_any_level(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        place = STORES[store](tmp_path / "keys", Clock(), stack)
        stack.enter_context(levels_of_one_command())
        set_up_logging(2)
        key = place.open().epoch_key(epoch_of(NOW.date(), EpochKind.DAY))
        assert key is not None
    told = capsys.readouterr().err
    for form in (base64.b64encode(key).decode("ascii"), key.hex(), repr(key)[2:-1]):
        assert form not in told


def test_no_login_is_logged_at_any_level(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with levels_of_one_command(), aws_secrets() as client:
        client.create_secret(Name="login", SecretString="hunter2")
        set_up_logging(2)
        reveal(Secret("aws-sm:login"), "kafka.password")
        with azure_vault(tmp_path, {"login": "hunter2"}) as host:
            reveal(Secret(f"azure-kv:{host}/login"), "kafka.password")
    told = capsys.readouterr().err
    assert "hunter2" not in told
    assert TOKEN not in told
