"""Every kind of source, one line each. Each kind's own folder says what it is."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.io.files.source import FileSourceSettings
from pipeline.io.kafka.source import KafkaSourceSettings
from pipeline.io.source_kind import NamesInLog, SourceKind

KINDS: tuple[type[SourceKind], ...] = (
    FileSourceSettings,
    KafkaSourceSettings,
)

NAMES: Mapping[str, NamesInLog] = {
    source: names for kind in KINDS for source, names in kind.NAMES.items()
}
"""How sources are named in the lake's log, by `Span.source`."""
