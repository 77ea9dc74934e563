"""What a kind of source declares, in the folder of the source and nowhere else.

A kind is a class whose fields are its settings (`[sources.NAME]`), and that says how it is named in
the lake's log, which options of `telemetry run` describe it, and how it becomes a `Source`. It is
imported wherever settings are read, so it imports what it opens only where it opens it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pipeline.settings.source import SourceSettings

if TYPE_CHECKING:
    from pipeline.io.kafka.client import KafkaAccess
    from pipeline.io.source import Source


@dataclass(frozen=True, slots=True)
class NamesInLog:
    """How a kind of source is named in the lake's log, as regular expressions."""

    positions: str
    """Its app ids (`Span.app_id`)."""
    marks: str = "(?!)"
    """Its marks (`Span.marks`), which say what a position belongs to; none by default."""


@dataclass(frozen=True, slots=True)
class Flag:
    """An option of `telemetry run` that gives one setting of a source."""

    name: str
    """`--topic`."""
    setting: str
    says: str
    metavar: str | None = None
    several: bool = False
    """Whether the option takes more than one value."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a run tells a kind of source beside its own settings; nothing is open."""

    name: str
    event: str
    state: Path
    """The state folder."""
    permanent_key: Callable[[str], bytes]
    """Opens one of `keystore.PERMANENT`; picklable."""
    kafka: Callable[[Sequence[str]], KafkaAccess]
    """How to connect to brokers, as the section `[kafka]` says."""
    read_committed: bool
    header: bytes = b""
    """The prefix of a line that says how those after it are to be read; empty: there is none."""


@dataclass(frozen=True, slots=True)
class SourceKind(SourceSettings):
    """The settings of one kind of source, and how they become a `Source`."""

    NAMES: ClassVar[Mapping[str, NamesInLog]]
    """By `Span.source`. The audit reports any other name in the log."""
    FLAGS: ClassVar[tuple[Flag, ...]] = ()
    FLAGGED: ClassVar[str] = ""
    """The name of a source that flags describe, as `NAME` in `[sources.NAME]`."""
    FLAGS_SAY: ClassVar[tuple[str, str]] = ("", "")
    """What the flags of this kind set, and how they are written."""
    FOLDERS: ClassVar[tuple[str, ...]] = ()
    """Settings that name things on this machine, which workers elsewhere may not reach."""

    def make(self, around: Around) -> Source:
        """Describe the source; nothing is opened."""
        raise NotImplementedError

    def look(self) -> str:
        """Look for what the source names on this machine, and return what is there.

        Empty if only a service knows. Raises `EnvironmentProblem` if it is not there.
        """
        return ""

    def told(self) -> str:
        """Describe the source for the record of processing: `the Kafka topic T`."""
        return self.WHAT
