"""What is asked of a registry, and which of its answers mean: no such schema, later, never."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, RegistryUnreachable
from pipeline.io.registry.client import RegistryAccess, RegistryClient
from tests.unit.io.registry.registry_server import Registry, registry


@pytest.fixture
def served() -> Iterator[Registry]:
    with registry() as here:
        yield here


def test_schemas_are_asked_for_by_number_and_by_version(served: Registry) -> None:
    served.answers = {
        "/schemas/ids/7": (200, {"schema": "s"}),
        "/subjects/a%2Fb%20c/versions/2": (200, {"schema": "t"}),
    }
    client = RegistryClient(RegistryAccess(f"{served.url}/"))
    assert client.by_number(7) == {"schema": "s"}
    assert client.by_version("a/b c", 2) == {"schema": "t"}
    assert client.by_number(8) is None
    assert served.authorization == [None, None, None]


def test_credentials_are_looked_up_where_they_are_needed_and_never_shown(served: Registry) -> None:
    access = RegistryAccess(served.url, partial(str, "user"), partial(str, "hunter2"))
    RegistryClient(access).by_number(1)
    assert served.authorization == [f"Basic {base64.b64encode(b'user:hunter2').decode()}"]
    assert "hunter2" not in repr(access)
    assert pickle.loads(pickle.dumps(access)).url == served.url


@pytest.mark.parametrize("answer", [(500, {}), (503, b""), (429, {}), (200, b"<"), (200, [])])
def test_what_may_be_over_soon_is_waited_for(served: Registry, answer: tuple[int, object]) -> None:
    served.answers = {"/schemas/ids/1": answer}
    with pytest.raises(RegistryUnreachable, match="does not answer") as caught:
        RegistryClient(RegistryAccess(served.url)).by_number(1)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ((401, {}), "refuses the credentials"),
        ((403, {"error_code": 40301}), "refuses the credentials"),
        ((404, b"<html>"), "not that of a schema registry"),
        ((404, {"error_code": 404}), "not that of a schema registry"),
        ((302, b""), "not that of a schema registry"),
    ],
)
def test_what_somebody_has_to_change_is_not_waited_for(
    served: Registry, answer: tuple[int, object], what: str
) -> None:
    served.answers = {"/schemas/ids/1": answer}
    served.location = "/elsewhere"
    with pytest.raises(EnvironmentProblem, match=what) as caught:
        RegistryClient(RegistryAccess(served.url)).by_number(1)
    assert not isinstance(caught.value, RegistryUnreachable)
    assert served.asked == ["/schemas/ids/1"], "a redirect was followed"


def test_a_registry_that_is_not_there_is_waited_for() -> None:
    with registry() as here:
        url = here.url
    with pytest.raises(RegistryUnreachable, match="ConnectionRefusedError"):
        RegistryClient(RegistryAccess(url)).by_number(1)


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    client = RegistryClient(RegistryAccess("https://127.0.0.1:1", ca_file=tmp_path / "none.pem"))
    with pytest.raises(EnvironmentProblem, match=r"registry\.ca_file"):
        client.by_number(1)
