"""What of a file is unread, and when it is finished."""

from __future__ import annotations

from pipeline.io.files.identity import Match
from pipeline.io.files.tail import Tail


def tail(**more: object) -> Tail:
    fields = {"packed": False, "size": 100, "goal": 100, **more}
    return Tail("a.log", (1, 2), "l", {}, "o", modified=0, changed=0.0, content=None, **fields)  # type: ignore[arg-type]


def test_a_file_that_was_not_asked_for_is_unread_and_not_finished() -> None:
    assert (tail().unread, tail().finished) == (100, False)


def test_a_file_is_finished_at_its_size_when_the_reader_was_opened() -> None:
    part = tail(size=150, match=Match("file/x/0", 100))
    assert (part.unread, part.finished) == (50, True)


def test_an_echo_has_nothing_of_its_own_until_it_grows() -> None:
    part = tail(echo_at=100)
    assert (part.unread, part.finished) == (0, True)
    part.size = 120
    assert part.unread == 120


def test_a_forgotten_file_is_asked_for_again() -> None:
    part = tail(packed=True, ended=True, match=Match("file/x/0", 5), stuck_at=100, echo_at=100)
    part.forget()
    assert (part.match, part.ended, part.stuck_at, part.echo_at) == (None, False, None, None)
    assert part.unread == 100
