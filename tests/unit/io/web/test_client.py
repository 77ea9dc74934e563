"""One request and its whole answer: no redirect, no proxy, no raised status."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.io.web.client import NoAnswer, WebClient
from tests.unit.io.registry.registry_server import Registry, registry


@pytest.fixture
def served() -> Iterator[Registry]:
    with registry() as here:
        yield here


@pytest.mark.parametrize(("status", "is_later"), [(200, False), (404, False), (429, True)])
def test_every_status_is_an_answer(served: Registry, status: int, is_later: bool) -> None:
    served.answers = {"/a": (status, {"x": 1})}
    found = WebClient().ask(f"{served.url}/a", {"Authorization": "Basic x"})
    assert (found.status, found.body, found.is_later) == (status, b'{"x": 1}', is_later)
    assert served.authorization == ["Basic x"]


def test_a_redirect_is_not_followed_and_no_proxy_is_asked(
    served: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    served.answers = {"/a": (302, {})}
    served.location = "/b"
    assert WebClient().ask(f"{served.url}/a", {}).status == 302
    assert served.asked == ["/a"]


def test_no_answer_says_why_by_its_kind() -> None:
    with pytest.raises(NoAnswer, match="of a ConnectionRefusedError"):
        WebClient().ask("http://127.0.0.1:1/secret-path", {})
