"""Hashes of content: the same for the same bytes under one key, and for no others."""

from __future__ import annotations

from pipeline.io.files.identity import (
    RUNGS,
    WINDOW,
    app_id_of,
    beginnings,
    line_of,
    old_app_id_of,
    tail_of,
)

KEY, OTHER = bytes(32), bytes(range(32))


def test_a_beginning_is_hashed_at_every_length_that_it_reaches() -> None:
    assert list(beginnings(KEY, b"x" * 300)) == [256, 64, 16, 4, 1]
    assert list(beginnings(KEY, b"x" * WINDOW)) == list(RUNGS)


def test_what_follows_a_rung_does_not_change_it() -> None:
    short, long = beginnings(KEY, b"x" * 64), beginnings(KEY, b"x" * 64 + b"y" * 500)
    assert all(long[rung] == found for rung, found in short.items())


def test_sources_with_one_beginning_are_told_apart_by_number() -> None:
    beginning = beginnings(KEY, b"x" * 64)[64]
    assert len({app_id_of(beginning, number) for number in range(100)}) == 100


def test_every_hash_hangs_on_the_key_and_on_what_it_is_for() -> None:
    text = b"x" * 64
    hashes = {tail_of(key, text) for key in (KEY, OTHER)}
    hashes |= {int(line_of(key, text), 16) for key in (KEY, OTHER)}
    hashes |= {int.from_bytes(beginnings(key, text)[64][:8]) for key in (KEY, OTHER)}
    assert len(hashes) == 6


def test_a_tail_is_a_number_that_the_log_can_hold() -> None:
    assert all(-(2**63) <= tail_of(KEY, b"%d" % n) < 2**63 for n in range(200))


def test_the_app_id_of_the_first_version_is_what_it_wrote() -> None:
    assert old_app_id_of(bytes(range(32)), 12345, b'{"n":0}') == "file/83f024e980472545/0"
