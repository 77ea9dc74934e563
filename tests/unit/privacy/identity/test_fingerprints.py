"""Fingerprints of error messages: the skeleton by a table, the keyed hash by its definition."""

from __future__ import annotations

import hmac
import time
from typing import Any

import pytest

from pipeline.privacy.identity.fingerprints import skeleton
from tests.privacy_rows import KEY, fixture, stored

EPOCH_KEY = KEY + b"4weeks-0037"


@pytest.mark.parametrize("row", list(fixture("skeletons.tsv")))
def test_a_message_has_the_fingerprint_of_the_skeleton_in_the_table(row: list[Any]) -> None:
    message, bones = row
    assert bones is None or skeleton(message) == bones
    found = stored("api_request", "error_message", [message], "error_fingerprint")
    expected = bones and hmac.digest(EPOCH_KEY, b"tp/v1/fp\0" + bones.encode(), "sha256")[:8].hex()
    assert found == [expected]


def test_errors_of_one_kind_have_one_fingerprint() -> None:
    messages = [
        "no worker for stream 9f3a within 200 ms",
        "no worker for stream c0ffee77 within 5 ms",
        "NO WORKER for stream 'x' within 1e3 ms",
        "no worker for region 9f3a within 200 ms",
    ]
    found = stored("error_log", "message", messages, "error_fingerprint")
    assert found[0] == found[1] == found[2] != found[3]


def test_a_message_that_is_not_text_has_no_fingerprint() -> None:
    assert stored("error_log", "message", ["\x00"], "error_fingerprint") == [None]


@pytest.mark.parametrize(
    "unit", ["'", '"', "/", "a", "1 ", "a.", "* ", "=", "*,", "'a ", "a-", "*-"]
)
def test_a_hostile_message_is_not_slow(unit: str) -> None:
    message = unit * (2048 // len(unit))
    began = time.process_time()
    for _ in range(10):
        skeleton(message)
    assert (time.process_time() - began) / 10 < 0.02
