"""User agents, by a table of examples."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from pipeline.events.catalogue import FIXED
from pipeline.privacy.values.agents import (
    LIMIT,
    NEW_AGENTS,
    ROWS_PER_NEW_AGENT,
    AgentParser,
    AgentReader,
    cut,
)
from tests.privacy_rows import CATALOGUE, anonymize, fixture

PARSER = AgentParser(CATALOGUE)
MAJORS = {client.name: client.majors for client in CATALOGUE.clients}
COLUMNS = ("client_family", "client_major", "os_family", "device_class")


@pytest.mark.parametrize("row", list(fixture("agents.tsv")))
def test_an_agent_is_reduced_as_the_table_says(row: list[Any]) -> None:
    agent, *expected = row
    if agent:
        assert list(PARSER.reduce(agent)[:4]) == expected
    rows = anonymize("api_request", [{"user_agent": agent}]).rows
    family, major, *rest = expected
    common = major if major in MAJORS.get(family, ()) else None
    assert [rows.column(name).to_pylist()[0] for name in COLUMNS] == [family, common, *rest]


def test_a_rare_major_version_is_not_stored() -> None:
    chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/{}.0.0.0"
    agents = [{"user_agent": chrome.format(major)} for major in (153, 41, 999, 153)]
    rows = anonymize("api_request", agents).rows
    assert rows.column("client_major").to_pylist() == [153, None, None, 153]
    assert rows.column("client_family").to_pylist() == ["Chrome"] * 4


def flood(count: int, seed: int = 0) -> list[str]:
    """Agents that all differ, as somebody who wants to be expensive would make them."""
    body = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/153.0.0.{} Mobile {}"
    return [body.format(number, "x" * 200) for number in range(seed, seed + count)]


def test_a_flood_of_new_agents_is_read_at_a_glance_and_counted() -> None:
    fair = ["curl/8.9.1", "kube-probe/1.31", flood(1, 10**6)[0]]
    agents = [*flood(5_000), *fair * 20]
    clean = anonymize("api_request", [{"user_agent": agent} for agent in agents])
    families = clean.rows.column("client_family").to_pylist()
    # What many rows have is parsed first; a flood takes nothing away from it.
    assert families[-60:] == ["curl", "probe", "Chrome"] * 20
    limit = NEW_AGENTS + len(agents) // ROWS_PER_NEW_AGENT
    parsed = families[:5_000].count("Chrome")
    assert parsed == limit - len(fair)
    assert families[:5_000].count("other") == 5_000 - parsed
    assert clean.nulled["user_agent", "too_many_new"] == 5_000 - parsed


def test_an_agent_that_was_not_parsed_is_not_remembered_as_such() -> None:
    reader = AgentReader(PARSER)
    agents = flood(2 * NEW_AGENTS)
    once = np.ones(len(agents), dtype=np.int64)
    seen: set[str] = set()
    for _ in range(3):
        kept, unread = reader.read(agents, once)
        seen = {agent.family for agent in kept}
    assert not any(unread)
    assert seen == {"Chrome"}


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
