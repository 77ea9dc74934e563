"""The command line reads settings with every kind of the registries."""

from __future__ import annotations

from pathlib import Path

from pipeline.cli.declared import DECLARED, load_settings, trace_settings
from pipeline.io import keystores, source_kinds


def test_nothing_of_the_registries_is_left_out() -> None:
    assert (DECLARED.sources, DECLARED.keys) == (source_kinds.KINDS, keystores.KINDS)


def test_both_ways_of_reading_know_them(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text('[sources.a]\nevent = "session"\nfiles = ["in"]\n')
    assert trace_settings(file, environ={}).settings == load_settings(file, environ={})
    assert type(load_settings(file, environ={}).sources["a"]).__name__ == "FileSourceSettings"
