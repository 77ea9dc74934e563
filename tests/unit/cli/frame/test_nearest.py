"""The nearest name is suggested, without the word, and never one that destroys."""

from __future__ import annotations

import click
import pytest

from pipeline.cli.frame.nearest import DESTRUCTIVE, Closed, NotListed, did_you_mean, nearest

KNOWN = ["status", "erase", "expire", "export", "explain"]


@pytest.mark.parametrize(
    ("word", "found"),
    [("statsu", "status"), ("STATUS", "status"), ("exprt", "export"), ("zzz", None), ("", None)],
)
def test_the_nearest_name_is_found(word: str, found: str | None) -> None:
    assert nearest(word, KNOWN) == found


@pytest.mark.parametrize("word", ["erase", "erse", "expir", "ERASE"])
def test_nothing_that_destroys_is_suggested(word: str) -> None:
    assert nearest(word, KNOWN) not in DESTRUCTIVE
    assert did_you_mean(word, ["erase", "expire"]) == ""


def test_a_closed_list_is_matched_without_case() -> None:
    assert Closed(["bash", "zsh"]).convert("BASH", None, None) == "bash"


def test_a_word_that_is_not_listed_is_not_repeated() -> None:
    with pytest.raises(NotListed) as refused:
        Closed(["bash", "zsh"]).convert("basch", None, None)
    assert refused.value.suggestion == "Did you mean bash?"
    assert "basch" not in str(refused.value.message)


def test_a_closed_list_is_shown_in_help_as_choices() -> None:
    @click.command()
    @click.option("--shell", type=Closed(["bash", "zsh"]))
    def command(shell: str) -> None:
        """Nothing."""

    assert "[bash|zsh]" in command.get_help(click.Context(command))
