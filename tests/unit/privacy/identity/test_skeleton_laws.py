"""Messages that differ only in a private part have one skeleton, whatever the part looks like."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.privacy.identity.fingerprints import LIMIT, skeleton

NAMES = st.sampled_from(
    ["Alice", "O'Brien", "d'Artagnan", "Anne-Marie", "Zoë", "李雷", "Ólafur", "N'Golo", "Jo"]
) | st.text(string.ascii_letters, min_size=1, max_size=20)
HOSTS = st.sampled_from(["example.com", "mail.example.org", "xn--bcher-kva.example", "localhost"])
ATS = st.sampled_from(
    [
        "@",
        "%40",
        "%2540",
        "&#64;",
        "&#x40;",
        "&#064;",
        "&commat;",
        "&amp;#64;",
        "\uff20",
        "\ufe6b",
        " @ ",
        "\\u0040",
        "\\x40",
        " (at) ",
        " [at] ",
        " &#64; ",
    ]
)
QUOTES = st.sampled_from(
    [
        "''",
        '""',
        "``",
        "`'",
        "“”",
        "„“",
        "””",
        "»«",
        "«»",
        "‹›",
        "›‹",
        "‘’",
        "‚‘",
        "’’",
        "「」",
        "『』",
        "《》",
        "〈〉",
        "〝〞",
        "＂＂",
        "＇＇",
        "´´",
    ]
)
DIGITLESS = st.text("abcdefABCDEF", min_size=2, max_size=2)


@st.composite
def emails(draw: st.DrawFn) -> str:
    name = draw(st.text(string.ascii_letters + ".+_-", min_size=1, max_size=12))
    return f"{name}{draw(ATS)}{draw(HOSTS)}"


@st.composite
def quoted(draw: st.DrawFn) -> str:
    words = " ".join(draw(st.lists(NAMES, min_size=1, max_size=3)))
    pair = draw(QUOTES)
    return f"{pair[0]}{words}{pair[1]}"


@st.composite
def devices(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(":-")).join(draw(st.lists(DIGITLESS, min_size=6, max_size=6)))


def padded(data: bytes) -> str:
    return base64.b64encode(data).decode()


PRIVATE = st.one_of(
    emails(),
    quoted(),
    devices(),
    st.binary(min_size=7, max_size=40).filter(lambda data: len(data) % 3).map(padded),
    st.ip_addresses().map(str).filter(lambda text: any(map(str.isdigit, text))),
    st.uuids().map(str),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.builds("/srv/{}/x".format, NAMES),
    st.builds("https://{}/{}?q=1".format, HOSTS, NAMES),
    st.builds("%{:02X}%20{}".format, st.integers(16, 255), NAMES),
)
TEMPLATES = [
    "user {} not found",
    "{} not found",
    "cannot find {}",
    "Mail to <{}>: refused",
    "lookup of {}, which is cached, failed: {} is gone",
    "can't open the user's file {} now",
]


@pytest.mark.parametrize("template", TEMPLATES)
@settings(max_examples=150, deadline=None)
@given(one=PRIVATE, other=PRIVATE)
def test_messages_that_differ_in_a_private_part_have_one_skeleton(
    template: str, one: str, other: str
) -> None:
    count = template.count("{}")
    assert skeleton(template.format(*[one] * count)) == skeleton(template.format(*[other] * count))


@settings(max_examples=300, deadline=None)
@given(private=PRIVATE)
def test_nothing_of_a_private_part_is_left(private: str) -> None:
    assert skeleton(f"user {private} not found") == "user * not found"


@given(text=st.text(max_size=700))
@settings(max_examples=300, deadline=None)
def test_a_skeleton_reads_no_more_than_its_limit_and_is_its_own_skeleton_in_case(text: str) -> None:
    cut = text.encode(errors="replace")[:LIMIT].decode(errors="ignore")
    assert skeleton(text) == skeleton(cut)
    assert not set(skeleton(text)) & set(string.ascii_uppercase)
