"""User agents, by a table of examples."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pipeline.events.catalogue import FIXED
from pipeline.privacy.agents import LIMIT, AgentParser, cut
from tests.privacy_rows import CATALOGUE, anonymize, fixture

COLUMNS = ("client_family", "client_major", "os_family", "device_class")


@pytest.mark.parametrize("row", list(fixture("agents.tsv")))
def test_an_agent_is_reduced_as_the_table_says(row: list[Any]) -> None:
    agent, *expected = row
    rows = anonymize("api_request", [{"user_agent": agent}]).rows
    assert [rows.column(name).to_pylist()[0] for name in COLUMNS] == expected


def test_the_table_shows_every_device_class() -> None:
    shown = {row[4] for row in fixture("agents.tsv")}
    assert shown - {None} == set(FIXED["device_classes"])


def test_every_client_of_the_catalogue_is_told_by_its_own_prefix() -> None:
    parser = AgentParser(CATALOGUE)
    for client in CATALOGUE.clients:
        for prefix in client.prefixes:
            found = parser.reduce(f"{prefix}12.1 (something)")
            assert (found.family, found.major, found.device) == (
                client.name,
                12,
                client.device or found.device,
            )


@pytest.mark.parametrize("character", ["é", "語", "😀"])
@pytest.mark.parametrize("before", range(4))
def test_the_cut_leaves_no_part_of_a_character(character: str, before: int) -> None:
    text = "x" * (LIMIT - before) + character * 4
    shortened = cut(text)
    assert text.startswith(shortened)
    assert LIMIT - 4 < len(shortened.encode()) <= LIMIT


@pytest.mark.parametrize(
    "unit", ["(", "a", "1.", "/", ";a", "android x", "Chrome/1 ", "Mobile ", "\\", "\n"]
)
def test_a_hostile_agent_is_not_slow(unit: str) -> None:
    parser = AgentParser(CATALOGUE)
    text = "Mozilla/5.0 " + unit * 200_000
    began = time.process_time()
    parser.reduce(text)
    assert time.process_time() - began < 0.05
