"""References to Google Secret Manager.

`tests/integration/test_secret_manager.py` runs this where Google's client is; the last test needs
none.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.settings import Secret
from pipeline.settings.secrets import reveal
from tests.unit.io.keys.stores import google_is_here

NAME = "projects/p/secrets/password"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Google's client, connected to a service that has one secret."""
    from google.cloud import secretmanager

    from tests.integration.services.secret_manager import Service, client_of, serving

    with serving(Service()) as address:
        found = client_of(address)
        monkeypatch.setattr(secretmanager, "SecretManagerServiceClient", lambda: found)
        found.create_secret({"parent": "projects/p", "secret_id": "password", "secret": {}})
        found.add_secret_version({"parent": NAME, "payload": {"data": b"hunter2"}})
        yield found


if google_is_here():

    def test_a_secret_manager_reveals_a_version_and_tells_the_rest_by_its_kind(client: Any) -> None:
        del client
        assert reveal(Secret(f"gcp-sm:{NAME}/versions/1"), "kafka.password") == "hunter2"
        for reference in (f"gcp-sm:{NAME}/versions/2", "gcp-sm:projects/p/secrets/x/versions/1"):
            with pytest.raises(SettingsError, match="Google answers NotFound") as caught:
                reveal(Secret(reference), "kafka.password")
            assert "projects" not in str(caught.value)


def test_the_secret_manager_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.secretmanager", None)
    with pytest.raises(EnvironmentProblem, match="gcp-sm"):
        reveal(Secret("gcp-sm:projects/p/secrets/s/versions/1"), "kafka.password")
