"""Files as a source: NDJSON in files, folders and patterns, tailed; `.gz` and `.zst` read whole.

A file is its content, whatever it is called and wherever it is: renamed, copied, compressed or
restored, it is the same source and is read on from there (`identity`, `recognition`). Its
position is the byte offset of the next unread line (compressed: of the uncompressed text). A file
that was changed before its position stops the run: its old lines are in the lake, and nobody can
say which of the new ones are (`judging`).

Unit of parallelism: the file. Workers on one machine take files by claims (`claims.py`): any
worker takes any file, one at a time. Delivery: exactly-once, by the position in the lake's
log and the marks beside it. Replay: nothing is duplicated.
"""

# `setting` returns a dataclass field, which is what a default may be.

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pipeline.errors import counted
from pipeline.io.source_kind import Around, Flag, NamesInLog, SourceKind
from pipeline.settings.values import setting, text_list

if TYPE_CHECKING:
    from pipeline.io.files.reader import FileReader
    from pipeline.io.source import Clock, Pace, Positions, Shard, Source

STANDARD_INPUT = "-"
"""How standard input is named among paths."""

_FILE = "file/[0-9a-f]{16}"


@dataclass(frozen=True, slots=True)
class FileSourceSettings(SourceKind):
    """A source that is files, or what is piped in."""

    WHAT: ClassVar[str] = "files"
    EXAMPLE: ClassVar[str] = 'files = ["path"]'
    NEEDS: ClassVar[tuple[str, ...]] = ("files",)
    PATHS: ClassVar[tuple[str, ...]] = ("files",)
    NAMES: ClassVar[Mapping[str, NamesInLog]] = {
        "file": NamesInLog(f"{_FILE}/0", f"{_FILE}/(?:begun|0/tail|0/adopted)")
    }
    FLAGS: ClassVar[tuple[Flag, ...]] = (
        Flag(
            "--input",
            "files",
            "Files, folders or patterns; - is standard input.",
            metavar="PATH...",
            several=True,
        ),
    )
    FLAGGED: ClassVar[str] = "input"
    FLAGS_SAY: ClassVar[tuple[str, str]] = ("files", "--input PATH")
    FOLDERS: ClassVar[tuple[str, ...]] = ("files",)

    files: tuple[str, ...] = setting(
        (), text_list, "NDJSON files, or directories that are tailed; `.gz` and `.zst` read whole."
    )

    @property
    def is_piped(self) -> bool:
        """Whether the source is standard input."""
        return self.files == (STANDARD_INPUT,)

    def make(self, around: Around) -> Source:
        """Describe the files; see `SourceKind.make`."""
        from pipeline.io.files.standard_input import StandardInput
        from pipeline.io.state_folder import StateFolder

        if self.is_piped:
            return StandardInput(around.name, around.event, around.header)
        claims = StateFolder(around.state).claims
        key = partial(around.permanent_key, "files")
        return FileSource(around.name, around.event, self.files, claims, key, around.header)

    def look(self) -> str:
        """Count the files that are there; see `SourceKind.look`."""
        from pipeline.io.files.paths import find_inputs, require_inputs

        if self.is_piped:
            return "standard input"
        require_inputs(self.files)
        return counted(len(find_inputs(self.files)), "file")


@dataclass(frozen=True, slots=True)
class FileSource:
    """Files that carry one event; see the module."""

    name: str
    event: str
    paths: tuple[str, ...]
    """Files, folders and patterns (`pipeline.io.files.paths`)."""
    claims: Path
    """`<state>/claims`: shared by all workers, private."""
    key: Callable[[], bytes]
    """Opens the permanent key "files"; picklable."""
    header: bytes = b""
    """The prefix of a line that says how those after it are to be read; empty: there is none."""

    def shards(self, workers: int) -> Sequence[Shard]:
        """Give every worker a shard: they share the files as they go."""
        from pipeline.io.source import Shard

        return [Shard(self.name, index, workers) for index in range(workers)]

    def open(self, shard: Shard, positions: Positions, pace: Pace, clock: Clock) -> FileReader:
        """Open a reader; raises `EnvironmentProblem` if a path names nothing."""
        from pipeline.io.files.claims import Claims
        from pipeline.io.files.paths import require_inputs
        from pipeline.io.files.reader import FileReader
        from pipeline.io.files.recognition import Recognizer
        from pipeline.io.files.tailing import Tails

        assert shard.source == self.name
        require_inputs(self.paths)
        key = self.key()
        tails = Tails(self.paths, key, to_end=pace.to_end)
        recognizer = Recognizer(key, positions)
        claims = Claims(self.claims)
        return FileReader(self.event, tails, claims, recognizer, pace, clock, self.header)
