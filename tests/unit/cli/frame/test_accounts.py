"""Account ids come in without marks and line ends, and those that no event carries are refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pipeline.cli.frame.accounts import read_accounts
from pipeline.cli.main import main
from pipeline.errors import UsageError
from pipeline.io.rights.request_topic import Malformed, parse_request

BOM = b"\xef\xbb\xbf"
REFUSED = {
    "empty": "",
    "too long": "x" * 257,
    "too many bytes": "ü" * 129,
    "NUL": "acct\0other",
    "lone surrogate": "acct\udcff",
}


def given(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))


@pytest.mark.parametrize(
    "content",
    [
        b"a\nb\n",
        b"a\nb",
        BOM + b"a\nb\n",
        b"a\r\nb\r\n",
        BOM + b"a\r\nb",
        b"\na\n\nb\n\n",
        BOM + b"\r\na\r\nb\r\n",
        b"a\nb\na\n",
    ],
)
def test_marks_and_line_ends_are_no_part_of_an_id(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    given(monkeypatch, content)
    assert read_accounts(["-"]) == ["a", "b"]


def test_everything_else_is_part_of_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, " a \n\ta\nA\na\u2028b\n\ufeffa\n".encode())
    # The first mark is the input's, not the id's: here there is none.
    assert read_accounts(["-"]) == [" a ", "\ta", "A", "a\u2028b", "\ufeffa"]


@pytest.mark.parametrize("content", ["a\n".encode("utf-16"), b"caf\xe9\n", b"\xff\n"])
def test_input_that_is_not_utf_8_is_refused(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    given(monkeypatch, content)
    with pytest.raises(UsageError):
        read_accounts(["-"])


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_event_carries_is_refused_everywhere(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    account = REFUSED[name]
    with pytest.raises(UsageError):
        read_accounts(["a", account])
    message = json.dumps({"request": "opt_out", "account_id": account}).encode()
    assert parse_request(message) is Malformed.INVALID_ACCOUNT
    if account:
        given(monkeypatch, f"{account}\n".encode("utf-8", "surrogatepass"))
        with pytest.raises(UsageError):
            read_accounts(["-"])


@pytest.mark.parametrize(
    "words",
    [
        ["optout", "add"],
        ["optout", "remove"],
        ["optout", "check"],
        ["erase"],
        ["erase", "--apply"],
        ["restrict"],
        ["release"],
        ["export", "--out", "OUT"],
        ["hold", "add", "--owner", "o", "--reason", "r", "--until", "2026-12-01", "--account"],
    ],
)
def test_every_command_refuses_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    places = ["--lake", str(tmp_path / "lake"), "--state", str(tmp_path / "state")]
    filled = [str(tmp_path / "out") if word == "OUT" else word for word in words]
    now = ["--now", "2026-11-24T12:00:00Z"]
    assert main([*filled, "acct\0other", *places, *now]) == 2
    assert "acct" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
