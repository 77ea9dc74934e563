"""Tokens of an identity provider: fetched once, renewed before they end, told by nobody."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.io.web.tokens import TokenAccess, TokenRefused, TokenSource
from tests.integration.services.token_endpoint import TokenEndpoint, token_endpoint

SECRET = "s3cret:with/odd+signs"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    with token_endpoint({"client": SECRET}) as served:
        yield served


def access(endpoint: TokenEndpoint, secret: str = SECRET, **more: object) -> TokenAccess:
    told = (partial(str, "client"), partial(str, secret))
    return TokenAccess(endpoint.url, *told, **more)  # type: ignore[arg-type]


def test_a_token_is_asked_for_once_and_again_before_it_ends(endpoint: TokenEndpoint) -> None:
    clock = Clock()
    source = TokenSource(access(endpoint, scope="kafka"), clock)
    first = source.token()
    clock.now += 0.79 * endpoint.seconds
    assert source.token() == first
    clock.now += 0.02 * endpoint.seconds
    assert source.token() != first
    assert endpoint.asked == [{"grant_type": "client_credentials", "scope": "kafka"}] * 2


def test_a_token_of_unknown_life_is_used_for_one_connection(endpoint: TokenEndpoint) -> None:
    endpoint.says_seconds = False
    source = TokenSource(access(endpoint))
    assert source.token() != source.token()


def test_while_the_endpoint_is_away_the_old_token_serves_until_it_ends(
    endpoint: TokenEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    source = TokenSource(access(endpoint), clock)
    first = source.token()
    endpoint.answer = (503, b"")
    clock.now += 0.9 * endpoint.seconds
    with caplog.at_level(logging.DEBUG):
        assert source.token() == first
    assert source.problem() is None
    assert "status 503" in caplog.text
    clock.now += 0.2 * endpoint.seconds
    with pytest.raises(EnvironmentProblem, match="gives no token now"):
        source.token()
    assert source.problem() is not None
    assert first not in caplog.text
    assert SECRET not in caplog.text
    endpoint.answer = None
    assert source.token() != first
    assert source.problem() is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((400, b'{"error":"invalid_scope"}'), r"status 400 \(invalid_scope\)"),
        ((401, b'{"error":"s3cret"}'), "status 401"),
        ((302, b""), "status 302"),
        ((200, b"<html>"), "no token"),
        ((200, b'{"access_token": 1}'), "no token"),
        ((200, b'{"access_token": "a\\u0001b"}'), "no token"),
        ((200, b"[]"), "no token"),
    ],
)
def test_a_refusal_says_what_to_check_and_repeats_nothing(
    endpoint: TokenEndpoint, answer: tuple[int, bytes], said: str
) -> None:
    endpoint.answer = answer
    with pytest.raises(TokenRefused, match=said) as caught:
        TokenSource(access(endpoint)).token()
    assert "s3cret" not in str(caught.value)
    assert "token_scope" in caught.value.remedy


def test_a_wrong_secret_is_refused_without_being_told(endpoint: TokenEndpoint) -> None:
    with pytest.raises(TokenRefused, match="invalid_client") as caught:
        TokenSource(access(endpoint, "wrong-secret")).token()
    assert "wrong" not in f"{caught.value!s}{caught.value.__cause__}{caught.value.__context__}"


def test_no_secret_travels_or_shows(endpoint: TokenEndpoint) -> None:
    told = access(endpoint)
    source = TokenSource(told)
    token = source.token()
    for text in (repr(told), repr(source), str(vars(endpoint)["asked"])):
        assert SECRET not in text
        assert token not in text
    assert TokenSource(pickle.loads(pickle.dumps(told))).token()


def test_a_secret_is_not_sent_in_the_clear() -> None:
    with pytest.raises(SettingsError, match="no TLS"):
        TokenAccess("http://login.example/token", str, str)


def test_an_endpoint_that_is_not_there_is_told_by_its_address(
    endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    gone = TokenAccess("http://127.0.0.1:1/token", partial(str, "a"), partial(str, "b"))
    with pytest.raises(EnvironmentProblem, match="ConnectionRefusedError"):
        TokenSource(gone).token()
    with pytest.raises(EnvironmentProblem, match="token_ca_file"):
        TokenSource(access(endpoint, ca_file=tmp_path / "missing.pem")).token()
