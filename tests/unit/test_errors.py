"""The tree of errors: what each says, what it ends with, and that it travels between processes."""

from __future__ import annotations

import pickle

import pytest

from pipeline import errors
from pipeline.errors import LakeError, PositionConflict, TelemetryError

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, TelemetryError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_back_from_its_pickle(kind: type[TelemetryError]) -> None:
    error = kind("it broke", where="topic 3", why="the disk is full", remedy="Free some space")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert (back.what, back.where, back.why, back.remedy) == (
        "it broke",
        "topic 3",
        "the disk is full",
        "Free some space",
    )


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "it broke"),
        ({"where": "a:3"}, "it broke at a:3"),
        ({"why": "the disk is full"}, "it broke because the disk is full"),
        ({"remedy": "Free some space"}, "it broke. Free some space"),
        (
            {"where": "a:3", "why": "of this", "remedy": "Fix it"},
            "it broke at a:3 because of this. Fix it",
        ),
    ],
)
def test_an_error_is_one_sentence_of_what_is_known(more: dict[str, str], text: str) -> None:
    assert str(TelemetryError("it broke", **more)) == text


def test_every_kind_has_a_page_of_its_own() -> None:
    own = [kind for kind in KINDS if "page" in vars(kind)]
    assert len({kind.page for kind in own}) == len(own)


def test_a_conflict_is_a_failure_of_the_lake() -> None:
    assert issubclass(PositionConflict, LakeError)
    assert PositionConflict.exit_code == 1


def test_the_drawing_of_the_tree_names_every_kind_and_its_exit_code() -> None:
    drawn = dict(
        line.replace("│", " ").replace("├──", " ").replace("└──", " ").split("exit ")
        for line in (errors.__doc__ or "").splitlines()
        if "exit " in line
    )
    assert {name.strip(): int(rest.split()[0]) for name, rest in drawn.items()} == {
        kind.__name__: kind.exit_code for kind in KINDS
    }
