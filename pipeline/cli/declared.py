"""Settings as the command line reads them: with every kind of source and every store of keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.io import keystores, source_kinds
from pipeline.settings import Settings, load
from pipeline.settings.declared import DeclaredKinds

DECLARED = DeclaredKinds(source_kinds.KINDS, keystores.KINDS)


def load_settings(
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read all settings; see `pipeline.settings.load.load_settings`."""
    return load.load_settings(DECLARED, config, flags, environ)


def trace_settings(
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> load.Trace:
    """Read all settings and say where each is from; see `pipeline.settings.load`."""
    return load.trace_settings(DECLARED, config, flags, environ)
