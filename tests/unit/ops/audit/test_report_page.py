"""An audit as one page: every promise with what was seen, nothing executable, nothing unescaped."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

from pipeline.events.promises import Promise
from pipeline.ops.audit.audit import (
    MOST_EVIDENCE,
    Audited,
    Check,
    Observation,
    Proof,
    Report,
    Result,
    broken,
    kept,
    not_applicable,
    not_verified,
)
from pipeline.ops.audit.report_page import page

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
NASTY = "<script>alert('x')</script>&"


def never(_: Audited) -> Observation:
    raise AssertionError


def proof(number: int, *seen: Observation, text: str = "Words") -> Proof:
    check = Check("c", "stored bytes", "Sentence.", never)
    promise = Promise(f"P{number:02d}", text, ("c",))
    return Proof(promise, tuple(Result(check, one) for one in seen))


def made(*proofs: Proof, lake: str = "/lake", receipt: str | None = None) -> str:
    return page(Report(lake, AT, proofs, receipt), "0.2.0")


class Tags(HTMLParser):
    """Which elements there are, and whether each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_outcome_comes_first_and_names_what_is_broken() -> None:
    text = made(proof(1, kept("a")), proof(2, broken("b")), proof(3, broken("c")))
    assert "2 of 3 promises are broken: P02, P03." in text
    fine = made(proof(1, kept("a")), proof(2, not_verified("b")), proof(3, not_applicable("c")))
    assert "No promise is broken; 1 are kept." in fine
    assert "Not verified: P02; each says why. 1 have nothing to be checked on here." in fine


def test_every_check_stands_with_what_it_saw() -> None:
    text = made(proof(1, kept("3 files"), broken("rows", ["place one", "place two"])))
    for words in (
        "3 files",
        "rows",
        "<code>place one</code>",
        "<code>place two</code>",
        "Sentence.",
    ):
        assert words in text
    assert re.findall(r'<section class="(\w+)"', text) == ["broken"]


def test_evidence_that_was_cut_is_counted() -> None:
    text = made(proof(1, broken("rows", [f"place {n}" for n in range(MOST_EVIDENCE + 1_234)])))
    assert "and 1,234 more" in text
    assert "more</li>" not in made(proof(1, broken("rows", ["a"])))


def test_nothing_on_the_page_is_executed_or_fetched() -> None:
    text = made(
        proof(1, broken(NASTY, [NASTY]), text=NASTY), lake=f"/lake/{NASTY}", receipt="a" * 64
    )
    tags = Tags(text)
    assert tags.open == []
    assert not tags.seen & {"script", "img", "link", "iframe", "form"}
    assert "default-src 'none'" in text
    assert "src=" not in text.replace("default-src", "").replace("style-src", "")
    assert "a" * 64 in text
