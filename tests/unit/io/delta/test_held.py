"""A held table is loaded once, until it is forgotten."""

from __future__ import annotations

from pipeline.io.delta.held import HeldTables


def test_a_table_is_loaded_once_and_again_when_it_was_forgotten() -> None:
    held, loads = HeldTables(), list[str]()

    def load(uri: str) -> None:
        loads.append(uri)

    for uri in ("a", "b", "a"):
        assert held.get(uri, lambda uri=uri: load(uri)) is None  # type: ignore[misc]
    assert loads == ["a", "b"]  # also one that does not exist
    held.forget("a")
    for uri in ("a", "b"):
        held.get(uri, lambda uri=uri: load(uri))  # type: ignore[misc]
    assert loads == ["a", "b", "a"]
    held.forget()
    held.get("b", lambda: load("b"))
    assert loads[-1] == "b"
