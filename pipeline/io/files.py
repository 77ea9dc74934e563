"""Files as a source: NDJSON in files, folders and patterns, tailed; `.gz` and `.zst` read whole.

A file's app id is `file/<identity>/0`. Its identity is a keyed hash of its inode and first line:
it survives a rename (rotation), and a new file in a reused inode is another file. Its position is
the byte offset of the next unread line (compressed: of the uncompressed text). A file that is
shorter than its position, or has other bytes before it, stops the run: its old lines are in the
lake, and nobody can say which of the new ones are.

Unit of parallelism: the file. Workers of one machine take files by claims (`pipeline.io.claims`),
any worker any file, one at a time. Delivery: exactly-once, by the position in the lake's log.
Replay: a file that is copied (another inode) or restored is another file, and read again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.io.source import Clock, Pace, Position, Reader, Shard


@dataclass(frozen=True, slots=True)
class FileSource:
    """Files that carry one event; see the module."""

    name: str
    event: str
    paths: tuple[str, ...]
    """Files, folders and patterns (`pipeline.io.inputs`)."""
    claims: Path
    """`<state>/claims`: shared by all workers, private."""
    key: Callable[[], bytes]
    """Opens the permanent key "files"; picklable."""

    def shards(self, workers: int) -> Sequence[Shard]:
        """Give every worker a shard: they share the files as they go."""
        return [Shard(self.name, index, workers) for index in range(workers)]

    def open(self, shard: Shard, position: Position, pace: Pace, clock: Clock) -> Reader:
        """Open a reader; raises `EnvironmentProblem` if a path names nothing."""
        raise NotImplementedError
