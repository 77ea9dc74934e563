"""The six calls that a keystore needs of the secret manager, over Google's own client.

`tests/integration/test_secret_manager.py` runs this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.keys.google_api import GoogleSecrets
from pipeline.io.keys.secret_service import NoVersion, Unreadable
from tests.integration.services.secret_manager import Refused, Service, client_of, serving

CONTENT = bytes(range(32))
FULL = "projects/p/secrets/telemetry-key"


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def manager(service: Service) -> Iterator[GoogleSecrets]:
    with serving(service) as address:
        yield GoogleSecrets(client_of(address), "p", "telemetry")


def test_the_manager_makes_a_secret_once_and_gives_back_its_first_version(
    manager: GoogleSecrets,
) -> None:
    for content in (CONTENT, b"second"):
        manager.create("key")
        manager.add("key", content)
    assert manager.first("key") == CONTENT
    assert manager.path("key") == FULL


def test_the_manager_tells_what_is_missing_from_what_cannot_be_read(
    manager: GoogleSecrets, service: Service
) -> None:
    with pytest.raises(NoVersion):
        manager.first("key")
    manager.create("key")
    with pytest.raises(NoVersion):
        manager.first("key")
    manager.add("key", CONTENT)
    service.version(f"{FULL}/versions/1").state = "DISABLED"
    with pytest.raises(Unreadable, match="destroyed or disabled"):
        manager.first("key")


def test_what_the_manager_damaged_on_its_way_is_refused(
    manager: GoogleSecrets, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.create("key")
    manager.add("key", CONTENT)
    answer = service.access_secret_version

    def damaged(request: Any, types: Any) -> Any:
        found = answer(request, types)
        found.payload.data = CONTENT[::-1]
        return found

    monkeypatch.setattr(service, "access_secret_version", damaged)
    with pytest.raises(Unreadable, match="checksum"):
        manager.first("key")


def test_the_manager_destroys_for_ever_and_again(manager: GoogleSecrets, service: Service) -> None:
    manager.destroy_first("key")
    manager.create("key")
    manager.add("key", CONTENT)
    for _ in range(2):
        manager.destroy_first("key")
    assert service.version(f"{FULL}/versions/1").data == b""


def test_only_one_of_two_changes_of_the_managers_annotations_is_made(
    manager: GoogleSecrets,
) -> None:
    assert manager.annotations("index") == ("", {})
    manager.create("index")
    etag, _ = manager.annotations("index")
    assert manager.annotate("index", etag, {"a": "1"})
    assert not manager.annotate("index", etag, {"b": "2"})
    assert manager.annotations("index")[1] == {"a": "1"}


def test_a_right_that_is_missing_at_the_manager_is_told_unless_it_may_be(
    manager: GoogleSecrets, service: Service
) -> None:
    def refuse(method: str) -> None:
        raise Refused("PERMISSION_DENIED")

    service.before = refuse
    manager.destroy_first("key", if_allowed=True)
    with pytest.raises(EnvironmentProblem, match="PermissionDenied") as caught:
        manager.destroy_first("key")
    assert "words of the request" not in str(caught.value)
    assert caught.value.__cause__ is None
